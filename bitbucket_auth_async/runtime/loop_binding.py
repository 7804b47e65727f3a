"""LoopBinding: ties a manager, or a pool of them, to one event loop in one process."""

import asyncio
import os

from bitbucket_auth_async.errors import ConfigurationError

_ELSEWHERE = (
    "This TokenManager belongs to another event loop. Make one for each loop or thread, with the same "
    "store and key: they share one token."
)


class LoopBinding:
    """One event loop in one process at a time; the next one may follow once that loop is closed."""

    __slots__ = ("_loop", "bind_count", "closed", "pid")

    def __init__(self) -> None:
        """Start without a loop."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.pid = os.getpid()
        self.bind_count = 0
        """Counts the loops, so that tasks of an earlier one are recognised."""
        self.closed = False

    def is_current(self) -> bool:
        """Return True if the bound loop is the running one, in this process."""
        try:
            return self._loop is asyncio.get_running_loop() and self.pid == os.getpid()
        except RuntimeError:
            return False

    def bind(self) -> bool:
        """Bind to the running loop; return False if it is bound already.

        Raises:
            ConfigurationError: No loop is running, the bound one is still open (here or in the parent process), or the
                manager is closed.
        """
        if self.closed:
            msg = "This TokenManager is closed; make another one with the same store and key."
            raise ConfigurationError(msg)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            msg = "TokenManager needs a running asyncio event loop; trio and plain threads do not have one."
            raise ConfigurationError(msg) from error
        pid = os.getpid()
        forked = pid != self.pid
        if loop is self._loop and not forked:
            return False
        if self._loop is not None and not self._loop.is_closed():
            if forked:
                msg = "This TokenManager was in use when its process forked; make one in each process, with one store."
                raise ConfigurationError(msg)
            raise ConfigurationError(_ELSEWHERE)
        self._loop, self.pid = loop, pid
        self.bind_count += 1
        return True

    def close(self) -> bool:
        """Refuse further use; return True if the running loop may have tasks to finish.

        Raises:
            ConfigurationError: The tasks belong to another loop that is still open, so close the manager there.
        """
        if self._loop is None or self.pid != os.getpid():
            self.closed = True
            return False
        if not self.closed and not self.is_current():
            if not self._loop.is_closed():
                msg = "This TokenManager belongs to another event loop; close it there."
                raise ConfigurationError(msg)
            self.bind()  # to save in this loop what the closed one left unsaved
        self.closed = True
        return self.is_current()
