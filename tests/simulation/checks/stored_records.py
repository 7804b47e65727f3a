"""The records that the store has held, and the claims in them."""

from typing import TYPE_CHECKING, NamedTuple

from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.record import Claim, Record
from tests.simulation.checks.server_state import ServerState, refresh_fingerprint
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.process import Process


class StoredClaim(NamedTuple):
    """A claim that is in the store, and whose request has not been sent yet."""

    claim: Claim
    at: float
    generation: int
    repeats: bool
    """The claim before it was to the same refresh token."""


class StoredRecords:
    """The store's present record and its history."""

    def __init__(self, world: World, server: ServerState) -> None:
        """Start with an empty store."""
        self._world = world
        self._server = server
        self.current: Record | None = None
        self.past: list[tuple[float, Record]] = []
        self.access_stored_at: dict[str, float] = {}
        """When each access token was first stored."""
        self.refresh_stored_at: dict[str, float] = {}
        """The same for refresh tokens, by fingerprint, since the last rollback."""
        self.known_dead: set[str] = set()
        """Fingerprints of refresh tokens that a record has marked as refused."""
        self.claims: dict[Process, StoredClaim] = {}
        self.owners: dict[str, Process] = {}
        self.generation_since = 0.0
        self.renewable_since: float | None = None
        """Since when the record has always held a refresh token that the server accepts; None: it holds none now."""
        self.rolled_back_at = -1.0
        """When the store last lost its newest data."""

    @property
    def renewable(self) -> bool:
        """True if the record holds a refresh token that the server accepts."""
        record = self.current
        return record is not None and any(map(self._server.is_spendable, (record.token, *record.spares)))

    def is_new_claim(self, claim: Claim) -> bool:
        """Return whether the claim is not in the present record yet, and not a note of a lost answer."""
        before = None if self.current is None else self.current.claim
        return not claim.lost and (
            before is None or before.lost or (before.owner, before.since) != (claim.owner, claim.since)
        )

    def is_of_another_sign_in(self, token: Token) -> bool:
        """Return whether the present record's token comes from another sign-in than *token*."""
        record = self.current
        stored = None if record is None or record.token is None else self._server.family(record.token)
        return stored is not None and self._server.family(token) is not stored

    def put(self, record: Record | None) -> None:
        """Take over the record that the store holds now."""
        now = self._world.now()
        tokens = () if record is None else (record.token, *record.spares)
        for token in tokens:
            if token is not None:
                self.access_stored_at.setdefault(token.access_token, now)
                self.refresh_stored_at.setdefault(refresh_fingerprint(token) or "", now)
        if record is None or self.current is None or record.generation != self.current.generation:
            self.generation_since = now
        self.current = record
        if not self._world.rules.rotates:  # the server has issued the same refresh token again, so it works
            refused = None if record is None else record.refused
            self.known_dead.difference_update({refresh_fingerprint(token) for token in tokens} - {refused})
        if record is not None:
            self.past.append((now, record))
            self.known_dead.update(() if record.refused is None else (record.refused,))
        if not self.renewable:
            self.renewable_since = None
        elif self.renewable_since is None:
            self.renewable_since = now

    def roll_back(self) -> None:
        """Forget what the store no longer proves: it has lost all its data or the newest of it."""
        self.refresh_stored_at.clear()
        self.known_dead.clear()
        self.renewable_since = None
        self.rolled_back_at = self._world.now()
