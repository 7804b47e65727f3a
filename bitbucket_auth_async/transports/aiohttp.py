"""AiohttpTransport: sends token requests through aiohttp."""

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

_LOOKUP_THREADS = 4
_CREDENTIAL_HEADERS = (hdrs.AUTHORIZATION, hdrs.COOKIE)


class AiohttpTransport:
    """Sends token requests through aiohttp, each in a new session and over a new connection.

    Callers that hold every connection of a pool can't delay a renewal. Nothing is bound to an event loop or copied by a
    fork. No request is lost on a kept connection that the server has just closed, which would look like a processed
    request. Renewals are rare enough to pay for a handshake.

    Args:
        session: A session whose connector is used instead. Its cookies, credentials, middlewares and
            `raise_for_status` are not applied. It is never closed, and must belong to the event loop that sends.
        proxy: The URL of an HTTP proxy.
        ssl: The `ssl` argument of aiohttp: a context, a fingerprint, or False to check nothing.
        trust_env: Whether `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` set the proxy if *proxy* does not. Unlike in
            aiohttp, `.netrc` is never read.
        timeout: The longest time for any request, in seconds, even if `send` is called with more.
        connect_timeout: Seconds for each attempt to connect.
        answer_limit: The longest response that is read, in bytes.
    """

    def __init__(  # noqa: PLR0913  - each is one connection setting, and only the first is positional
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
        """Store the settings; connections are opened by requests only."""
        self._session = session
        self._resolver_threads = _ResolverThreads()
        self._proxy = proxy
        self._ssl = True if ssl is None else ssl
        self._trust_env = trust_env
        self._timeout = timeout
        # `within` limits the total time, including closing.
        self._phases = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._answer_limit = answer_limit
        self._defaults: Mapping[str, str] = {
            hdrs.USER_AGENT: f"bitbucket-auth-async/{_version()}",
            hdrs.ACCEPT_ENCODING: "identity",
        }

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109  - the port says so
        """Return the response with any status; follow no redirect, and read at most `answer_limit` bytes.

        Raises:
            TransportError: No complete response within *timeout* seconds. `sent` is False only if sending the body had
                not started, so the server can't have acted on it.
            ConfigurationError: The URL, a header, the proxy or the session is not usable.
        """
        seconds = min(timeout, self._timeout)
        body = _Body(request.body, seconds)
        failure: BitbucketAuthError
        try:
            return await within(SYSTEM_CLOCK, seconds, self._exchange(request, body))
        except (aiohttp.ClientError, HttpProcessingError, UndecodableError, OSError, ValueError, RuntimeError) as error:
            failure = _failure(error, request, sent=body.started, seconds=seconds)
        # Raised outside the handler to drop the cause: aiohttp's errors hold the request's headers.
        raise failure

    async def aclose(self) -> None:
        """Do nothing: connections are closed after each request, and the caller closes a given session."""

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[aiohttp.ClientSession]:
        if self._session is not None:
            loop = asyncio.get_running_loop()
            if self._session.closed or getattr(self._session, "_loop", loop) is not loop:
                # Without this check, uvloop would end the whole process.
                msg = (
                    "The session of AiohttpTransport is closed or belongs to another event loop: open one in this loop."
                )
                raise ConfigurationError(msg)
            yield self._session
            return
        # Always getaddrinfo in a thread, never aiodns: it follows the system's settings and leaves nothing open.
        resolver = aiohttp.ThreadedResolver(loop=cast("asyncio.AbstractEventLoop", self._resolver_threads))
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
            for name in _CREDENTIAL_HEADERS:
                outgoing.headers.popall(name, None)
            outgoing.headers.update(ours)
            return await handler(outgoing)

        async with session.request(
            request.method,
            request.url,
            data=body,
            # The middleware alone sets headers: aiohttp refuses an Authorization header together with a .netrc entry.
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


class _ResolverThreads:
    """Resolves host names like an event loop, but in its own threads.

    Synchronous code that waits for the token may occupy all threads of the loop; sharing them would be a deadlock.
    """

    def __init__(self) -> None:
        self._threads = Threads(_LOOKUP_THREADS)

    async def getaddrinfo(self, host: str, port: int, **wanted: int) -> list[Any]:
        return await self._threads.run(partial(socket.getaddrinfo, host, port, **wanted))

    async def getnameinfo(self, address: Any, flags: int) -> tuple[str, str]:  # noqa: ANN401  - the socket library's own
        return await self._threads.run(socket.getnameinfo, address, flags)


class _Body(aiohttp.BytesPayload):
    """A request body that records whether sending has started; until then the server can't have acted on it.

    Sending does not start after the deadline, for example in a process that was suspended: by then another process may
    have sent the same request.
    """

    started = False

    def __init__(self, value: bytes, seconds: float) -> None:
        super().__init__(value)
        self._latest = SYSTEM_CLOCK.boot() + seconds

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body, and record that sending has started.

        Raises:
            TimeoutError: The deadline has passed.
        """
        if SYSTEM_CLOCK.boot() > self._latest:
            raise TimeoutError
        self.started = True
        await super().write_with_length(writer, content_length)


def _failure(error: Exception, request: Request, *, sent: bool, seconds: float) -> BitbucketAuthError:
    if isinstance(error, ValueError | RuntimeError) and not isinstance(error, UndecodableError | OSError) and not sent:
        return ConfigurationError(
            f"The request is not valid as configured ({type(error).__name__}). Check the token endpoint's URL, the "
            "proxy and the headers."
        )
    where = urlsplit(request.url).hostname
    if isinstance(error, UndecodableError):
        return TransportError(f"The response of {where} is not usable: {error}.", sent=sent)
    broken = isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError)
    return TransportError(
        f"No complete response from {where}: {_reason(error, seconds)}.",
        sent=sent,
        broken=broken and not isinstance(error, TimeoutError),
    )


def _reason(error: Exception, seconds: float) -> str:
    """Return a description of the error without any part of the request."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time"
        case TimeoutError():
            return f"no response within {seconds:g} seconds"
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            return f"its certificate is not trusted ({getattr(cause, 'verify_message', type(cause).__name__)})"
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
