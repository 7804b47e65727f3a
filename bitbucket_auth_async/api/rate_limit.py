"""RateLimit: a budget of requests, spread over its time, for all who share it."""

import asyncio
import logging

from bitbucket_auth_async.api.backoff import Quiet
from bitbucket_auth_async.errors import ConfigurationError, StoreError
from bitbucket_auth_async.protocols import Clock, TokenStore
from bitbucket_auth_async.renewal.record import Issuer, Record, Rest
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, jitter, sleep
from bitbucket_auth_async.runtime.per_loop import PerLoop

_log = logging.getLogger(__name__)

_HOUR = 3600.0
_OTHERS_WERE_FIRST = 0.01
_NOBODYS = Issuer(token_endpoint="", client_id="", grant_type="")


class RateLimit:
    """A budget of requests, such as Bitbucket's 1,000 an hour for repository data, spread instead of run into.

    In no span of *per* seconds do more than *limit* requests get their turn: a tenth of them at once, the rest evenly.
    Bitbucket counts OAuth requests against the consumer, so all its users share one:
    https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/

    Hand one object to each BitbucketAPI that draws on the budget; a 429 that one of them meets quiets all.

    With a *store* and a *key* the budget is shared by all processes that name the same ones, at the cost of a load and
    a swap for each request. While the store is down, each process spreads as if it were alone. The clocks of hosts that
    share one should agree: where one of them is ahead, the others wait for longer, by as much as it is.

    Args:
        limit: So many requests.
        per: In so many seconds.
        store: Where the processes meet; any TokenStore.
        key: The budget's name in the store, one that no identity has.
        clock: For tests.

    Raises:
        ConfigurationError: A number is not positive, or of *store* and *key* only one is given.
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
        """Begin with the whole budget."""
        if not limit >= 1 or not per > 0:
            msg = f"RateLimit({limit!r}, per={per!r}): both are numbers above 0."
            raise ConfigurationError(msg)
        if (store is None) != (key is None):
            msg = "RateLimit takes store and key together, or neither."
            raise ConfigurationError(msg)
        self.quiet = Quiet()
        """What all sessions on this budget keep after a 429 that one of them met."""
        self._spread = Spread(limit, per)
        self._store = store
        self._key = key or ""
        self._clock = clock
        self._turns = PerLoop("RateLimit", asyncio.Lock)
        self._due = float("-inf")

    async def turn(self) -> None:
        """Return when the next request may be sent; first come, first served, and who is cancelled costs nothing."""
        async with self._turns.get():
            while True:
                wait = await self._wait()
                if wait <= 0:
                    return
                await sleep(self._clock, wait)

    async def _wait(self) -> float:
        """Return how long to wait; 0: the turn is ours, and counted."""
        if self._store is not None:
            try:
                return await self._shared_wait(self._store)
            except StoreError as error:
                _log.warning("The rate limit's store failed, so this process spreads alone for now: %s", error)
        wait, self._due = self._spread.turn(self._due, self._clock.boot())
        return wait

    async def _shared_wait(self, store: TokenStore) -> float:
        while True:
            now = self._clock.wall()
            found = await store.load(self._key)
            due = _due(found.record) if found is not None else float("-inf")
            wait, due = self._spread.turn(due, now)
            if wait > 0:
                return wait
            rest = Rest(since=now, until=due, attempts=0, reason="a rate limit")
            record = Record(issuer=_NOBODYS, generation=0, rest=rest)
            if await store.swap(self._key, record, expected=0 if found is None else found.version):
                return 0.0
            await sleep(self._clock, jitter() * _OTHERS_WERE_FIRST)


class Spread:
    """How turns are spread, as a pure function of the moment at which an even spread would be due.

    The algorithm is ATM's GCRA: a tenth may come at once, and only what is left of the budget comes evenly, so that
    both together never exceed it.
    """

    __slots__ = ("_ahead", "_apart", "_per")

    def __init__(self, limit: int, per: float) -> None:
        """Work out how far apart turns are, and how far ahead of an even spread they may be."""
        at_once = max(1, limit // 10)
        self._per = per
        self._apart = per / max(1, limit - at_once)
        self._ahead = (at_once - 1) * self._apart

    def turn(self, due: float, now: float) -> tuple[float, float]:
        """Return how long to wait, and when the turn after this one is due; both as they are if there is a wait."""
        # A moment further off than the budget's own time was written by a clock that is wrong.
        due = max(due, now) if due - now <= self._per + self._ahead else now
        wait = due - self._ahead - now
        # Less than a microsecond is how floats subtract, not a wait.
        return (wait, due) if wait > 1e-6 else (0.0, due + self._apart)  # noqa: PLR2004 - see above


def _due(record: Record) -> float:
    """Return the moment that the record holds.

    Raises:
        ConfigurationError: This is somebody's token, not a budget.
    """
    if record.rest is None or record.token is not None:
        msg = "RateLimit: its key names an identity in the store; give it one of its own."
        raise ConfigurationError(msg)
    return record.rest.until
