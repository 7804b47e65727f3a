"""mock_bitbucket: under it, a program that talks to bitbucket.org reaches a FakeBitbucket, and nothing goes out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from aiohttp import ClientConnectionError, ClientConnectorError, ClientRequest, TCPConnector, web
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.typedefs import Handler

from bitbucket_auth_async.oauth2.servers import is_loopback
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import fake_bitbucket_app, listening

_SITE = "bitbucket.org"
_API = "api.bitbucket.org"
_HOSTS = frozenset({_SITE, _API})

# The real ones, so that a mock within a mock leads past the outer one.
_CONNECT = TCPConnector.connect
_CREATE_CONNECTION = TCPConnector._create_connection  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  - the one way of every connector to the network


class UnmockedHostError(ClientConnectionError):
    """The program under test wants to reach a host that is not there under `mock_bitbucket`."""


@asynccontextmanager
async def mock_bitbucket(
    fake: FakeBitbucket | None = None, *, passthrough: Iterable[str] = ()
) -> AsyncGenerator[FakeBitbucket]:
    """Lead every aiohttp connection to bitbucket.org and api.bitbucket.org to *fake*, for all sessions of the process.

    Requests, middlewares, redirects and connection pools run as always; only the name lookup and the TLS layer are left
    out. Loopback hosts and those in *passthrough* are reached as always, all others are refused with
    UnmockedHostError. Connections that were open before are not used meanwhile.
    """
    fake = FakeBitbucket() if fake is None else fake
    check("mock_bitbucket()", fake, "rest", example="a FakeBitbucket()")
    async with listening(fake_bitbucket_app(fake, middlewares=[_each_at_its_host])) as port:
        with _led_along(_Detour(port, frozenset(passthrough))):
            yield fake


class _Detour:
    """What two methods of TCPConnector are under the mock."""

    def __init__(self, port: int, passthrough: frozenset[str]) -> None:
        self._address = ("127.0.0.1", port)
        self._passthrough = passthrough

    async def create_connection(
        self,
        connector: TCPConnector,
        request: ClientRequest,
        *args: Any,  # noqa: ANN401  - traces and time-outs, handed on as they come
        **kwargs: Any,  # noqa: ANN401  - the same
    ) -> ResponseHandler:
        if not self._leads_here(request):
            return await _CREATE_CONNECTION(connector, request, *args, **kwargs)
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(_protocol_of(connector), *self._address)
        except OSError as error:
            raise ClientConnectorError(request.connection_key, error) from error
        return protocol

    async def connect(
        self,
        connector: TCPConnector,
        request: ClientRequest,
        *args: Any,  # noqa: ANN401  - traces and time-outs, handed on as they come
        **kwargs: Any,  # noqa: ANN401  - the same
    ) -> Connection:
        # TokenRequest before the pool is: a connection that is still open would lead past the mock.
        if not self._leads_here(request):
            return await _CONNECT(connector, request, *args, **kwargs)
        while True:
            connection = await _CONNECT(connector, request, *args, **kwargs)
            transport = connection.transport
            if transport is None or transport.get_extra_info("peername") == self._address:
                return connection
            connection.close()  # It was open before, and leads to the real Bitbucket or to another fake.

    def _leads_here(self, request: ClientRequest) -> bool:
        """Tell whether the fake answers this request.

        Raises:
            UnmockedHostError: Neither it nor anything that is let through does.
        """
        url = request.url
        host = url.host or ""
        if host in _HOSTS and url.scheme == "https" and url.is_default_port():
            return True
        if is_loopback(host) or host in self._passthrough:
            return False
        known = f"only https://{_SITE} and https://{_API} are; passthrough= lets other hosts through."
        msg = f"mock_bitbucket(): {url.origin()} is not there, {known}"
        raise UnmockedHostError(msg)


def _protocol_of(connector: TCPConnector) -> Callable[[], ResponseHandler]:
    return connector._factory  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  - a connection needs the connector's own


_detours: list[_Detour] = []
"""Those that are under way; the last one counts."""


@contextmanager
def _led_along(detour: _Detour) -> Generator[None]:
    """Lead all connectors along *detour* until the block ends; blocks may end in another order than they began."""
    if not _detours:
        for each in _PATCHES:
            each.start()
    _detours.append(detour)
    try:
        yield
    finally:
        _detours.remove(detour)
        if not _detours:
            for each in _PATCHES:
                each.stop()


async def _create_connection(connector: TCPConnector, *args: Any, **kwargs: Any) -> ResponseHandler:  # noqa: ANN401  - aiohttp's, handed on
    return await _detours[-1].create_connection(connector, *args, **kwargs)


async def _connect(connector: TCPConnector, *args: Any, **kwargs: Any) -> Connection:  # noqa: ANN401  - aiohttp's, handed on
    return await _detours[-1].connect(connector, *args, **kwargs)


# Every connector has these two alone on its way to the network, and both under these names since 3.12.
_PATCHES = (
    patch.object(TCPConnector, "_create_connection", _create_connection),
    patch.object(TCPConnector, "connect", _connect),
)


@web.middleware
async def _each_at_its_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep the two hosts apart: no API at bitbucket.org, no endpoints at api.bitbucket.org."""
    if request.path.startswith("/2.0/") != (request.host == _API):
        raise web.HTTPNotFound
    return await handler(request)
