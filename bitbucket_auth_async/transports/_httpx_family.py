"""What HttpxTransport and Httpx2Transport share: everything but the library, whose shape is the same."""

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
    """A body that remembers whether it was begun to be sent: until then the server can't have acted on it.

    A process that was stopped, or a machine that slept, for longer than the request may take does not begin: somebody
    else may have sent the same request by then.
    """

    def __init__(self, value: bytes, seconds: float) -> None:
        """Keep the bytes, and the last moment at which they may leave."""
        self._value = value
        self._latest = SYSTEM_CLOCK.boot() + seconds
        self.begun = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes if there is still time, and remember.

        Raises:
            TimeoutError: There is none.
        """
        if SYSTEM_CLOCK.boot() > self._latest:
            raise TimeoutError
        self.begun = True
        yield self._value


class HttpxFamilyTransport:
    """Sends requests to a token endpoint, each over a connection of its own.

    So callers who hold every connection of their own client can't starve a renewal; nothing is bound to an event loop
    or copied by a fork; nothing is left open; and a request never dies on a kept connection that the server had just
    closed, which could not be told from one that it had processed. It sends below a client: no redirect is followed,
    and no cookie, hook, `auth=` or `.netrc` goes along.
    """

    _library: ClassVar[ModuleType]
    _body: ClassVar[type[Body]]

    def __init__(  # noqa: PLR0913  - each is one setting of the wire, and only the first is positional
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
        """Keep the settings; nothing is opened before the first request."""
        self._transport = transport
        self._proxy = proxy
        self._ssl = ssl
        self._trust_env = trust_env
        self._timeout = timeout
        # The whole is bounded by `within`, which also covers the closing.
        self._phases = {"connect": connect_timeout, "read": None, "write": None, "pool": None}
        self._answer_limit = answer_limit
        self._defaults: Mapping[str, str] = {
            "User-Agent": f"bitbucket-auth-async/{_version()}",
            "Accept-Encoding": "identity",
            # Not to a transport of the caller: it may speak HTTP/2, where this header is an error.
            **({"Connection": "close"} if transport is None else {}),
        }

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109  - the port says so
        """Return the answer, whatever its status; never follow a redirect; read 1 MiB at most.

        Raises:
            TransportError: No whole answer within *timeout* seconds; its `sent` is False only if nothing of the body
                had left yet, so that the server can't have acted on it.
            ConfigurationError: The address, a header, the proxy or the given transport can't be used at all.
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
            failure = self._failure(error, where, sent=body.begun, seconds=seconds)
        # Raised out here, so that no traceback shows the cause: its errors hold the request, headers and all.
        raise failure

    async def aclose(self) -> None:
        """Do nothing: no connection outlives its request, and the caller's transport is the caller's to close."""

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
                extensions["trace"] = partial(_close_in_the_end, opened)
            response = await transport.handle_async_request(outgoing)
            opened.push_async_callback(response.aclose)
            # Read below the response, which would undo a content coding without a bound.
            raw = await self._read(response.stream)
            plain = decoded(raw, response.headers.get("content-encoding", ""), limit=self._answer_limit)
            # A name that comes twice is joined by a comma, as RFC 9110 section 5.3 has it.
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
            return TransportError(f"The answer of {where} can't be used: {error}.", sent=sent)
        unusable = (library.InvalidURL, library.UnsupportedProtocol, library.LocalProtocolError)
        mistaken = isinstance(error, ValueError | RuntimeError) and not isinstance(error, OSError)
        if not sent and (mistaken or isinstance(error, unusable)):
            return ConfigurationError(
                "The request can't be made as it is configured: look at the address of the token endpoint, the proxy, "
                f"the headers and the transport, which serves one event loop ({type(error).__name__})."
            )
        broken = isinstance(error, library.NetworkError | library.RemoteProtocolError | OSError)
        return TransportError(
            f"No whole answer from {where}: {self._reason(error, seconds)}.",
            sent=sent,
            broken=broken and not isinstance(error, TimeoutError),
        )

    def _reason(self, error: Exception, seconds: float) -> str:
        """Say what went wrong in words that hold nothing of the request."""
        library = self._library
        if isinstance(error, library.ConnectTimeout):
            return "no connection in time"
        if isinstance(error, TimeoutError):
            return f"nothing within {seconds:g} seconds"
        if isinstance(error, library.ProxyError):
            status = str(error)[:3]
            return f"the proxy answered {status}" if status.isdecimal() else "the proxy can't be used"
        for cause in _chain(error):
            if isinstance(cause, tls.SSLCertVerificationError):
                return f"its certificate is not accepted ({cause.verify_message})"
            if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, tls.SSLError):
                return f"{type(error).__name__} ({cause.strerror})"
        return type(error).__name__


async def _close_in_the_end(opened: AsyncExitStack, name: str, told: Mapping[str, Any]) -> None:
    """Mind the socket itself: the library forgets it if it is cancelled in the middle of a TLS handshake."""
    if name == "connection.connect_tcp.complete":
        opened.push_async_callback(told["return_value"].aclose)


def _host(url: str) -> str:
    host = urlsplit(url).hostname
    if not host:
        msg = "an address without a host"
        raise ValueError(msg)
    return host


@cache
def _default_context(library: ModuleType) -> SSLContext:
    """Trust whom the library trusts; loading the certificates takes a while, so it is done once."""
    context: SSLContext = library.create_ssl_context()
    return context


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        # Happy eyeballs tries several addresses, and tells of each.
        several: tuple[BaseException, ...] = getattr(error, "exceptions", ())
        error = several[0] if several else error.__cause__ or error.__context__
    return chain


def _version() -> str:
    try:
        return metadata.version("bitbucket-auth-async")
    except metadata.PackageNotFoundError:
        return "unknown"
