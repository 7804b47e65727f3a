"""Home: the event loop and process that a manager, or a pool of them, belongs to, and what is wrong elsewhere."""

import asyncio
import os
from enum import Enum, unique

from bitbucket_auth_async.errors import ConfigurationError

_ELSEWHERE = (
    "This TokenManager belongs to another event loop. Make one for each loop or thread, with the same "
    "store and key: they share one token."
)


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

    __slots__ = ("_loop", "closed", "moves", "pid")

    def __init__(self) -> None:
        """Belong nowhere yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.pid = os.getpid()
        self.moves = 0
        """Counts the loops, so that what belonged to the last one can be told."""
        self.closed = False

    def is_here(self) -> bool:
        """Tell whether the running loop, if there is one, is this one."""
        try:
            return self._loop is asyncio.get_running_loop() and self.pid == os.getpid()
        except RuntimeError:
            return False

    def enter(self) -> Moved:
        """Belong to the running loop.

        Raises:
            ConfigurationError: There is none, or the one before is still open, here or in the process that forked; or
                all is closed.
        """
        if self.closed:
            msg = "This TokenManager is closed; make another one with the same store and key."
            raise ConfigurationError(msg)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            msg = "TokenManager needs a running asyncio event loop (trio and plain threads have none)."
            raise ConfigurationError(msg) from error
        pid = os.getpid()
        forked = pid != self.pid
        if loop is self._loop and not forked:
            return Moved.NOT
        if self._loop is not None and not self._loop.is_closed():
            if forked:
                msg = "This TokenManager was in use when its process forked; make one in each process, with one store."
                raise ConfigurationError(msg)
            raise ConfigurationError(_ELSEWHERE)
        self._loop, self.pid = loop, pid
        self.moves += 1
        return Moved.TO_ANOTHER_PROCESS if forked else Moved.TO_ANOTHER_LOOP

    def close(self) -> bool:
        """Be closed from now on; return whether there may be work to finish in the running loop.

        Raises:
            ConfigurationError: Another loop that is still open has the work, so it must be closed there.
        """
        if self._loop is None or self.pid != os.getpid():
            self.closed = True
            return False
        if not self.closed and not self.is_here():
            if not self._loop.is_closed():
                msg = "This TokenManager belongs to another event loop; close it there."
                raise ConfigurationError(msg)
            self.enter()  # what the last loop left unsaved is saved in this one
        self.closed = True
        return self.is_here()
