"""authenticated_session and BearerMiddleware: add the token to requests made with aiohttp."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
from aiohttp import hdrs
from aiohttp.base_protocol import BaseProtocol

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
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.telemetry.events import EventKind

_log = logging.getLogger(__name__)


def authenticated_session(
    source: TokenSource,
    *,
    origins: Iterable[str] | None = None,
    **session: Any,  # noqa: ANN401  - aiohttp's own, of each release
) -> aiohttp.ClientSession:
    """Return an aiohttp session whose requests carry the source's token; close it like any other.

    Args:
        source: A TokenManager, or another TokenSource.
        origins: The origins that may receive the token, as in BearerMiddleware.
        session: Arguments of `aiohttp.ClientSession`. Your own `middlewares` wrap ours: they see each request without
            the token, and a request that they repeat gets the token of that moment.
    """
    bearer = BearerMiddleware(source, origins=origins)
    return aiohttp.ClientSession(middlewares=(*(session.pop("middlewares", None) or ()), bearer), **session)


class BearerMiddleware:
    """Adds the token to each request to an allowed origin, and repeats a request once after a 401.

    No other origin receives the token. A redirect that leaves the allowed origins loses it for good, even if it comes
    back. The token is removed from the request after the response, so that `repr(ClientResponseError)` does not show
    it. A request with its own Authorization header (yours, from the URL, or with `trust_env` from `.netrc`) is left
    unchanged. `middlewares=` of a single request replaces the session's, including this one.

    The caller gets the 401 only if there is no other token, if the other token is refused too, or if the body can't be
    sent again: generators, pipes, and files whose upload the server cut short. Errors of the source are raised
    unchanged.

    Args:
        source: A TokenManager, or another TokenSource.
        origins: The origins that may receive the token, such as `https://api.bitbucket.org`; plain http on loopback
            addresses only. By default the `api_origins` of the source's server, or those of Bitbucket Cloud.

    Raises:
        ConfigurationError: The source has no `get_token`, or an origin is neither https nor loopback.
    """

    def __init__(self, source: TokenSource, *, origins: Iterable[str] | None = None) -> None:
        """Store the source and the origins that may receive its token."""
        self._source = checked_source(source)
        self._allowed = allowed_origins(source, origins)
        self._report = event_reporter(source)
        self._sent = SentRequests()
        # aiohttp does not tell which request a redirect hop belongs to, but all hops of a request share its timer. It
        # keeps the redirect responses, and through them the timer, alive until the request ends. An entry therefore
        # lives exactly as long as further hops may come.
        self._strayed: WeakValueDictionary[int, aiohttp.ClientResponse] = WeakValueDictionary()
        self._has_strayed = False  # skips the slow weak dictionary until it has had an entry

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request, with the token if its origin is allowed."""
        url, headers = request.url, request.headers
        if (
            (url.scheme, url.raw_host, url.port) not in self._allowed
            or hdrs.AUTHORIZATION in headers
            or (self._has_strayed and _timer_id(request) in self._strayed)
        ):
            return await self._send_without_token(request, handler)
        token = await self._source.get_token()
        number = self._sent.add(token)
        # `_send_with_token` inlined: another coroutine would slow every request.
        headers[hdrs.AUTHORIZATION] = self._sent.header
        try:
            response = await handler(request)
        finally:
            headers.popall(hdrs.AUTHORIZATION, None)
        self._sent.answered(token, number, response.status)
        if response.status != UNAUTHORIZED:
            return response
        return await self._renew_and_repeat(token, number, response, request, handler)

    async def _send_without_token(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        _log.debug("No bearer on a request to %s", request.url.raw_host)
        response = await handler(request)
        if 300 <= response.status < 400:  # noqa: PLR2004  - RFC 9110 section 15.4: a redirect
            self._strayed[_timer_id(request)] = response
            self._has_strayed = True
        return response

    async def _send_with_token(
        self, token: Token, number: int, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers[hdrs.AUTHORIZATION] = authorization_header(token)
        try:
            response = await handler(request)
        finally:
            request.headers.popall(hdrs.AUTHORIZATION, None)
        self._sent.answered(token, number, response.status)
        return response

    async def _renew_and_repeat(
        self,
        token: Token,
        number: int,
        response: aiohttp.ClientResponse,
        request: aiohttp.ClientRequest,
        handler: aiohttp.ClientHandlerType,
    ) -> aiohttp.ClientResponse:
        uploaded = response._writer is None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - no public API shows it
        self._report(EventKind.API_REFUSED, API_REFUSED)
        await _release_connection(response, uploaded=uploaded)
        if self._sent.still_accepted(token, number):
            other = await self._source.get_token(rejected=token, still_accepted=True)
        else:
            other = await self._source.get_token(rejected=token)
        if other.access_token == token.access_token or not _can_be_sent_again(request.body, uploaded=uploaded):
            return response
        self._report(EventKind.API_REPEATED, API_REPEATED)
        # The first attempt consumed the future for "100 Continue"; aiohttp creates a new one if the header is set.
        request.update_expect_continue()
        return await self._send_with_token(other, self._sent.add(other), request, handler)


def _timer_id(request: aiohttp.ClientRequest) -> int:
    # If aiohttp ever removes it, redirects without bearer fail with an error, and no token leaks.
    return id(request._timer)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - only this is shared by all hops


def _can_be_sent_again(body: aiohttp.Payload | bytes, *, uploaded: bool) -> bool:
    """Return whether the body is sure to give the same bytes again; *uploaded*: it was written completely."""
    match body:
        case bytes() | aiohttp.BytesPayload():
            return True
        case aiohttp.MultipartWriter():
            return all(_can_be_sent_again(part, uploaded=uploaded) for part, _, _ in body)
        case aiohttp.payload.IOBasePayload():
            # A thread may still read the file for an upload that was cut short. `consumed` does not cover files that
            # know their position but can't return to it.
            file = body._value  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - no public API gives the file
            return uploaded and not body.consumed and not file.closed and file.seekable()
        case _:
            return False


async def _release_connection(response: aiohttp.ClientResponse, *, uploaded: bool) -> None:
    """Read the body into memory to release the connection before the renewal; the caller can still read the body."""
    if response.connection is None:
        return
    try:
        body = await _read(response.content)
    except BaseException as error:
        stream_failed = response.content.exception() is not None
        response.close()
        if stream_failed and isinstance(error, Exception):
            # The stream raises it again when the caller reads.
            return
        raise
    content = aiohttp.StreamReader(BaseProtocol(asyncio.get_running_loop()), BODY_LIMIT)
    content.feed_data(body[:BODY_LIMIT])
    if len(body) > BODY_LIMIT:
        response.close()
        content.set_exception(aiohttp.ClientPayloadError(f"The body of the 401 is longer than {BODY_LIMIT} bytes."))
    elif not uploaded and response.connection is not None:
        # The server may still wait for the rest of the body, and would take the next request for it.
        response.connection.close()
    content.feed_eof()
    response.content = content


async def _read(content: aiohttp.StreamReader) -> bytes:
    read = bytearray()
    while len(read) <= BODY_LIMIT and (piece := await content.readany()):
        read += piece
    return bytes(read)
