"""AiohttpTransport: sends a Request through aiohttp."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import metadata
from ssl import SSLContext
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, TransportError
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, within
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy
from bitbucket_auth_async.runtime.threads import Threads
from bitbucket_auth_async.transports._content_decoding import UndecodableError, decoded

_LOOKUPS = 4
_NOT_OURS = (hdrs.AUTHORIZATION, hdrs.COOKIE)


class AiohttpTransport:
    """Sends requests to a token endpoint through aiohttp, each over a connection of its own.

    A session lasts as long as its request, and no connection is used twice. So callers who hold every connection of
    their own session can't starve a renewal; nothing is bound to an event loop or copied by a fork; nothing is left
    open; and a request never dies on a kept connection that the server had just closed, which could not be told from
    one that it had processed. A renewal is rare enough to pay for a handshake.

    Args:
        session: A session to use instead, for its connector; its cookies, its credentials, its middlewares and its
            `raise_for_status` stay out of it. It is never closed, and must live in the loop that sends.
        proxy: The address of an HTTP proxy.
        ssl: What aiohttp takes as `ssl`: a context, a fingerprint, or False to check nothing.
        trust_env: Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name the proxy where *proxy* does not. Unlike in
            aiohttp, `.netrc` is never read.
        timeout: No request takes longer, in seconds, whatever `send` is asked for.
        connect_timeout: Seconds for each attempt to connect.
        answer_limit: The longest answer that is read, in bytes.
    """

    def __init__(  # noqa: PLR0913  - each is one setting of the wire, and only the first is positional
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        proxy: str | None = None,
        ssl: SSLContext | aiohttp.Fingerprint | bool | None = None,
        trust_env: bool = False,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        answer_limit: int = 2**20,
    ) -> None:
        """Keep the settings; nothing is opened before the first request."""
        self._session = session
        self._names = _Names()
        self._proxy = proxy
        self._ssl = True if ssl is None else ssl
        self._trust_env = trust_env
        self._timeout = timeout
        # The whole is bounded by `within`, which also covers the closing.
        self._phases = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._answer_limit = answer_limit
        self._defaults: Mapping[str, str] = {
            hdrs.USER_AGENT: f"bitbucket-auth-async/{_version()}",
            hdrs.ACCEPT_ENCODING: "identity",
        }

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109  - the port says so
        """Return the answer, whatever its status; never follow a redirect; read 1 MiB at most.

        Raises:
            TransportError: No whole answer within *timeout* seconds; its `sent` is False only if nothing of the body
                had left yet, so that the server can't have acted on it.
            ConfigurationError: The address, a header, the proxy or the session can't be used at all.
        """
        seconds = min(timeout, self._timeout)
        body = _Body(request.body, seconds)
        failure: BitbucketAuthError
        try:
            return await within(SYSTEM_CLOCK, seconds, self._exchange(request, body))
        except (aiohttp.ClientError, HttpProcessingError, UndecodableError, OSError, ValueError, RuntimeError) as error:
            failure = _failure(error, request, sent=body.begun, seconds=seconds)
        # Raised out here, so that no traceback shows the cause: aiohttp's errors hold the request's headers.
        raise failure

    async def aclose(self) -> None:
        """Do nothing: no connection outlives its request, and the caller's session is the caller's to close."""

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[aiohttp.ClientSession]:
        if self._session is not None:
            here = asyncio.get_running_loop()
            if self._session.closed or getattr(self._session, "_loop", here) is not here:
                # Left to itself, uvloop ends the whole process over it.
                msg = "The session given to AiohttpTransport is closed, or belongs to another event loop."
                raise ConfigurationError(msg)
            yield self._session
            return
        # getaddrinfo in a thread, whatever else is installed: it heeds the system's settings and leaves nothing open.
        resolver = aiohttp.ThreadedResolver(loop=cast("asyncio.AbstractEventLoop", self._names))
        connector = aiohttp.TCPConnector(force_close=True, resolver=resolver)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session

    async def _exchange(self, request: Request, body: "_Body") -> Response:
        async with self._opened() as session:
            return await self._exchange_over(session, request, body)

    async def _exchange_over(self, session: aiohttp.ClientSession, request: Request, body: "_Body") -> Response:
        ours: dict[str, str] = {**self._defaults, **request.headers}

        async def ours_alone(
            outgoing: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            for name in _NOT_OURS:
                outgoing.headers.popall(name, None)
            outgoing.headers.update(ours)
            return await handler(outgoing)

        async with session.request(
            request.method,
            request.url,
            data=body,
            # Headers are set in the middleware alone: beside an Authorization header a .netrc entry is an error.
            middlewares=(ours_alone,),
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=False,
            timeout=self._phases,
            ssl=self._ssl,
            proxy=self._proxy or (environment_proxy(request.url) if self._trust_env else None),
        ) as response:
            raw = await self._read(response)
            coding = response.headers.get(hdrs.CONTENT_ENCODING, "")
            plain = decoded(raw, coding, limit=self._answer_limit)
            return Response(status=response.status, headers=_plain_headers(response), body=plain)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        read = bytearray()
        while piece := await response.content.readany():
            read += piece
            if len(read) > self._answer_limit:
                msg = f"it is longer than {self._answer_limit} bytes"
                raise UndecodableError(msg)
        return bytes(read)


class _Names:
    """Looks names up as a loop does, but in threads of its own.

    Those of the loop may all be taken by synchronous code that waits for the very token, and then no request could
    bring it.
    """

    def __init__(self) -> None:
        self._threads = Threads(_LOOKUPS)

    async def getaddrinfo(self, host: str, port: int, **wanted: int) -> list[Any]:
        return await self._threads.run(partial(socket.getaddrinfo, host, port, **wanted))

    async def getnameinfo(self, address: Any, flags: int) -> tuple[str, str]:  # noqa: ANN401  - the socket library's own
        return await self._threads.run(socket.getnameinfo, address, flags)


class _Body(aiohttp.BytesPayload):
    """A body that remembers whether aiohttp has begun to write it: until then the server can't have acted on it.

    A process that was stopped, or a machine that slept, for longer than the request may take does not begin: somebody
    else may have sent the same request by then.
    """

    begun = False

    def __init__(self, value: bytes, seconds: float) -> None:
        super().__init__(value)
        self._latest = SYSTEM_CLOCK.boot() + seconds

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write it if there is still time, and remember.

        Raises:
            TimeoutError: There is none.
        """
        if SYSTEM_CLOCK.boot() > self._latest:
            raise TimeoutError
        self.begun = True
        await super().write_with_length(writer, content_length)


def _failure(error: Exception, request: Request, *, sent: bool, seconds: float) -> BitbucketAuthError:
    if isinstance(error, ValueError | RuntimeError) and not isinstance(error, UndecodableError | OSError) and not sent:
        return ConfigurationError(
            "The request can't be made as it is configured: look at the address of the token endpoint, the proxy and "
            f"the headers ({type(error).__name__})."
        )
    where = urlsplit(request.url).hostname
    if isinstance(error, UndecodableError):
        return TransportError(f"The answer of {where} can't be used: {error}.", sent=sent)
    broken = isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError)
    return TransportError(
        f"No whole answer from {where}: {_reason(error, seconds)}.",
        sent=sent,
        broken=broken and not isinstance(error, TimeoutError),
    )


def _reason(error: Exception, seconds: float) -> str:
    """Say what went wrong in words that hold nothing of the request."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case TimeoutError():
            return f"nothing within {seconds:g} seconds"
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            return f"its certificate is not accepted ({getattr(cause, 'verify_message', type(cause).__name__)})"
        case aiohttp.ClientConnectorError(os_error=cause):
            return f"{type(error).__name__} ({cause.strerror or type(cause).__name__})"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status}"
        case _:
            return type(error).__name__


def _plain_headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    headers = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
    return MappingProxyType(headers)


def _version() -> str:
    try:
        return metadata.version("bitbucket-auth-async")
    except metadata.PackageNotFoundError:
        return "unknown"
