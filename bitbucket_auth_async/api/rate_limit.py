"""RateLimit: spreads a budget of requests evenly over its period, for all sessions that share it."""

import asyncio
import logging

from bitbucket_auth_async.api.cooldown import Cooldown
from bitbucket_auth_async.errors import ConfigurationError, StoreError
from bitbucket_auth_async.protocols import Clock, TokenStore
from bitbucket_auth_async.renewal.record import Issuer, Record, Rest
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, jitter, sleep
from bitbucket_auth_async.runtime.per_loop import PerLoop

_log = logging.getLogger(__name__)

_HOUR = 3600.0
_MAX_LOST_SWAP_DELAY = 0.01
_ROUNDING = 1e-6
"""Seconds; differences of epoch seconds are exact to 0.24 µs."""
_NO_ISSUER = Issuer(token_endpoint="", client_id="", grant_type="")


class RateLimit:
    """A budget of requests, such as Bitbucket's 1,000 an hour for repository data, spent evenly.

    No period of *per* seconds has more than *limit* requests: a tenth may come at once, the rest is spread evenly.
    Bitbucket counts OAuth requests against the consumer, so all users of a consumer share one budget:
    https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/

    Pass the same object to each BitbucketAPI that uses the budget. After a 429 for one of them, all of them pause.

    With a *store* and a *key*, all processes that name the same ones share the budget; each request then costs a load
    and a swap. While the store is down, each process spends the whole budget by itself. Hosts that share a budget need
    synchronized clocks: if one clock is ahead, the other hosts wait longer by the difference.

    Args:
        limit: The number of requests.
        per: The period in seconds.
        store: Any TokenStore, to share the budget between processes.
        key: The budget's key in the store, not used by any identity.
        clock: For tests.

    Raises:
        ConfigurationError: A number is not positive, or only one of *store* and *key* is given.
    """

    def __init__(
        self,
        limit: int,
        *,
        per: float = _HOUR,
        store: TokenStore | None = None,
        key: str | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Start with the full budget."""
        if not limit >= 1 or not per > 0:
            msg = f"RateLimit({limit!r}, per={per!r}): limit must be at least 1, and per above 0."
            raise ConfigurationError(msg)
        if (store is None) != (key is None):
            msg = "RateLimit takes store and key together, or neither."
            raise ConfigurationError(msg)
        self.cooldown = Cooldown()
        """The pause after a 429, shared by all sessions that use this budget."""
        self._schedule = EvenSchedule(limit, per)
        self._store = store
        self._key = key or ""
        self._clock = clock
        self._queue = PerLoop("RateLimit", asyncio.Lock)
        self._due = float("-inf")

    async def turn(self) -> None:
        """Return when the next request may be sent: first come, first served; a cancelled caller uses up no turn."""
        async with self._queue.get():
            while True:
                wait = await self._wait()
                if wait <= 0:
                    return
                await sleep(self._clock, wait)

    async def _wait(self) -> float:
        """Return the seconds to wait; 0 means that the turn is taken."""
        if self._store is not None:
            try:
                return await self._shared_wait(self._store)
            except StoreError as error:
                _log.warning("The rate limit's store failed; this process spends the budget alone for now. %s", error)
        wait, self._due = self._schedule.turn(self._due, self._clock.boot())
        return wait

    async def _shared_wait(self, store: TokenStore) -> float:
        while True:
            now = self._clock.wall()
            found = await store.load(self._key)
            due = _due(found.record) if found is not None else float("-inf")
            wait, due = self._schedule.turn(due, now)
            if wait > 0:
                return wait
            rest = Rest(since=now, until=due, attempts=0, reason="a rate limit")
            record = Record(issuer=_NO_ISSUER, generation=0, rest=rest)
            if await store.swap(self._key, record, expected=0 if found is None else found.version):
                return 0.0
            await sleep(self._clock, jitter() * _MAX_LOST_SWAP_DELAY)


class EvenSchedule:
    """Turns at even intervals after an initial burst, by the generic cell rate algorithm (GCRA) of ATM.

    A tenth of the budget may come at once; the rest comes at even intervals, so that both together never exceed it.
    All state is the due time that `turn` takes and returns.
    """

    __slots__ = ("_burst", "_interval", "_per")

    def __init__(self, limit: int, per: float) -> None:
        """Work out the interval between turns, and by how many seconds the burst may run ahead of it."""
        at_once = max(1, limit // 10)
        self._per = per
        self._interval = per / max(1, limit - at_once)
        self._burst = (at_once - 1) * self._interval

    def turn(self, due: float, now: float) -> tuple[float, float]:
        """Return the seconds to wait, and the due time to keep: the next turn's once this turn is taken (wait 0)."""
        # A due time more than the budget's period away was written by a wrong clock.
        due = max(due, now) if due - now <= self._per + self._burst + _ROUNDING else now
        wait = due - self._burst - now
        return (wait, due) if wait > _ROUNDING else (0.0, due + self._interval)


def _due(record: Record) -> float:
    """Return the due time in the record.

    Raises:
        ConfigurationError: The record is an identity's, not a budget's.
    """
    if record.rest is None or record.token is not None:
        msg = "RateLimit: its key belongs to an identity in the store. Give the budget a key of its own."
        raise ConfigurationError(msg)
    return record.rest.until
