"""The scheduler: has tokens renewed when that is due, nobody asking; one task for any number of identities."""

import asyncio
import heapq
import math
from collections.abc import Callable
from contextvars import Context

from bitbucket_auth_async.protocols import Clock

_LONGEST_SLEEP = 60.0
"""Timers don't count suspends, so the boot clock is looked at every minute."""
_SHORTEST_SLEEP = 0.01
_SOON = 60.0
"""What is due later shares its moment with all that is due within the same second."""

Begin = Callable[[str], "asyncio.Task[None] | None"]
"""Begins the renewal of a key; None: there is nothing to do."""


class Scheduler:
    """Calls back at the moments it was told, never with more than so many renewals under way."""

    __slots__ = ("_at_once", "_begin", "_clock", "_keys", "_moments", "_running", "_task", "_woken")

    def __init__(self, clock: Clock, begin: Begin, *, at_once: int) -> None:
        """Do nothing until it is started; *begin* starts the renewal of a key, or returns None if none is due."""
        self._clock = clock
        self._begin = begin
        self._at_once = at_once
        self._moments: list[float] = []
        self._keys: dict[float, list[str]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._woken: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Run in the running loop, from now on."""
        self._running = set()
        # Without the context of who comes first: a request's variables, and its span, would live as long as we do.
        self._task = asyncio.create_task(self._run(), name="scheduler of token renewals", context=Context())

    def stop(self) -> None:
        """Begin nothing any more; what is under way goes on."""
        if self._task is not None:
            if not self._task.get_loop().is_closed():  # else it ended with its loop
                self._task.cancel()
            self._task = None

    def at(self, due: float, key: str) -> None:
        """Have *key* looked at when the boot clock shows *due*; infinity: never."""
        if due == math.inf:
            return
        now = self._clock.boot()
        moment = due if due - now < _SOON else float(math.ceil(due))
        keys = self._keys.get(moment)
        if keys is None:
            keys = self._keys[moment] = []
            heapq.heappush(self._moments, moment)
            if self._moments[0] == moment:
                self._wake()
        keys.append(key)

    async def _run(self) -> None:
        while True:
            while (key := self._due()) is not None:
                await self._look_at(key)
            left = self._moments[0] - self._clock.boot() if self._moments else _LONGEST_SLEEP
            await self._sleep(min(max(left, _SHORTEST_SLEEP), _LONGEST_SLEEP))

    def _due(self) -> str | None:
        """Take out one key that is due; the others stay, for the next loop if this one ends meanwhile."""
        if not self._moments or self._moments[0] > self._clock.boot():
            return None
        keys = self._keys[self._moments[0]]
        key = keys.pop()
        if not keys:
            del self._keys[heapq.heappop(self._moments)]
        return key

    async def _look_at(self, key: str) -> None:
        task = self._begin(key)
        if task is None or task.done():
            return
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if len(self._running) >= self._at_once:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _sleep(self, seconds: float) -> None:
        self._woken = asyncio.get_running_loop().create_future()
        timer = self._clock.call_later(seconds, self._wake)
        try:
            await self._woken
        finally:
            timer.cancel()

    def _wake(self) -> None:
        woken = self._woken
        if woken is not None and not woken.done() and not woken.get_loop().is_closed():  # whoever slept there is gone
            woken.set_result(None)
