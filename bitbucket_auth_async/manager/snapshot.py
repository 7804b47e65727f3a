"""How one identity stands right now, as plain data: what `manager.snapshot()` gives to a health endpoint."""

from typing import TypedDict

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock


class SnapshotError(TypedDict):
    """What the last renewal met."""

    type: str
    """The error's class."""
    message: str
    retryable: bool
    retry_in: float
    """Seconds until the next attempt; 0 if it is due."""


class Snapshot(TypedDict):
    """How one identity stands; no secret, and nothing that JSON can't say."""

    key: str
    ok: bool
    """Whether a caller gets a token now, as far as is known: there is a good one, or nothing has failed."""
    token: str
    """`good`, `expired` (the next caller has it renewed), or `none` (not looked for yet, or gone)."""
    age: float | None
    """Seconds since the token was issued."""
    expires_in: float | None
    """Seconds until the token is not handed out any more; None: there is none, or it does not expire."""
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
    """Return how an identity stands whose token may be handed out until *expires_at* on the boot clock.

    *failure* is what the last renewal met, and until when it is shared.
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
