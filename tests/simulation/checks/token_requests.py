"""The token requests that processes have sent."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitbucket_auth_async.renewal.record import Claim
from tests.simulation.process import Process

if TYPE_CHECKING:
    from bitbucket_auth_async.testing.fake.request_log import LoggedRequest


@dataclass(slots=True, eq=False)
class TokenRequest:
    """One token request, as the process that sent it knows it."""

    process: Process
    grant_type: str
    spent: str | None
    """Fingerprint of the refresh token that it presents."""
    name: str
    began: float
    """When the process began to send it; the token's lifetime and the request's time limit count from here."""
    at: float
    """When it left the process."""
    limit: float
    claim: Claim | None
    claimed_at: float
    generation: int
    repeats: bool
    """The claim before it was to the same refresh token."""
    over: bool = False
    """The process has the answer, or knows that none will come."""
    answered_at: float = 0.0
    access: str | None = None
    """The access token in the answer."""
    refresh: str | None = None
    """The refresh token in the answer."""
    torn_down: bool = False
    without_store: bool = False
    """It is a replayable grant, sent while the store did not answer."""


class TokenRequests:
    """All token requests of one history."""

    def __init__(self) -> None:
        """Start empty."""
        self.all: list[TokenRequest] = []
        self.presented: dict[str, list[TokenRequest]] = {}
        """By fingerprint of the refresh token, since the store's last rollback."""
        self.stragglers: list[LoggedRequest] = []
        """Requests that their senders gave up and that the server had not received by then."""
        self.refused: dict[str, Process] = {}
        """Fingerprints of refused refresh tokens, and the process that was told."""
        self.announced_repeats: set[Process] = set()
        """Processes that reported a repeated request and have not sent it yet."""
        self.without_store: set[Process] = set()
        """Processes that reported that the store failed and have sent no grant since."""

    def roll_back(self) -> None:
        """Forget what was presented: after a rollback of the store it may be presented again."""
        self.presented.clear()
        self.refused.clear()
