"""Home: the event loop and process that a manager belongs to, and what is wrong where it is used elsewhere."""

import asyncio
import os
from enum import Enum, unique

from bitbucket_auth_async.errors import ConfigurationError


@unique
class Moved(Enum):
    """What `Home.enter` found."""

    NOT = 0
    TO_ANOTHER_LOOP = 1
    """The last loop is closed (or there was none), and its tasks ended with it."""
    TO_ANOTHER_PROCESS = 2
    """The same, after a fork."""


class Home:
    """One loop in one process at a time; the next one may follow once the loop is closed."""

    __slots__ = ("_loop", "_pid")

    def __init__(self) -> None:
        """Belong nowhere yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()

    def is_here(self) -> bool:
        """Tell whether the running loop is this one."""
        return self._loop is asyncio.get_running_loop() and self._pid == os.getpid()

    def enter(self) -> Moved:
        """Belong to the running loop.

        Raises:
            ConfigurationError: There is none, or the one before is still open, here or in the process that forked.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            msg = "TokenManager needs a running asyncio event loop (trio and plain threads have none)."
            raise ConfigurationError(msg) from error
        pid = os.getpid()
        forked = pid != self._pid
        if loop is self._loop and not forked:
            return Moved.NOT
        if self._loop is not None and not self._loop.is_closed():
            if forked:
                msg = "This TokenManager was in use when its process forked; make one in each process, with one store."
                raise ConfigurationError(msg)
            msg = (
                "This TokenManager belongs to another event loop. Make one for each loop or thread, with the same "
                "store and key: they share one token."
            )
            raise ConfigurationError(msg)
        self._loop, self._pid = loop, pid
        return Moved.TO_ANOTHER_PROCESS if forked else Moved.TO_ANOTHER_LOOP
