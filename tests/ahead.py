"""A clock for what runs over real sockets: this machine's, put ahead at a stroke."""

import time
from collections.abc import Callable

from bitbucket_auth_async.clocks import SYSTEM_CLOCK
from bitbucket_auth_async.protocols import Timer


class AheadClock:
    """Real time and real timers, with so many seconds more on both clocks as `hurry` was told."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def hurry(self, seconds: float) -> None:
        """Let so many seconds have passed, without a wait."""
        self._ahead += seconds

    def wall(self) -> float:
        return time.time() + self._ahead

    def boot(self) -> float:
        return SYSTEM_CLOCK.boot() + self._ahead

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        return SYSTEM_CLOCK.call_later(delay, callback)
