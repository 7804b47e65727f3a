"""Clocks for what runs over real sockets: this machine's, put ahead at a stroke."""

import time
from collections.abc import Callable

from bitbucket_auth_async.protocols import Timer
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK


class AheadClock:
    """Real time and real timers, with so many seconds more on both clocks as `hurry` was told."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def hurry(self, seconds: float) -> None:
        """Let so many seconds have passed, without a wait."""
        self.ahead += seconds

    def wall(self) -> float:
        return time.time() + self.ahead

    def boot(self) -> float:
        return SYSTEM_CLOCK.boot() + self.ahead

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        return SYSTEM_CLOCK.call_later(delay, callback)


class HurriedClock(AheadClock):
    """The same, and whoever sleeps until a moment that has passed meanwhile can be woken."""

    def __init__(self) -> None:
        super().__init__()
        self._timers: set[_HurriedTimer] = set()

    def wake(self) -> None:
        """Let timers learn what time it is; until then they are as unaware of it as after a machine's sleep."""
        for timer in tuple(self._timers):
            timer.start()

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        timer = _HurriedTimer(self, self._timers, self.boot() + delay, callback)
        timer.start()
        return timer


class _HurriedTimer:
    def __init__(
        self, clock: AheadClock, among: "set[_HurriedTimer]", due: float, callback: Callable[[], object]
    ) -> None:
        self._clock = clock
        self._among = among
        self._due = due
        self._callback = callback
        self._timer: Timer | None = None

    def start(self) -> None:
        self.cancel()
        self._among.add(self)
        self._timer = SYSTEM_CLOCK.call_later(max(0.0, self._due - self._clock.boot()), self._ring)

    def cancel(self) -> None:
        self._among.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._among.discard(self)
        self._callback()
