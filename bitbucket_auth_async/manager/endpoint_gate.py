"""Turns at the token endpoint: so many requests at a time, and after a failure that concerns all, one alone."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    InvalidClientError,
    OutageError,
    TransportError,
)
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.renewal.settle import Outage, outcome_of, pause
from bitbucket_auth_async.runtime.clocks import jitter

_SILENCES = 3
"""So many requests in a row without any answer are the endpoint's fault; fewer may be a connection's."""


class Turns:
    """What many identities share at one token endpoint: a ceiling, and the knowledge that it is down."""

    __slots__ = ("_clock", "_error", "_failures", "_limit", "_noted_at", "_probe", "_silences", "_slots", "_until")

    def __init__(self, clock: Clock, limit: int) -> None:
        """Let *limit* requests go out at a time."""
        self._clock = clock
        self._limit = limit
        self._error: BitbucketAuthError | None = None
        self._until = self._noted_at = 0.0
        self._failures = self._silences = 0
        self.move()

    def move(self) -> None:
        """Belong to the running loop: who stood in line in the last one is gone."""
        self._slots = asyncio.Semaphore(self._limit)
        self._probe = asyncio.Lock()

    @asynccontextmanager
    async def take(self) -> AsyncGenerator[None]:
        """Wait for a turn; inside the block it is ours.

        Raises:
            OutageError: The endpoint is down, by what another identity met, and the next attempt is not due yet.
            InvalidClientError: It refuses the client, whoever asks.
        """
        self._check()
        async with self._slots:
            self._check()
            if self._error is not None:
                async with self._probe:  # whether it is well again, one finds out for all
                    self._check()
                    if self._error is not None:
                        yield
                        return
            yield

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for a turn even if the endpoint is down: a person's sign-in is tried all the same."""
        async with self._slots:
            yield

    def answered(self) -> None:
        """Take note of an answer that was a token, or a refusal that concerns one identity."""
        self._error = None
        self._failures = self._silences = 0

    def failed(self, error: BitbucketAuthError, *, asked: float) -> None:
        """Take note of an error, which may concern all; *asked* is when its request went out, on the boot clock."""
        if isinstance(error, ConfigurationError):
            return  # nothing went out, so nothing is known of the endpoint
        outcome = outcome_of(error)
        if not isinstance(outcome, Outage) and not isinstance(error, InvalidClientError):
            self.answered()
            return
        if isinstance(error, TransportError):
            self._silences += 1
            if self._error is None and self._silences < _SILENCES:
                return
        if self._error is not None and asked < self._noted_at:
            return  # it went out together with those that failed before
        self._failures += 1
        retry_after = outcome.retry_after if isinstance(outcome, Outage) else 0.0
        self._noted_at = self._clock.boot()
        self._until = self._noted_at + pause(self._failures, jitter=jitter(), retry_after=retry_after)
        self._error = error

    def _check(self) -> None:
        left = self._until - self._clock.boot()
        if self._error is None or left <= 0:
            return
        if not self._error.retryable:
            raise self._error.again()
        msg = f"{self._error} The next attempt is due in {left:.1f} s."
        raise OutageError(msg, retry_after=left)
