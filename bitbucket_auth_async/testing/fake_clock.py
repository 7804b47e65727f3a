"""FakeClock: a clock for tests whose wall and boot time move only when the test moves them."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from functools import partial

_ROUNDS = 1_000
"""Most yields of one `settle`, for a loop that never becomes idle."""

_BLIND_ROUNDS = 100
"""Yields of one `settle` on a loop whose queue can't be read (uvloop)."""

_SECOND = 1_000_000_000
"""Nanoseconds; time is kept in whole nanoseconds, so that ten tenths of a second are one second."""


class FakeTimer:
    """A timer of `FakeClock.call_later`."""

    __slots__ = ("callback", "cancelled", "due")

    def __init__(self, due: int, callback: Callable[[], object]) -> None:
        """Keep the due time and the callback."""
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Prevent the callback from being called."""
        self.cancelled = True


class FakeClock:
    """A Clock for tests: time stands still until `advance`, and timers fire in the order of their due time.

    Timers run on a third clock, as in an event loop: a suspended machine delays them, a stepped wall clock does not
    affect them.
    """

    def __init__(self, wall: float = 1_800_000_000.0, boot: float = 1_000.0) -> None:
        """Start at *wall* seconds since the epoch and *boot* seconds since boot."""
        self._wall = _nanoseconds(wall)
        self._boot = _nanoseconds(boot)
        self._running = 0
        self._timers: list[tuple[int, int, FakeTimer]] = []
        self._order = itertools.count()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return self._wall / _SECOND

    def boot(self) -> float:
        """Return seconds since boot; they never decrease."""
        return self._boot / _SECOND

    def call_later(self, delay: float, callback: Callable[[], object], /) -> FakeTimer:
        """Call *callback* once `advance` has moved time by *delay* seconds; soon, if *delay* is not positive."""
        timer = FakeTimer(self._running + _nanoseconds(delay), callback)
        if delay <= 0:
            asyncio.get_running_loop().call_soon(_fire, timer)
        else:
            heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    @property
    def timers(self) -> int:
        """The number of pending timers."""
        return sum(not timer.cancelled for _, _, timer in self._timers)

    @property
    def next_timer(self) -> float | None:
        """Seconds until the next timer fires, or None without timers."""
        self._drop_cancelled()
        return (self._timers[0][0] - self._running) / _SECOND if self._timers else None

    async def advance(self, seconds: float) -> None:
        """Move both clocks by *seconds*; fire each timer at its due time, and let the loop settle after each."""
        if seconds < 0:
            msg = "advance() takes 0 or more seconds; use step_wall() to step the wall clock back."
            raise ValueError(msg)
        await self.settle()
        end = self._running + _nanoseconds(seconds)
        while (timer := self._pop(end)) is not None:
            self._move(max(timer.due - self._running, 0))
            asyncio.get_running_loop().call_soon(_fire, timer)
            await self.settle()
        self._move(max(end - self._running, 0))
        await self.settle()

    def step_wall(self, seconds: float) -> None:
        """Step only the wall clock, as a person or NTP does; no timer fires."""
        self._wall += _nanoseconds(seconds)

    def suspend(self, seconds: float) -> None:
        """Simulate a suspended machine: both clocks advance, and timers fire that much later."""
        self._wall += _nanoseconds(seconds)
        self._boot += _nanoseconds(seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait until *seconds* have passed on this clock."""
        done = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, partial(_wake, done))
        try:
            await done
        finally:
            timer.cancel()

    async def settle(self) -> None:
        """Run all callbacks that need no time to pass; threads and sockets are not awaited."""
        # Only this private queue can tell an idle loop from one that probably yielded often enough.
        ready = getattr(asyncio.get_running_loop(), "_ready", None)
        for _ in range(_BLIND_ROUNDS if ready is None else _ROUNDS):
            await asyncio.sleep(0)
            if ready is not None and not ready:
                return

    def _pop(self, end: int) -> FakeTimer | None:
        self._drop_cancelled()
        return heapq.heappop(self._timers)[2] if self._timers and self._timers[0][0] <= end else None

    def _drop_cancelled(self) -> None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)

    def _move(self, nanoseconds: int) -> None:
        self._running += nanoseconds
        self._wall += nanoseconds
        self._boot += nanoseconds


def _fire(timer: FakeTimer) -> None:
    if not timer.cancelled:
        timer.callback()


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _SECOND)


def _wake(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
