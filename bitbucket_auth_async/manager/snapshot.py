"""Snapshot: the state of one identity as plain data, for a health endpoint."""

from typing import TypedDict

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock


class SnapshotError(TypedDict):
    """The error of the last renewal."""

    type: str
    """The error's class."""
    message: str
    retryable: bool
    retry_in: float
    """Seconds until the next attempt; 0 if it is due."""


class Snapshot(TypedDict):
    """The state of one identity, JSON-able and without secrets."""

    key: str
    ok: bool
    """True if the token is valid or the last renewal did not fail."""
    token: str
    """`good`, `expired` (the next call renews it), or `none` (not loaded yet, or signed out)."""
    age: float | None
    """Seconds since the token was issued."""
    expires_in: float | None
    """Seconds until the token is no longer handed out; None: no token, or it does not expire."""
    scope: list[str] | None
    error: SnapshotError | None


def snapshot(
    key: str,
    token: Token | None,
    *,
    clock: Clock,
    expires_at: float,
    failure: tuple[BitbucketAuthError, float] | None,
) -> Snapshot:
    """Return the state of an identity whose token may be handed out until *expires_at* on the boot clock.

    *failure* is the last renewal's error, and the boot time until which callers get it.
    """
    boot = clock.boot()
    left = expires_at - boot
    good = token is not None and left > 0
    return Snapshot(
        key=key,
        ok=good or failure is None,
        token="none" if token is None else "good" if good else "expired",
        age=None if token is None else max(0.0, clock.wall() - token.issued_at),
        expires_in=None if token is None or token.expires_at is None else max(0.0, left),
        scope=None if token is None or token.scope is None else sorted(token.scope),
        error=None if failure is None else _error(failure[0], failure[1] - boot),
    )


def _error(error: BitbucketAuthError, left: float) -> SnapshotError:
    return SnapshotError(
        type=type(error).__name__, message=str(error), retryable=error.retryable, retry_in=max(0.0, left)
    )
