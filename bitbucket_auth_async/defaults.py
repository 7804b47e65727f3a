"""The default transport and store, imported when they are first needed: the one place where the core names adapters."""

from bitbucket_auth_async.oauth2.messages import Request, Response
from bitbucket_auth_async.protocols import TokenStore, Transport


class DefaultTransport:
    """An AiohttpTransport that is made at the first request, so that a stored token can be read without aiohttp."""

    __slots__ = ("_transport",)

    def __init__(self) -> None:
        """Import nothing yet."""
        self._transport: Transport | None = None

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        """Return the answer; see Transport."""
        if self._transport is None:
            from bitbucket_auth_async.transports.aiohttp import AiohttpTransport  # noqa: PLC0415 - see the docstring

            self._transport = AiohttpTransport()
        return await self._transport.send(request, timeout=timeout)

    async def aclose(self) -> None:
        """Close the transport, if one was made."""
        if self._transport is not None:
            await self._transport.aclose()


def default_store() -> TokenStore:
    """Return a new store in memory."""
    from bitbucket_auth_async.stores.memory import MemoryStore  # noqa: PLC0415 - the core knows stores by Protocol

    return MemoryStore()
