"""Quiet: who was told to wait tells all the others, so that fifty workers don't each run into the same wall."""

from bitbucket_auth_async.api.errors import RateLimitedError
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.runtime.clocks import jitter, sleep

_SPREAD = 1.0
"""Seconds over which those who waited for the same moment are spread."""


class Quiet:
    """Until when no request should be sent, and what the API said that asked for it."""

    __slots__ = ("_refusal", "_until")

    def __init__(self) -> None:
        """Begin without a wait."""
        self._refusal: RateLimitedError | None = None
        self._until = float("-inf")

    def begin(self, error: RateLimitedError, rest: float, clock: Clock) -> None:
        """Let it be quiet for *rest* seconds, since the API said that there were too many requests."""
        self._refusal = error
        self._until = max(self._until, clock.boot() + rest)

    async def end(self, patience: float, clock: Clock) -> None:
        """Return once it is over.

        Raises:
            RateLimitedError: That would take longer than *patience* seconds.
        """
        if self._refusal is None:
            return
        given_up_at = clock.boot() + patience
        while self._refusal is not None:
            left = self._until - clock.boot()
            if left <= 0:
                self._refusal = None
            elif self._until > given_up_at:
                error = self._refusal.again()
                error.retry_after = left
                raise error
            else:
                await sleep(clock, left + jitter() * min(left, _SPREAD))
