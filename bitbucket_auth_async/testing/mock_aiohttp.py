"""mock_bitbucket: aiohttp reaches a FakeBitbucket as bitbucket.org, and nothing leaves the machine."""

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

# The originals, so that a nested mock bypasses the outer one.
_CONNECT = TCPConnector.connect
_CREATE_CONNECTION = TCPConnector._create_connection  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  - every connector reaches the network through it


class UnmockedHostError(ClientConnectionError):
    """The program under test requested a host that `mock_bitbucket` does not allow."""


@asynccontextmanager
async def mock_bitbucket(
    fake: FakeBitbucket | None = None, *, passthrough: Iterable[str] = ()
) -> AsyncGenerator[FakeBitbucket]:
    """Route all aiohttp connections of this process to bitbucket.org and api.bitbucket.org to *fake*.

    Requests, middlewares, redirects and connection pools work as usual; only name lookup and TLS are skipped. Loopback
    hosts and hosts in *passthrough* are reached as usual, and all others raise UnmockedHostError. Connections opened
    before are not reused inside the block.
    """
    fake = FakeBitbucket() if fake is None else fake
    check("mock_bitbucket()", fake, "rest", example="a FakeBitbucket()")
    async with listening(fake_bitbucket_app(fake, middlewares=[_check_host])) as port:
        with _installed(_Rerouter(port, frozenset(passthrough))):
            yield fake


class _Rerouter:
    """Replaces two methods of TCPConnector."""

    def __init__(self, port: int, passthrough: frozenset[str]) -> None:
        self._address = ("127.0.0.1", port)
        self._passthrough = passthrough

    async def create_connection(
        self,
        connector: TCPConnector,
        request: ClientRequest,
        *args: Any,  # noqa: ANN401  - traces and time-outs, passed on unchanged
        **kwargs: Any,  # noqa: ANN401  - the same
    ) -> ResponseHandler:
        if not self._is_mocked(request):
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
        *args: Any,  # noqa: ANN401  - traces and time-outs, passed on unchanged
        **kwargs: Any,  # noqa: ANN401  - the same
    ) -> Connection:
        # Checked before the pool, because a pooled connection would bypass the mock.
        if not self._is_mocked(request):
            return await _CONNECT(connector, request, *args, **kwargs)
        while True:
            connection = await _CONNECT(connector, request, *args, **kwargs)
            transport = connection.transport
            if transport is None or transport.get_extra_info("peername") == self._address:
                return connection
            connection.close()  # It was opened before, to the real Bitbucket or another fake.

    def _is_mocked(self, request: ClientRequest) -> bool:
        """Return whether the fake handles this request.

        Raises:
            UnmockedHostError: The host is neither mocked, loopback nor in *passthrough*.
        """
        url = request.url
        host = url.host or ""
        if host in _HOSTS and url.scheme == "https" and url.is_default_port():
            return True
        if is_loopback(host) or host in self._passthrough:
            return False
        mocked = f"only https://{_SITE} and https://{_API} are. Add the host to passthrough= to allow it."
        msg = f"mock_bitbucket(): {url.origin()} is not mocked, {mocked}"
        raise UnmockedHostError(msg)


def _protocol_of(connector: TCPConnector) -> Callable[[], ResponseHandler]:
    return connector._factory  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  - a connection needs the connector's own factory


_rerouters: list[_Rerouter] = []
"""The active ones; the last one handles requests."""


@contextmanager
def _installed(rerouter: _Rerouter) -> Generator[None]:
    """Patch all connectors until the block ends; blocks may end in a different order than they began."""
    if not _rerouters:
        for each in _PATCHES:
            each.start()
    _rerouters.append(rerouter)
    try:
        yield
    finally:
        _rerouters.remove(rerouter)
        if not _rerouters:
            for each in _PATCHES:
                each.stop()


async def _create_connection(connector: TCPConnector, *args: Any, **kwargs: Any) -> ResponseHandler:  # noqa: ANN401  - aiohttp's, passed on
    return await _rerouters[-1].create_connection(connector, *args, **kwargs)


async def _connect(connector: TCPConnector, *args: Any, **kwargs: Any) -> Connection:  # noqa: ANN401  - aiohttp's, passed on
    return await _rerouters[-1].connect(connector, *args, **kwargs)


# Every connector reaches the network through these two methods, which have these names since aiohttp 3.12.
_PATCHES = (
    patch.object(TCPConnector, "_create_connection", _create_connection),
    patch.object(TCPConnector, "connect", _connect),
)


@web.middleware
async def _check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve the API only at api.bitbucket.org, and the OAuth endpoints only at bitbucket.org."""
    if request.path.startswith("/2.0/") != (request.host == _API):
        raise web.HTTPNotFound
    return await handler(request)
