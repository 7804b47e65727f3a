"""BearerFlow: the code of the bearers for httpx and httpx2, whose libraries have the same API."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping
from typing import Any, ClassVar

from bitbucket_auth_async.bearer._sent_requests import (
    API_REFUSED,
    API_REPEATED,
    BODY_LIMIT,
    SentRequests,
    event_reporter,
)
from bitbucket_auth_async.bearer.authorization import (
    UNAUTHORIZED,
    allowed_origins,
    authorization_header,
    checked_source,
)
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.telemetry.events import EventKind

_log = logging.getLogger(__name__)

AnyRequest = Any
"""A Request of httpx or httpx2: two classes with the same attributes and no common base."""
AnyResponse = Any
"""A Response of httpx or httpx2."""

_AUTHORIZATION = "Authorization"
_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}
_CHAIN_KEY = "bitbucket_auth_async.bearer"


class BearerFlow:
    """Adds the token to requests to allowed origins, and repeats a request once after a 401.

    No lock or context is held across a `yield`: the library may resume or close a flow from another task.
    """

    _byte_stream: ClassVar[type]
    """The library's stream for bytes in memory."""
    _buffered_body: ClassVar[type["BufferedBody"]]
    """BufferedBody in the library's stream type."""
    _read_error: ClassVar[type[Exception]]
    """The library's error for a response that can't be read further."""

    def __init__(self, source: TokenSource, *, origins: Iterable[str] | None = None) -> None:
        """Store the source and the origins that may receive its token."""
        self._source = checked_source(source)
        self._allowed = allowed_origins(source, origins)
        self._report = event_reporter(source)
        self._sent = SentRequests()

    async def async_auth_flow(self, request: AnyRequest) -> AsyncGenerator[AnyRequest, AnyResponse]:
        """Send the request, with the token if its origin is allowed."""
        if not self._is_allowed(request) or _AUTHORIZATION in request.headers:
            _log.debug("No bearer on a request to %s", request.url.host)
            yield request
            return
        token = await self._source.get_token()
        number, chain = self._sent.add(token), _RedirectChain()
        request.extensions = {
            **request.extensions,
            _CHAIN_KEY: chain,
        }  # a copy: some releases keep the caller's mapping
        chain.add_token(request, self._sent.header)
        try:
            response = yield request
            if not self._record_response(chain, token, number, response):
                return
            other = await self._replacement(token, number, response)
            if other is None:
                return
            self._report(EventKind.API_REPEATED, API_REPEATED)
            again = response.request  # the refused hop, not the request that was redirected to it
            chain.add_token(again, authorization_header(other))
            number = self._sent.add(other)
            self._record_response(chain, other, number, (yield again))
        finally:
            # A request object that is sent again must not keep the old token, and errors must not show it.
            chain.end()

    def sync_auth_flow(self, request: AnyRequest) -> Generator[AnyRequest, AnyResponse]:
        """Refuse: a blocking call can't wait for a renewal in the event loop that it blocks.

        Raises:
            ConfigurationError: Always.
        """
        msg = "BearerAuth needs an event loop: use it with AsyncClient, not with Client."
        raise ConfigurationError(msg)
        yield request  # makes this a generator, as the library requires

    async def on_hop(self, request: AnyRequest) -> None:
        """Handle a redirect hop, as an event hook of a client: the token stays while all hops are allowed."""
        chain = request.extensions.get(_CHAIN_KEY)
        if chain is None:
            return
        chain.requests.append(request)
        chain.left_origins = chain.left_origins or not self._is_allowed(request)
        if chain.left_origins:
            chain.remove_token(request)
        elif _AUTHORIZATION not in request.headers:
            chain.add_token(request, chain.header)

    def _is_allowed(self, request: AnyRequest) -> bool:
        url = request.url
        return (url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS.get(url.scheme)) in self._allowed

    def _record_response(self, chain: "_RedirectChain", token: Token, number: int, response: AnyResponse) -> bool:
        """Record the response, and return whether it refuses the token; it can't if the last hop did not carry it."""
        chain.follow(response)
        if response.request.headers.get(_AUTHORIZATION) != chain.header:
            return False
        self._sent.answered(token, number, response.status_code)
        return bool(response.status_code == UNAUTHORIZED)

    async def _replacement(self, token: Token, number: int, response: AnyResponse) -> Token | None:
        """Return the token to repeat the request with; None: the caller gets the 401, with a readable body."""
        self._report(EventKind.API_REFUSED, API_REFUSED)
        body, error = await self._release_connection(response)
        if self._sent.still_accepted(token, number):
            other = await self._source.get_token(rejected=token, still_accepted=True)
        else:
            other = await self._source.get_token(rejected=token)
        if other.access_token == token.access_token or not self._can_be_sent_again(response.request.stream):
            if body is not None:
                response.stream = self._buffered_body(body, error)
            return None
        if body is not None:  # the library reads the discarded body to its end
            response.headers.pop("Content-Encoding", None)
            response.stream = self._buffered_body(b"", None)
        return other

    async def _release_connection(self, response: AnyResponse) -> tuple[bytes | None, Exception | None]:
        """Read the body to release the connection before the renewal; return it with the error that cut it off."""
        if response.is_closed:  # a hook of the caller has read it
            return None, None
        stream, read = response.stream, bytearray()
        try:
            async for piece in stream:
                read += piece
                if len(read) > BODY_LIMIT:
                    return bytes(read[:BODY_LIMIT]), self._read_error(
                        f"The body of the 401 is longer than {BODY_LIMIT} bytes."
                    )
        except Exception as error:  # noqa: BLE001  - raised again when the caller reads
            return bytes(read), error
        finally:
            await stream.aclose()
        return bytes(read), None

    def _can_be_sent_again(self, body: object) -> bool:
        """Return whether the body is sure to give the same bytes again."""
        if isinstance(body, self._byte_stream):
            return True
        # A multipart form, a class that the library does not export; it rewinds seekable files.
        fields: list[Any] | None = getattr(body, "fields", None)
        return fields is not None and all(_can_be_rewound(field) for field in fields)


class _RedirectChain:
    """The redirect hops of one request, found through the `request.extensions` that they share."""

    __slots__ = ("_headers", "header", "left_origins", "requests")

    def __init__(self) -> None:
        self.header = ""
        self.left_origins = False
        self._headers: list[str] = []
        self.requests: list[AnyRequest] = []

    def add_token(self, request: AnyRequest, header: str) -> None:
        """Add the token to a request, and remember the request."""
        self.header = request.headers[_AUTHORIZATION] = header
        self._headers.append(header)
        self.requests.append(request)

    def follow(self, response: AnyResponse) -> None:
        """Add the hops that a response shows: the library has copied the token to them."""
        self.requests += [*(hop.request for hop in response.history), response.request]
        if response.next_request is not None:
            self.requests.append(response.next_request)

    def end(self) -> None:
        """Remove the token from all hops, and forget them: a request object that is sent again starts a new chain."""
        for request in self.requests:
            self.remove_token(request)
            request.extensions.pop(_CHAIN_KEY, None)
        self.requests.clear()

    def remove_token(self, request: AnyRequest) -> None:
        """Remove the token; a header that a hook of the caller has set stays."""
        if request.headers.get(_AUTHORIZATION) in self._headers:
            request.headers.pop(_AUTHORIZATION, None)


def _can_be_rewound(field: Any) -> bool:  # noqa: ANN401  - the library's own, which it does not export
    file = getattr(field, "file", b"")
    return isinstance(file, bytes | str) or (not file.closed and file.seekable())


class BufferedBody:
    """The body of a response in memory, as a stream that ends with the same error, if any."""

    def __init__(self, body: bytes, error: Exception | None) -> None:
        """Store the bytes, and the error that ended the response."""
        self._body = body
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes, then raise the error."""
        yield self._body
        if self._error is not None:
            raise self._error


def with_hop_hook(bearer: BearerFlow, event_hooks: Mapping[str, list[Any]] | None) -> dict[str, list[Any]]:
    """Return the caller's event hooks followed by the bearer's."""
    hooks = dict(event_hooks or {})
    return {**hooks, "request": [*hooks.get("request", []), bearer.on_hop]}
