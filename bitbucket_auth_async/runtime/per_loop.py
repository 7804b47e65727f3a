"""PerLoop: one connection, lock or other resource for each event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from bitbucket_auth_async.errors import ConfigurationError

_T = TypeVar("_T")


class PerLoop(Generic[_T]):
    """Opens a resource at first use in each loop; a forked process has another loop, so another resource.

    The resource of a closed loop is dropped when another loop opens one. Weak references would not work, since an
    asyncio.Lock keeps its loop alive.
    """

    __slots__ = ("_close", "_closed", "_open", "_opened", "_owner")

    def __init__(
        self, owner: str, opening: Callable[[], _T], closing: Callable[[_T], Awaitable[object]] | None = None
    ) -> None:
        """Open nothing yet; the error for use after closing names *owner*."""
        self._owner = owner
        self._open = opening
        self._close = closing
        self._closed = False
        self._opened: dict[asyncio.AbstractEventLoop, _T] = {}

    def get(self) -> _T:
        """Return the running loop's resource; open it if needed.

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
        """Close the running loop's resource; those of other loops end with their loops."""
        self._closed = True
        opened = self._opened.pop(asyncio.get_running_loop(), None)
        if opened is not None and self._close is not None:
            await self._close(opened)
