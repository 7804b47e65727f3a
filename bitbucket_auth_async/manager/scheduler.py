"""Scheduler: starts background renewals when they are due, in one task for any number of identities."""

import asyncio
import heapq
import math
from collections.abc import Callable
from contextvars import Context

from bitbucket_auth_async.protocols import Clock

_LONGEST_SLEEP = 60.0
"""Timers don't count suspends, so the boot clock is read every minute."""
_SHORTEST_SLEEP = 0.01
_SOON = 60.0
"""Due times further away are rounded up to a second, so that many keys share one heap entry."""

StartRenewal = Callable[[str], "asyncio.Task[None] | None"]
"""Starts the renewal of a key; None: it is not due."""


class Scheduler:
    """Starts renewals at their due times, with a limit on how many run at once."""

    __slots__ = ("_clock", "_due_times", "_keys_due", "_max_running", "_running", "_start_renewal", "_task", "_woken")

    def __init__(self, clock: Clock, start_renewal: StartRenewal, *, max_running: int) -> None:
        """Do nothing until `start`."""
        self._clock = clock
        self._start_renewal = start_renewal
        self._max_running = max_running
        self._due_times: list[float] = []
        self._keys_due: dict[float, list[str]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._woken: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Start the task in the running loop."""
        self._running = set()
        # Without the first caller's context: its request variables and its span would live as long as this task.
        self._task = asyncio.create_task(self._run(), name="scheduler of token renewals", context=Context())

    def stop(self) -> None:
        """Start no more renewals; running ones go on."""
        if self._task is not None:
            if not self._task.get_loop().is_closed():  # otherwise it ended with its loop
                self._task.cancel()
            self._task = None

    def schedule(self, due: float, key: str) -> None:
        """Start the renewal of *key* at *due* on the boot clock; infinity: never."""
        if due == math.inf:
            return
        now = self._clock.boot()
        due = due if due - now < _SOON else float(math.ceil(due))
        keys = self._keys_due.get(due)
        if keys is None:
            keys = self._keys_due[due] = []
            heapq.heappush(self._due_times, due)
            if self._due_times[0] == due:
                self._wake()
        keys.append(key)

    async def _run(self) -> None:
        while True:
            while (key := self._pop_due()) is not None:
                await self._start(key)
            left = self._due_times[0] - self._clock.boot() if self._due_times else _LONGEST_SLEEP
            await self._sleep(min(max(left, _SHORTEST_SLEEP), _LONGEST_SLEEP))

    def _pop_due(self) -> str | None:
        """Return one key that is due; the others stay, in case this loop ends before their turn."""
        if not self._due_times or self._due_times[0] > self._clock.boot():
            return None
        keys = self._keys_due[self._due_times[0]]
        key = keys.pop()
        if not keys:
            del self._keys_due[heapq.heappop(self._due_times)]
        return key

    async def _start(self, key: str) -> None:
        task = self._start_renewal(key)
        if task is None or task.done():
            return
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        if len(self._running) >= self._max_running:
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
        # A future of a closed loop belongs to a task that is gone.
        if woken is not None and not woken.done() and not woken.get_loop().is_closed():
            woken.set_result(None)
