"""What is there once for each event loop that uses it: connections, and locks for those who take turns."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bitbucket_auth_async.errors import ConfigurationError

_T = TypeVar("_T")


class PerLoop(Generic[_T]):
    """Opens at first use, once for each loop; a forked process has another loop, and so its own.

    What a closed loop had is forgotten as the next one comes. Weak references would not do: an asyncio.Lock that was
    ever waited for holds its loop.
    """

    __slots__ = ("_close", "_closed", "_open", "_opened", "_owner")

    def __init__(
        self, owner: str, opening: Callable[[], _T], closing: Callable[[_T], Awaitable[object]] | None = None
    ) -> None:
        """Open nothing yet; *owner* is named if it is used once closed."""
        self._owner = owner
        self._open = opening
        self._close = closing
        self._closed = False
        self._opened: dict[asyncio.AbstractEventLoop, _T] = {}

    def get(self) -> _T:
        """Return what this loop has, opened if it has nothing yet.

        Raises:
            ConfigurationError: It was closed.
        """
        if self._closed:
            msg = f"This {self._owner} is closed; make another one."
            raise ConfigurationError(msg)
        loop = asyncio.get_running_loop()
        if loop not in self._opened:
            for gone in [other for other in tuple(self._opened) if other.is_closed()]:  # other threads add theirs
                self._opened.pop(gone, None)
            self._opened[loop] = self._open()
        return self._opened[loop]

    async def aclose(self) -> None:
        """Close what this loop has; what another loop has goes with that loop."""
        self._closed = True
        opened = self._opened.pop(asyncio.get_running_loop(), None)
        if opened is not None and self._close is not None:
            await self._close(opened)
