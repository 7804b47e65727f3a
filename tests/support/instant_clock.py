"""A clock for what runs over real sockets and would wait: each wait is over at once, as if time had passed."""

import asyncio
import time
from collections.abc import Callable

from bitbucket_auth_async.protocols import Timer
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK


class HastyClock:
    """Whoever waits moves both clocks on, by as much as is still to pass until he is due, and writes down how long."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.waits: list[float] = []

    def wall(self) -> float:
        return time.time() + self._ahead

    def boot(self) -> float:
        return SYSTEM_CLOCK.boot() + self._ahead

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        self.waits.append(delay)
        due = self.boot() + delay

        def fire() -> None:
            self._ahead += max(0.0, due - self.boot())
            callback()

        return asyncio.get_running_loop().call_later(0, fire)
