"""The default transport and store, imported at first use; the only module of the manager that names adapters."""

import asyncio
import sys
from importlib import import_module

from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.protocols import TokenStore, Transport

_AIOHTTP = "bitbucket_auth_async.transports.aiohttp"


class DefaultTransport:
    """An AiohttpTransport created at the first request, so that reading a stored token needs no aiohttp."""

    __slots__ = ("_transport",)

    def __init__(self) -> None:
        """Import nothing yet."""
        self._transport: Transport | None = None

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        """Send the request by aiohttp; see Transport."""
        if self._transport is None:
            await _import_in_thread(_AIOHTTP)
            from bitbucket_auth_async.transports.aiohttp import AiohttpTransport  # noqa: PLC0415 - see the docstring

            self._transport = AiohttpTransport()
        return await self._transport.send(request, timeout=timeout)

    async def aclose(self) -> None:
        """Close the transport, if it was created."""
        if self._transport is not None:
            await self._transport.aclose()


async def _import_in_thread(name: str) -> None:
    """Import a module in a thread: aiohttp takes 0.1 s or more, and the event loop must not block."""
    if name not in sys.modules:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only the first request needs it

        with ThreadPoolExecutor(1) as thread:
            await asyncio.get_running_loop().run_in_executor(thread, import_module, name)


def default_store() -> TokenStore:
    """Return a new store in memory."""
    from bitbucket_auth_async.stores.memory import MemoryStore  # noqa: PLC0415 - the core knows stores by Protocol

    return MemoryStore()
