"""When the next request of an API session may leave: not while the API asked for quiet, and within the rate limit."""

from bitbucket_auth_async.api.backoff import Quiet
from bitbucket_auth_async.api.errors import RateLimitedError
from bitbucket_auth_async.api.rate_limit import RateLimit
from bitbucket_auth_async.protocols import Clock


class Pace:
    """Sessions that share a rate limit share the quiet, too."""

    __slots__ = ("_clock", "_limit", "_quiet")

    def __init__(self, limit: RateLimit | None, clock: Clock) -> None:
        """Begin without a wait."""
        self._limit = limit
        self._clock = clock
        self._quiet = Quiet() if limit is None else limit.quiet

    async def turn(self, patience: float) -> None:
        """Return when a request may be sent; a turn within the rate limit is waited for as long as it takes.

        Raises:
            RateLimitedError: The API asked for quiet for longer than *patience* seconds.
        """
        await self._quiet.end(patience, self._clock)
        if self._limit is not None:
            await self._limit.turn()
            await self._quiet.end(patience, self._clock)  # it may have begun while we waited for our turn

    def refused(self, error: RateLimitedError, rest: float) -> None:
        """Keep quiet for *rest* seconds, since the API said that there were too many requests."""
        self._quiet.begin(error, rest, self._clock)
