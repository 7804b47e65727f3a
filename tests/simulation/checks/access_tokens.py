"""The access tokens that processes have received, and until when each is valid."""

from typing import NamedTuple

from bitbucket_auth_async.oauth2.tokens import Token
from tests.simulation.checks.token_requests import TokenRequest
from tests.simulation.process import Process
from tests.simulation.world import World

_RECENT = 3


class Expiry(NamedTuple):
    """When an access token expires, and how its expiry is known."""

    at: float
    requested_by: Process | None = None
    clock_error: float = 0.0
    """By how much the requesting machine's wall clock was wrong."""


class AccessTokens:
    """All access tokens of one history."""

    def __init__(self, world: World) -> None:
        """Start empty."""
        self._world = world
        self._expiries: dict[str, Expiry] = {}
        self._recent: dict[Process, list[str]] = {}
        self._unsaved: set[tuple[Process, str]] = set()
        self.rejected: set[str] = set()
        """Access tokens that a caller has reported as refused by the API."""

    def brought(self, process: Process, token: Token) -> None:
        """Record a token that a process brings from a sign-in."""
        self._expiries[token.access_token] = Expiry(self._world.now() + (token.lifetime or 0.0))
        self._remember(process, token.access_token)

    def received(self, request: TokenRequest, access: str) -> None:
        """Record a token from an answer; its lifetime counts from when the request was sent."""
        process = request.process
        clock_error = self._world.wall_clocks.errors[process.number]
        self._expiries[access] = Expiry(request.began + self._world.rules.lifetime, process, clock_error)
        self._remember(process, access)
        if request.without_store or request.grant_type == "authorization_code":
            self._unsaved.add((process, access))

    def save_failed(self, process: Process) -> None:
        """Record that a process reported a failed save of a recent token."""
        self._unsaved.update((process, access) for access in self._recent.get(process, ()))

    def may_be_unsaved(self, process: Process, access: str) -> bool:
        """Return whether a process may hand out this token although no store holds it."""
        return (process, access) in self._unsaved

    def seconds_left(self, access: str) -> float:
        """Return for how many seconds an access token may still be handed out: until its expiry less the leeway."""
        if access not in self._expiries:
            return 0.0
        return self._expiries[access].at - min(30.0, self._world.rules.lifetime / 10) - self._world.now()

    def seconds_late(self, process: Process, access: str, rolled_back_at: float) -> float:
        """Return how many seconds too late a process hands out an access token; negative: it is valid."""
        if access not in self._expiries:
            return float("-inf")
        expiry = self._expiries[access]
        # A process measures its own requests by the boot clock; between hosts the wall clocks' difference shows.
        own = expiry.requested_by is process and access == self._recent[process][-1]
        own = own and expiry.at - self._world.rules.lifetime > rolled_back_at
        lowest_error = self._world.wall_clocks.lowest_errors[process.number]
        skew = 0.0 if own else max(0.0, expiry.clock_error - lowest_error)
        return -self.seconds_left(access) - skew

    def _remember(self, process: Process, access: str) -> None:
        self._recent[process] = [*self._recent.get(process, ()), access][-_RECENT:]
