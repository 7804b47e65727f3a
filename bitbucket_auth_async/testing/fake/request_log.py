"""RequestLog: what the token endpoint was asked, by whom, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class RequestInfo(NamedTuple):
    """A request as faults see it, before anything is decided."""

    at: str
    """`token` or `api`."""
    method: str
    path: str
    grant_type: str | None = None
    client_id: str | None = None
    refresh_token: str | None = None
    """Fingerprint of the refresh token that is presented."""


@dataclass(slots=True, kw_only=True)
class LoggedRequest:
    """One token request; tokens are named by their fingerprints, never shown."""

    at: float
    """Epoch seconds."""
    grant_type: str | None
    client_id: str | None
    presented: str | None
    """Fingerprint of the refresh token that was presented."""
    family: int | None = None
    """The sign-in that it belongs to."""
    generation: int | None = None
    """The place of the refresh token in its family; the first is 1."""
    reused: bool = False
    """The refresh token had been used before."""
    processed: bool = False
    """It took effect; False: a fault came first."""
    access: str | None = None
    """Fingerprint of the access token that was issued."""
    refresh: str | None = None
    """Fingerprint of the refresh token that was issued."""
    error: str | None = None
    """The code and the description with which it was refused."""
    fault: str | None = None
    """The fault that this request met."""


@dataclass(slots=True)
class RequestLog:
    """All token requests in the order of their coming, and how often each refresh token was presented."""

    entries: list[LoggedRequest] = field(default_factory=list[LoggedRequest])
    spends: Counter[str] = field(default_factory=Counter[str])
    """How often each refresh token, named by its fingerprint, was presented to the token endpoint itself."""

    def open(self, info: RequestInfo, now: float) -> LoggedRequest:
        """Begin the entry of a request that has just come in."""
        entry = LoggedRequest(
            at=now, grant_type=info.grant_type, client_id=info.client_id, presented=info.refresh_token
        )
        self.entries.append(entry)
        return entry
