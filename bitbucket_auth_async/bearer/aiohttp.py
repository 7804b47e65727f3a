"""authenticated_session and BearerMiddleware: the token on requests made with aiohttp."""

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
    """Return an aiohttp session whose requests carry the source's token; close it as any other.

    Args:
        source: A TokenManager, or anything else that has a token to give.
        origins: Who may get the token, as in BearerMiddleware.
        session: Whatever `aiohttp.ClientSession` takes. Your own `middlewares` wrap ours: they see each request before
            the token is on it, and what they send again gets the token of that moment.
    """
    bearer = BearerMiddleware(source, origins=origins)
    return aiohttp.ClientSession(middlewares=(*(session.pop("middlewares", None) or ()), bearer), **session)


class BearerMiddleware:
    """Puts the token on each request to an allowed origin, and repeats once what a dead token had refused.

    The token goes to no other origin, nor along a redirect that left the allowed ones, even if it comes back. It is
    taken off the request again once the answer is here, so that `repr(ClientResponseError)` does not show it. A
    request that has an Authorization header (yours, from the address, or with `trust_env` from `.netrc`) is left as it
    is. `middlewares=` of a single request replaces a session's, and so leaves the bearer out.

    A 401 is given to the caller only if there is no other token to be had, if the other one was refused too, or if the
    body can't be sent again: generators, pipes, and files whose upload the server cut short. Errors of the source are
    raised as they are.

    Args:
        source: A TokenManager, or anything else that has a token to give.
        origins: Who may get the token, such as `https://api.bitbucket.org`; plain http on loopback addresses alone.
            Left out, it is what the source's server names as `api_origins`, or Bitbucket Cloud's.

    Raises:
        ConfigurationError: The source has no token to give, or an origin is neither https nor loopback.
    """

    def __init__(self, source: TokenSource, *, origins: Iterable[str] | None = None) -> None:
        """Keep the source and who may get its token."""
        self._source = checked_source(source)
        self._allowed = allowed_origins(source, origins)
        self._report = event_reporter(source)
        self._sent = SentRequests()
        # aiohttp does not say where a hop of a redirect came from. But all hops of one request share its timer, and
        # the redirects that it followed are kept alive, with that timer, until it ends. So an entry lasts exactly as
        # long as its request may have hops to come, whatever else runs at the same time.
        self._strayed: WeakValueDictionary[int, aiohttp.ClientResponse] = WeakValueDictionary()
        self._has_strayed = False  # asking a weak dictionary each time is what a request would feel

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request, with the token where it belongs."""
        url, headers = request.url, request.headers
        if (
            (url.scheme, url.raw_host, url.port) not in self._allowed
            or hdrs.AUTHORIZATION in headers
            or (self._has_strayed and _timer_id(request) in self._strayed)
        ):
            return await self._without(request, handler)
        token = await self._source.get_token()
        number = self._sent.add(token)
        # `_with`, written out: every request passes here, and another coroutine is what it would feel.
        headers[hdrs.AUTHORIZATION] = self._sent.header
        try:
            response = await handler(request)
        finally:
            headers.popall(hdrs.AUTHORIZATION, None)
        self._sent.answered(token, number, response.status)
        if response.status != UNAUTHORIZED:
            return response
        return await self._refused(token, number, response, request, handler)

    async def _without(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        _log.debug("No bearer on a request to %s", request.url.raw_host)
        response = await handler(request)
        if 300 <= response.status < 400:  # noqa: PLR2004  - RFC 9110 section 15.4: a redirect
            self._strayed[_timer_id(request)] = response
            self._has_strayed = True
        return response

    async def _with(
        self, token: Token, number: int, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers[hdrs.AUTHORIZATION] = authorization_header(token)
        try:
            response = await handler(request)
        finally:
            request.headers.popall(hdrs.AUTHORIZATION, None)
        self._sent.answered(token, number, response.status)
        return response

    async def _refused(
        self,
        token: Token,
        number: int,
        response: aiohttp.ClientResponse,
        request: aiohttp.ClientRequest,
        handler: aiohttp.ClientHandlerType,
    ) -> aiohttp.ClientResponse:
        uploaded = response._writer is None  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - nothing public tells
        self._report(EventKind.API_REFUSED, API_REFUSED)
        await _let_go(response, uploaded=uploaded)
        if self._sent.still_accepted(token, number):
            other = await self._source.get_token(rejected=token, still_accepted=True)
        else:
            other = await self._source.get_token(rejected=token)
        if other.access_token == token.access_token or not _can_be_sent_again(request.body, uploaded=uploaded):
            return response
        self._report(EventKind.API_REPEATED, API_REPEATED)
        # The first attempt used up what waits for "100 Continue"; aiohttp makes it anew where the header is there.
        request.update_expect_continue()
        return await self._with(other, self._sent.add(other), request, handler)


def _timer_id(request: aiohttp.ClientRequest) -> int:
    # If aiohttp ever drops it, each redirect without bearer fails loudly, and no token strays.
    return id(request._timer)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the one thing all hops share


def _can_be_sent_again(body: aiohttp.Payload | bytes, *, uploaded: bool) -> bool:
    """Tell whether the body is known to give the same bytes again; *uploaded*: the whole of it had been written."""
    match body:
        case bytes() | aiohttp.BytesPayload():
            return True
        case aiohttp.MultipartWriter():
            return all(_can_be_sent_again(part, uploaded=uploaded) for part, _, _ in body)
        case aiohttp.payload.IOBasePayload():
            # A thread may still be reading for an upload that was cut short. `consumed` alone does not tell of files
            # that know their position but can't go back to it.
            file = body._value  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - nothing public gives the file
            return uploaded and not body.consumed and not file.closed and file.seekable()
        case _:
            return False


async def _let_go(response: aiohttp.ClientResponse, *, uploaded: bool) -> None:
    """Give the connection back before a renewal is waited for; the caller can still read what the server said."""
    if response.connection is None:
        return
    try:
        body = await _read(response.content)
    except BaseException as error:
        kept = response.content.exception() is not None
        response.close()
        if kept and isinstance(error, Exception):
            # The stream raises it again for the caller who reads.
            return
        raise
    content = aiohttp.StreamReader(BaseProtocol(asyncio.get_running_loop()), BODY_LIMIT)
    content.feed_data(body[:BODY_LIMIT])
    if len(body) > BODY_LIMIT:
        response.close()
        content.set_exception(aiohttp.ClientPayloadError(f"The body of the 401 is longer than {BODY_LIMIT} bytes."))
    elif not uploaded and response.connection is not None:
        # The server may still wait for the rest of the body: what is sent next would be taken for it.
        response.connection.close()
    content.feed_eof()
    response.content = content


async def _read(content: aiohttp.StreamReader) -> bytes:
    read = bytearray()
    while len(read) <= BODY_LIMIT and (piece := await content.readany()):
        read += piece
    return bytes(read)
