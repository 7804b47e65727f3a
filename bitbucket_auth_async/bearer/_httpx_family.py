"""What the bearers for httpx and httpx2 share: everything but the library, whose shape is the same."""

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

Sendable = Any
"""A Request of httpx or of httpx2: classes of one shape, without a common name."""
Answered = Any
"""A Response of either."""

_AUTHORIZATION = "Authorization"
_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}
_CHAIN = "bitbucket_auth_async.bearer"


class BearerFlow:
    """Puts the token on requests to allowed origins, and repeats once what a dead token had refused.

    Nothing is held across a `yield`: the library may resume or close a flow from another task.
    """

    _bytes: ClassVar[type]
    """The library's stream of bytes that are all in memory."""
    _kept: ClassVar[type["Kept"]]
    """The library's stream of what was kept of an answer."""
    _too_long: ClassVar[type[Exception]]
    """The library's error for an answer that can't be read on."""

    def __init__(self, source: TokenSource, *, origins: Iterable[str] | None = None) -> None:
        """Keep the source and who may get its token."""
        self._source = checked_source(source)
        self._allowed = allowed_origins(source, origins)
        self._report = event_reporter(source)
        self._sent = SentRequests()

    async def async_auth_flow(self, request: Sendable) -> AsyncGenerator[Sendable, Answered]:
        """Send the request, with the token where it belongs."""
        if not self._is_allowed(request) or _AUTHORIZATION in request.headers:
            _log.debug("No bearer on a request to %s", request.url.host)
            yield request
            return
        token = await self._source.get_token()
        number, chain = self._sent.add(token), _Chain()
        request.extensions = {**request.extensions, _CHAIN: chain}  # anew: some releases keep the caller's own mapping
        chain.put_on(request, self._sent.header)
        try:
            response = yield request
            if not self._answered(chain, token, number, response):
                return
            other = await self._other(token, number, response)
            if other is None:
                return
            self._report(EventKind.API_REPEATED, API_REPEATED)
            again = response.request  # the hop that was refused, and not what had led there
            chain.put_on(again, authorization_header(other))
            number = self._sent.add(other)
            self._answered(chain, other, number, (yield again))
        finally:
            # Else a request that is sent again would keep the token of the first time, and errors would hold it.
            chain.end()

    def sync_auth_flow(self, request: Sendable) -> Generator[Sendable, Answered]:
        """Refuse: a blocking call can't wait for a renewal that runs on the loop which it blocks.

        Raises:
            ConfigurationError: Always.
        """
        msg = "BearerAuth takes its token from an event loop: use it in an AsyncClient, not in a Client."
        raise ConfigurationError(msg)
        yield request  # makes this a generator, as the library expects

    async def on_hop(self, request: Sendable) -> None:
        """Mind a hop of a redirect, as an event hook of a client: keep the token where all hops were allowed ones."""
        chain = request.extensions.get(_CHAIN)
        if chain is None:
            return
        chain.requests.append(request)
        chain.strayed = chain.strayed or not self._is_allowed(request)
        if chain.strayed:
            chain.take_off(request)
        elif _AUTHORIZATION not in request.headers:
            chain.put_on(request, chain.header)

    def _is_allowed(self, request: Sendable) -> bool:
        url = request.url
        return (url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS.get(url.scheme)) in self._allowed

    def _answered(self, chain: "_Chain", token: Token, number: int, response: Answered) -> bool:
        """Note the answer, and tell whether it refuses the token; one that the last hop did not carry it is not."""
        chain.follow(response)
        if response.request.headers.get(_AUTHORIZATION) != chain.header:
            return False
        self._sent.answered(token, number, response.status_code)
        return bool(response.status_code == UNAUTHORIZED)

    async def _other(self, token: Token, number: int, response: Answered) -> Token | None:
        """Return the token with which to repeat; None: the 401 is the answer, and can be read as if untouched."""
        self._report(EventKind.API_REFUSED, API_REFUSED)
        kept, error = await self._let_go(response)
        if self._sent.still_accepted(token, number):
            other = await self._source.get_token(rejected=token, still_accepted=True)
        else:
            other = await self._source.get_token(rejected=token)
        if other.access_token == token.access_token or not self._can_be_sent_again(response.request.stream):
            if kept is not None:
                response.stream = self._kept(kept, error)
            return None
        if kept is not None:  # the library reads to its end what nobody will look at
            response.headers.pop("Content-Encoding", None)
            response.stream = self._kept(b"", None)
        return other

    async def _let_go(self, response: Answered) -> tuple[bytes | None, Exception | None]:
        """Give the connection back before a renewal is waited for; return the body, and what kept it from its end."""
        if response.is_closed:  # somebody's hook has read it
            return None, None
        stream, read = response.stream, bytearray()
        try:
            async for piece in stream:
                read += piece
                if len(read) > BODY_LIMIT:
                    return bytes(read[:BODY_LIMIT]), self._too_long(
                        f"The body of the 401 is longer than {BODY_LIMIT} bytes."
                    )
        except Exception as error:  # noqa: BLE001  - raised again for the caller who reads
            return bytes(read), error
        finally:
            await stream.aclose()
        return bytes(read), None

    def _can_be_sent_again(self, body: object) -> bool:
        """Tell whether the body is known to give the same bytes again."""
        if isinstance(body, self._bytes):
            return True
        # A multipart form, which the library does not export; it rewinds the files that it can rewind.
        fields: list[Any] | None = getattr(body, "fields", None)
        return fields is not None and all(_gives_itself_again(field) for field in fields)


class _Chain:
    """The hops of one request, which the library follows below the flow; they share `request.extensions`."""

    __slots__ = ("_headers", "header", "requests", "strayed")

    def __init__(self) -> None:
        self.header = ""
        self.strayed = False
        self._headers: list[str] = []
        self.requests: list[Sendable] = []

    def put_on(self, request: Sendable, header: str) -> None:
        """Put the token on a request, and remember where it is."""
        self.header = request.headers[_AUTHORIZATION] = header
        self._headers.append(header)
        self.requests.append(request)

    def follow(self, response: Answered) -> None:
        """Learn of the hops that there were: the library has copied the token along."""
        self.requests += [*(hop.request for hop in response.history), response.request]
        if response.next_request is not None:
            self.requests.append(response.next_request)

    def end(self) -> None:
        """Take the token off all of them, and forget them: one that is sent again is a request of its own."""
        for request in self.requests:
            self.take_off(request)
            request.extensions.pop(_CHAIN, None)
        self.requests.clear()

    def take_off(self, request: Sendable) -> None:
        """Take the token off; what a hook of somebody has put there instead stays."""
        if request.headers.get(_AUTHORIZATION) in self._headers:
            request.headers.pop(_AUTHORIZATION, None)


def _gives_itself_again(field: Any) -> bool:  # noqa: ANN401  - the library's own, which it does not export
    file = getattr(field, "file", b"")
    return isinstance(file, bytes | str) or (not file.closed and file.seekable())


class Kept:
    """What was kept of an answer, as a stream; it ends as the answer ended."""

    def __init__(self, body: bytes, error: Exception | None) -> None:
        """Keep the bytes, and what kept them from being whole."""
        self._body = body
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes, and then raise what kept them from being whole."""
        yield self._body
        if self._error is not None:
            raise self._error


def with_hop_hook(bearer: BearerFlow, event_hooks: Mapping[str, list[Any]] | None) -> dict[str, list[Any]]:
    """Return the caller's event hooks, with the bearer's own after them."""
    hooks = dict(event_hooks or {})
    return {**hooks, "request": [*hooks.get("request", []), bearer.on_hop]}
