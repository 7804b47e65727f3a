"""RetryLoop: sends a request, and sends it again after failures that may pass."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bitbucket_auth_async.api.cooldown import Cooldown
from bitbucket_auth_async.api.errors import ApiError, RateLimitedError
from bitbucket_auth_async.api.rate_limit import RateLimit
from bitbucket_auth_async.api.request import ApiRequest
from bitbucket_auth_async.errors import BitbucketAuthError, OutageError, UnavailableError
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.renewal.settle import backoff
from bitbucket_auth_async.runtime.clocks import jitter, sleep

_T = TypeVar("_T")


class RetryLoop:
    """Retries for *patience* seconds after the first failure; each attempt waits for the rate limit and cooldowns.

    Sessions that share a rate limit share its cooldown too.
    """

    __slots__ = ("_clock", "_cooldown", "_limit", "_patience")

    def __init__(self, patience: float, limit: RateLimit | None, clock: Clock) -> None:
        """Start with no cooldown, or with that of the rate limit."""
        self._patience = patience
        self._limit = limit
        self._cooldown = Cooldown() if limit is None else limit.cooldown
        self._clock = clock

    async def run(self, request: ApiRequest, attempt: Callable[[ApiRequest], Awaitable[_T]]) -> _T:
        """Return the result of the first successful *attempt*.

        Raises:
            BitbucketAuthError: The last failure; the request may not be repeated, or the patience is used up.
        """
        attempts, patience, give_up_at = 0, self._patience, 0.0
        while True:
            await self._wait_for_turn(patience)
            try:
                return await attempt(request)
            except BitbucketAuthError as error:
                attempts += 1
                now = self._clock.boot()
                give_up_at = now + self._patience if attempts == 1 else give_up_at
                delay = retry_delay(error, attempts, jitter=jitter())
                if isinstance(error, RateLimitedError):
                    self._cooldown.start(error, delay, self._clock)
                if not request.may_repeat(error) or now + delay > give_up_at:
                    raise
            await sleep(self._clock, delay)
            patience = give_up_at - self._clock.boot()

    async def _wait_for_turn(self, patience: float) -> None:
        """Return when a request may be sent; only cooldowns count against the patience, not the rate limit."""
        await self._cooldown.wait(patience, self._clock)
        if self._limit is not None:
            await self._limit.turn()
            await self._cooldown.wait(patience, self._clock)  # it may have started while we waited for our turn


def retry_delay(error: BitbucketAuthError, attempts: int, *, jitter: float) -> float:
    """Return the seconds to wait after *attempts* failures in a row, the last one with *error*."""
    asked = error.retry_after if isinstance(error, ApiError | OutageError | UnavailableError) else None
    return backoff(attempts, jitter=jitter, retry_after=asked or 0.0)
