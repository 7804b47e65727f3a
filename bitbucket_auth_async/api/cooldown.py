"""Cooldown: no requests for a while after a 429, so that fifty workers don't each run into the same limit."""

from bitbucket_auth_async.api.errors import RateLimitedError
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.runtime.clocks import jitter, sleep

_SPREAD = 1.0
"""Seconds over which callers that waited for the same moment are spread."""


class Cooldown:
    """The time until which no request may be sent, and the 429 that set it."""

    __slots__ = ("_error", "_until")

    def __init__(self) -> None:
        """Start with no cooldown."""
        self._error: RateLimitedError | None = None
        self._until = float("-inf")

    def start(self, error: RateLimitedError, delay: float, clock: Clock) -> None:
        """Hold back all requests for *delay* seconds because of this 429."""
        self._error = error
        self._until = max(self._until, clock.boot() + delay)

    async def wait(self, patience: float, clock: Clock) -> None:
        """Return once the cooldown is over.

        Raises:
            RateLimitedError: That would take longer than *patience* seconds.
        """
        if self._error is None:
            return
        give_up_at = clock.boot() + patience
        while self._error is not None:
            left = self._until - clock.boot()
            if left <= 0:
                self._error = None
            elif self._until > give_up_at:
                error = self._error.again()
                error.retry_after = left
                raise error
            else:
                await sleep(clock, left + jitter() * min(left, _SPREAD))
