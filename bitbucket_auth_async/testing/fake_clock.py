"""FakeClock: wall and boot time that move, and part, only when a test says so."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from functools import partial

_ROUNDS = 1_000
"""How often `settle` yields at most, where somebody keeps the loop busy for ever."""

_BLIND_ROUNDS = 100
"""How often `settle` yields on a loop that does not show its queue (uvloop)."""

_SECOND = 1_000_000_000
"""Time is kept in whole nanoseconds, so that ten tenths of a second are one second."""


class FakeTimer:
    """What `FakeClock.call_later` gives back."""

    __slots__ = ("callback", "cancelled", "due")

    def __init__(self, due: int, callback: Callable[[], object]) -> None:
        """Remember what to call, and when."""
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        self.cancelled = True


class FakeClock:
    """A Clock for tests: time stands still until `advance`, and timers fire in the order of their time.

    Timers run on a third clock, as those of an event loop do: a suspend of the machine holds them up, a stepped wall
    clock does not touch them.
    """

    def __init__(self, wall: float = 1_800_000_000.0, boot: float = 1_000.0) -> None:
        """Begin at these seconds since the epoch, and these since boot."""
        self._wall = _nanoseconds(wall)
        self._boot = _nanoseconds(boot)
        self._running = 0
        self._timers: list[tuple[int, int, FakeTimer]] = []
        self._order = itertools.count()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return self._wall / _SECOND

    def boot(self) -> float:
        """Return seconds since boot; these never go back."""
        return self._boot / _SECOND

    def call_later(self, delay: float, callback: Callable[[], object], /) -> FakeTimer:
        """Call back once, when `advance` has moved time by *delay*; at once, if there is nothing to wait for."""
        timer = FakeTimer(self._running + _nanoseconds(delay), callback)
        if delay <= 0:
            asyncio.get_running_loop().call_soon(_fire, timer)
        else:
            heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    @property
    def timers(self) -> int:
        """How many timers are still to fire."""
        return sum(not timer.cancelled for _, _, timer in self._timers)

    @property
    def next_timer(self) -> float | None:
        """Seconds until the next timer fires; None: there is none."""
        self._drop_cancelled()
        return (self._timers[0][0] - self._running) / _SECOND if self._timers else None

    async def advance(self, seconds: float) -> None:
        """Move both clocks by *seconds*; fire each timer at its time, and let the loop settle after each."""
        if seconds < 0:
            msg = "Time does not run backwards; step_wall() steps the wall clock back."
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
        """Step the wall clock alone, as a person or NTP would; no timer fires."""
        self._wall += _nanoseconds(seconds)

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: both clocks go on, timers wait for as long."""
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
        """Let everything run that can run without time passing; threads and sockets are not waited for."""
        # The queue is private, but it alone can tell "quiet" from "yielded often enough, probably".
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
