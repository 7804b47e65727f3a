"""RequestLog: all token requests and their results."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple


class RequestInfo(NamedTuple):
    """A request before it is processed; `inject(when=…)` receives it."""

    at: str
    """`token` or `api`."""
    method: str
    path: str
    grant_type: str | None = None
    client_id: str | None = None
    refresh_token: str | None = None
    """Fingerprint of the presented refresh token."""


@dataclass(slots=True, kw_only=True)
class LoggedRequest:
    """One token request; tokens appear as fingerprints only."""

    at: float
    """Seconds since the epoch."""
    grant_type: str | None
    client_id: str | None
    presented: str | None
    """Fingerprint of the presented refresh token."""
    family: int | None = None
    """Number of the sign-in."""
    generation: int | None = None
    """Generation of the presented refresh token within the sign-in; the first is 1."""
    reused: bool = False
    """True if the refresh token rotates and had been used before."""
    processed: bool = False
    """True if the request reached the endpoint; false if a fault prevented it."""
    access: str | None = None
    """Fingerprint of the issued access token."""
    refresh: str | None = None
    """Fingerprint of the issued refresh token."""
    error: str | None = None
    """Error code and description, if it was refused."""
    fault: str | None = None
    """Name of the fault that hit this request."""


@dataclass(slots=True)
class RequestLog:
    """All token requests in order of arrival, and how often each refresh token was presented."""

    entries: list[LoggedRequest] = field(default_factory=list[LoggedRequest])
    spends: Counter[str] = field(default_factory=Counter[str])
    """How often each refresh token, by fingerprint, reached the token endpoint."""

    def open(self, info: RequestInfo, now: float) -> LoggedRequest:
        """Add an entry for a request that has just arrived."""
        entry = LoggedRequest(
            at=now, grant_type=info.grant_type, client_id=info.client_id, presented=info.refresh_token
        )
        self.entries.append(entry)
        return entry
