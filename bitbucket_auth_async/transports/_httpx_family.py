"""HttpxFamilyTransport: the code of HttpxTransport and Httpx2Transport, whose libraries have the same API."""

import ssl as tls
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from functools import cache, partial
from importlib import metadata
from ssl import SSLContext
from types import MappingProxyType, ModuleType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, TransportError
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, within
from bitbucket_auth_async.runtime.environment_proxy import environment_proxy
from bitbucket_auth_async.transports._content_decoding import UndecodableError, decoded


class Body:
    """A request body that records whether sending has started; until then the server can't have acted on it.

    Sending does not start after the deadline, for example in a process that was suspended: by then another process may
    have sent the same request.
    """

    def __init__(self, value: bytes, seconds: float) -> None:
        """Set the deadline to *seconds* from now."""
        self._value = value
        self._latest = SYSTEM_CLOCK.boot() + seconds
        self.started = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes, and record that sending has started.

        Raises:
            TimeoutError: The deadline has passed.
        """
        if SYSTEM_CLOCK.boot() > self._latest:
            raise TimeoutError
        self.started = True
        yield self._value


class HttpxFamilyTransport:
    """Sends token requests, each over a new connection.

    Callers that hold every connection of a pool can't delay a renewal. Nothing is bound to an event loop or copied by a
    fork. No request is lost on a kept connection that the server has just closed, which would look like a processed
    request. Requests bypass the library's client: no redirect is followed, and no cookie, hook, `auth=` or `.netrc` is
    applied.
    """

    _library: ClassVar[ModuleType]
    _body: ClassVar[type[Body]]

    def __init__(  # noqa: PLR0913  - each is one connection setting, and only the first is positional
        self,
        transport: Any = None,  # noqa: ANN401  - the library's own, which the adapter names
        *,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        trust_env: bool = False,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        answer_limit: int = 2**20,
    ) -> None:
        """Store the settings; connections are opened by requests only."""
        self._transport = transport
        self._proxy = proxy
        self._ssl = ssl
        self._trust_env = trust_env
        self._timeout = timeout
        # `within` limits the total time, including closing.
        self._phases = {"connect": connect_timeout, "read": None, "write": None, "pool": None}
        self._answer_limit = answer_limit
        self._defaults: Mapping[str, str] = {
            "User-Agent": f"bitbucket-auth-async/{_version()}",
            "Accept-Encoding": "identity",
            # Not for the caller's transport: it may use HTTP/2, which forbids this header.
            **({"Connection": "close"} if transport is None else {}),
        }

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109  - the port says so
        """Return the response with any status; follow no redirect, and read at most `answer_limit` bytes.

        Raises:
            TransportError: No complete response within *timeout* seconds. `sent` is False only if sending the body had
                not started, so the server can't have acted on it.
            ConfigurationError: The URL, a header, the proxy or the given transport is not usable.
        """
        library = self._library
        seconds = min(timeout, self._timeout)
        body = self._body(request.body, seconds)
        expected = (library.HTTPError, library.InvalidURL, library.StreamError)
        where = ""
        failure: BitbucketAuthError
        try:
            where = _host(request.url)
            return await within(SYSTEM_CLOCK, seconds, self._exchange(request, body))
        except (*expected, UndecodableError, OSError, ValueError, RuntimeError) as error:
            failure = self._failure(error, where, sent=body.started, seconds=seconds)
        # Raised outside the handler to drop the cause, which holds the request with its headers.
        raise failure

    async def aclose(self) -> None:
        """Do nothing: connections are closed after each request, and the caller closes a given transport."""

    async def _exchange(self, request: Request, body: Body) -> Response:
        headers = {**self._defaults, **request.headers}
        outgoing = self._library.Request(request.method, request.url, headers=headers, content=request.body)
        extensions: dict[str, Any] = {"timeout": self._phases}
        outgoing.extensions = extensions
        outgoing.stream = body
        async with AsyncExitStack() as opened:
            transport = self._transport
            if transport is None:
                transport = await opened.enter_async_context(self._opened(request.url))
                extensions["trace"] = partial(_close_socket_on_exit, opened)
            response = await transport.handle_async_request(outgoing)
            opened.push_async_callback(response.aclose)
            # Read from the raw stream: the response would decode its content without a limit.
            raw = await self._read(response.stream)
            plain = decoded(raw, response.headers.get("content-encoding", ""), limit=self._answer_limit)
            # The library joins repeated names by commas (RFC 9110 section 5.3).
            return Response(status=response.status_code, headers=MappingProxyType(dict(response.headers)), body=plain)

    def _opened(self, url: str) -> Any:  # noqa: ANN401  - the library's own
        proxy = self._proxy or (environment_proxy(url) if self._trust_env else None)
        context = self._ssl or _default_context(self._library)
        return self._library.AsyncHTTPTransport(verify=context, trust_env=False, proxy=proxy)

    async def _read(self, stream: AsyncIterator[bytes]) -> bytes:
        read = bytearray()
        async for piece in stream:
            read += piece
            if len(read) > self._answer_limit:
                msg = f"it is longer than {self._answer_limit} bytes"
                raise UndecodableError(msg)
        return bytes(read)

    def _failure(self, error: Exception, where: str, *, sent: bool, seconds: float) -> BitbucketAuthError:
        library = self._library
        if isinstance(error, UndecodableError):
            return TransportError(f"The response of {where} is not usable: {error}.", sent=sent)
        unusable = (library.InvalidURL, library.UnsupportedProtocol, library.LocalProtocolError)
        mistaken = isinstance(error, ValueError | RuntimeError) and not isinstance(error, OSError)
        if not sent and (mistaken or isinstance(error, unusable)):
            return ConfigurationError(
                f"The request is not valid as configured ({type(error).__name__}). Check the token endpoint's URL, the "
                "proxy, the headers and the transport, which works in one event loop only."
            )
        broken = isinstance(error, library.NetworkError | library.RemoteProtocolError | OSError)
        return TransportError(
            f"No complete response from {where}: {self._reason(error, seconds)}.",
            sent=sent,
            broken=broken and not isinstance(error, TimeoutError),
        )

    def _reason(self, error: Exception, seconds: float) -> str:
        """Return a description of the error without any part of the request."""
        library = self._library
        if isinstance(error, library.ConnectTimeout):
            return "no connection in time"
        if isinstance(error, TimeoutError):
            return f"no response within {seconds:g} seconds"
        if isinstance(error, library.ProxyError):
            status = str(error)[:3]
            return f"the proxy answered {status}" if status.isdecimal() else "the proxy is not usable"
        for cause in _chain(error):
            if isinstance(cause, tls.SSLCertVerificationError):
                return f"its certificate is not trusted ({cause.verify_message})"
            if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, tls.SSLError):
                return f"{type(error).__name__} ({cause.strerror})"
        return type(error).__name__


async def _close_socket_on_exit(opened: AsyncExitStack, name: str, info: Mapping[str, Any]) -> None:
    """Register the socket for closing: the library leaks it if it is cancelled during a TLS handshake."""
    if name == "connection.connect_tcp.complete":
        opened.push_async_callback(info["return_value"].aclose)


def _host(url: str) -> str:
    host = urlsplit(url).hostname
    if not host:
        msg = "a URL without a host"
        raise ValueError(msg)
    return host


@cache
def _default_context(library: ModuleType) -> SSLContext:
    """Return the library's default TLS context; cached, because loading the certificates is slow."""
    context: SSLContext = library.create_ssl_context()
    return context


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        # Happy eyeballs tries several addresses, and reports an error for each.
        several: tuple[BaseException, ...] = getattr(error, "exceptions", ())
        error = several[0] if several else error.__cause__ or error.__context__
    return chain


def _version() -> str:
    try:
        return metadata.version("bitbucket-auth-async")
    except metadata.PackageNotFoundError:
        return "unknown"
