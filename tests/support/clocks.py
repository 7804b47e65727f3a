"""Clocks for tests over real sockets: the time jumps, and nothing has to wait."""

import asyncio
import time
from collections.abc import Callable

from bitbucket_auth_async.protocols import Timer
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK


class ShiftedClock:
    """Real time plus an offset that a test moves ahead; timers run in real time."""

    def __init__(self) -> None:
        self.offset = 0.0

    def advance(self, seconds: float) -> None:
        """Move both clocks ahead at once."""
        self.offset += seconds

    def wall(self) -> float:
        return time.time() + self.offset

    def boot(self) -> float:
        return SYSTEM_CLOCK.boot() + self.offset

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        return SYSTEM_CLOCK.call_later(delay, callback)


class WakeableClock(ShiftedClock):
    """A `ShiftedClock` whose timers take the new time into account when `wake` is called."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: set[_WakeableTimer] = set()

    def wake(self) -> None:
        """Reschedule all timers by the time it is now; until then they oversleep, as after a suspend."""
        for timer in tuple(self._timers):
            timer.start()

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        timer = _WakeableTimer(self, self._timers, self.boot() + delay, callback)
        timer.start()
        return timer


class _WakeableTimer:
    def __init__(
        self, clock: ShiftedClock, pending: "set[_WakeableTimer]", due: float, callback: Callable[[], object]
    ) -> None:
        self._clock = clock
        self._pending = pending
        self._due = due
        self._callback = callback
        self._timer: Timer | None = None

    def start(self) -> None:
        self.cancel()
        self._pending.add(self)
        self._timer = SYSTEM_CLOCK.call_later(max(0.0, self._due - self._clock.boot()), self._fire)

    def cancel(self) -> None:
        self._pending.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        self._pending.discard(self)
        self._callback()


class InstantClock:
    """Each wait ends at once, and moves both clocks ahead by its length; `waits` lists the lengths."""

    def __init__(self) -> None:
        self._offset = 0.0
        self.waits: list[float] = []

    def wall(self) -> float:
        return time.time() + self._offset

    def boot(self) -> float:
        return SYSTEM_CLOCK.boot() + self._offset

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        self.waits.append(delay)
        due = self.boot() + delay

        def fire() -> None:
            self._offset += max(0.0, due - self.boot())
            callback()

        return asyncio.get_running_loop().call_later(0, fire)
