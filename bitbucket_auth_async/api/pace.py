"""When the next request of an API session may leave: not while the API asked for quiet, and within the rate limit."""

from bitbucket_auth_async.api.errors import RateLimitedError
from bitbucket_auth_async.api.rate_limit import RateLimit
from bitbucket_auth_async.clocks import sleep
from bitbucket_auth_async.held import jitter
from bitbucket_auth_async.protocols import Clock

_SPREAD = 1.0
"""Seconds over which those who waited for the same moment are spread."""


class Pace:
    """Who was told to wait tells all the others, so that fifty workers don't each run into the same wall."""

    __slots__ = ("_clock", "_limit", "_quiet_until", "_refusal")

    def __init__(self, limit: RateLimit | None, clock: Clock) -> None:
        """Begin without a wait."""
        self._limit = limit
        self._clock = clock
        self._refusal: RateLimitedError | None = None
        self._quiet_until = float("-inf")

    async def turn(self, patience: float) -> None:
        """Return when a request may be sent; a turn within the rate limit is waited for as long as it takes.

        Raises:
            RateLimitedError: The API asked for quiet for longer than *patience* seconds.
        """
        if self._refusal is not None:
            await self._end_of_quiet(patience)
        if self._limit is not None:
            await self._limit.turn()
            if self._refusal is not None:  # it came while we waited for our turn
                await self._end_of_quiet(patience)

    async def _end_of_quiet(self, patience: float) -> None:
        until = self._clock.boot() + patience
        while self._refusal is not None:
            left = self._quiet_until - self._clock.boot()
            if left <= 0:
                self._refusal = None
            elif self._quiet_until > until:
                error = self._refusal.again()
                error.retry_after = left
                raise error
            else:
                await sleep(self._clock, left + jitter() * min(left, _SPREAD))

    def refused(self, error: RateLimitedError, rest: float) -> None:
        """Keep quiet for *rest* seconds, since the API said that there were too many requests."""
        self._refusal = error
        self._quiet_until = max(self._quiet_until, self._clock.boot() + rest)
