"""EndpointGate: a concurrency limit and a circuit breaker in front of the token endpoint."""

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
from bitbucket_auth_async.renewal.settle import Outage, backoff, outcome_of
from bitbucket_auth_async.runtime.clocks import jitter

_MAX_UNANSWERED = 3
"""Unanswered requests in a row that count as an outage; fewer may be the fault of single connections."""


class EndpointGate:
    """Shared by all identities at one token endpoint; opens its circuit after a failure that concerns all of them."""

    __slots__ = (
        "_clock",
        "_error",
        "_failures",
        "_limit",
        "_open_until",
        "_opened_at",
        "_probe",
        "_slots",
        "_unanswered",
    )

    def __init__(self, clock: Clock, limit: int) -> None:
        """Admit *limit* requests at a time."""
        self._clock = clock
        self._limit = limit
        self._error: BitbucketAuthError | None = None
        """The failure that opened the circuit."""
        self._open_until = self._opened_at = 0.0
        self._failures = self._unanswered = 0
        self.bind_to_loop()

    def bind_to_loop(self) -> None:
        """Start with an empty queue in the running loop; the waiters of the last loop are gone."""
        self._slots = asyncio.Semaphore(self._limit)
        self._probe = asyncio.Lock()

    @asynccontextmanager
    async def enter(self) -> AsyncGenerator[None]:
        """Wait for a slot and keep it for the block; after an outage one request at a time goes first.

        Raises:
            OutageError: Another identity met an outage, and the next attempt is not due yet.
            InvalidClientError: The endpoint refuses the client, for every identity.
        """
        self._raise_if_open()
        async with self._slots:
            self._raise_if_open()
            if self._error is not None:
                async with self._probe:  # one request finds out for all whether the endpoint answers again
                    self._raise_if_open()
                    if self._error is not None:
                        yield
                        return
            yield

    @asynccontextmanager
    async def enter_despite_outage(self) -> AsyncGenerator[None]:
        """Wait for a slot even during an outage; a person's sign-in is always tried."""
        async with self._slots:
            yield

    def record_answer(self) -> None:
        """Close the circuit after a token, or a refusal that concerns one identity."""
        self._error = None
        self._failures = self._unanswered = 0

    def record_failure(self, error: BitbucketAuthError, *, requested_at: float) -> None:
        """Open the circuit if the error concerns all identities; *requested_at* is in boot time."""
        if isinstance(error, ConfigurationError):
            return  # nothing was sent, so nothing is known about the endpoint
        outcome = outcome_of(error)
        if not isinstance(outcome, Outage) and not isinstance(error, InvalidClientError):
            self.record_answer()
            return
        if isinstance(error, TransportError):
            self._unanswered += 1
            if self._error is None and self._unanswered < _MAX_UNANSWERED:
                return
        if self._error is not None and requested_at < self._opened_at:
            return  # sent together with the requests that failed before
        self._failures += 1
        retry_after = outcome.retry_after if isinstance(outcome, Outage) else 0.0
        self._opened_at = self._clock.boot()
        self._open_until = self._opened_at + backoff(self._failures, jitter=jitter(), retry_after=retry_after)
        self._error = error

    def _raise_if_open(self) -> None:
        left = self._open_until - self._clock.boot()
        if self._error is None or left <= 0:
            return
        if not self._error.retryable:
            raise self._error.again()
        msg = f"{self._error} The next attempt is due in {left:.1f} s."
        raise OutageError(msg, retry_after=left)
