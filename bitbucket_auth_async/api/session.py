"""BitbucketAPI: a thin session for Bitbucket's REST API, whose token renews itself."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import aiohttp

from bitbucket_auth_async.api.errors import RateLimitedError
from bitbucket_auth_async.api.paging import Page, Pages
from bitbucket_auth_async.api.rate_limit import RateLimit
from bitbucket_auth_async.api.request import body_of, send
from bitbucket_auth_async.api.responses import parsed
from bitbucket_auth_async.api.retry_policy import Call, rest_after
from bitbucket_auth_async.api.throttle import Pace
from bitbucket_auth_async.api.urls import PathValue, address, base_url_of
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.bearer.authorization import checked_source
from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.bitbucket.limits import PAGE_LIMIT
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenSource
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, jitter, sleep

_T = TypeVar("_T")

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)


class BitbucketAPI:
    """Bitbucket Cloud's REST API: JSON in and out, lists by the page, typed errors, patience where that is safe.

    Use it as an asynchronous context manager, or call `aclose` at the end. A manager that it was given stays open.
    Paths begin with a slash and may have `{names}`, whose values are quoted: `api.get("/repositories/{workspace}",
    workspace=…)`. A value is a text or a number; a PurePosixPath keeps its slashes.

    Args:
        source: A TokenManager or any other TokenSource; a Token is used as it is, until it expires.
        base_url: Left out, `https://api.bitbucket.org/2.0`, or what the source's server has in its place.
        patience: Seconds for which a call goes on trying after a 429, a 5xx or a lost connection, counted from the
            first of them; 0: it is not sent again. Rests double and are jittered; `Retry-After` is kept, and what asks
            for more than the patience that is left is raised at once.
        limit: A budget that the requests are spread over; hand the same object to all who share it.
        clock: For tests.
        session: Whatever `aiohttp.ClientSession` takes, such as `connector` or `timeout`. By default connecting takes
            10 seconds at most, and no minute passes without a byte.

    Raises:
        ConfigurationError: The source has no token to give, the base URL is neither https nor loopback, the
            patience is no number of seconds, or the limit is no RateLimit.
    """

    def __init__(
        self,
        source: TokenSource | Token,
        *,
        base_url: str | None = None,
        patience: float = 60.0,
        limit: RateLimit | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **session: Any,  # noqa: ANN401 - aiohttp's own, of each release
    ) -> None:
        """Open nothing yet; needs no running loop."""
        if not patience >= 0:
            msg = f"patience is {patience!r}: it takes seconds, 0 or more."
            raise ConfigurationError(msg)
        if limit is not None:
            check("limit", limit, "turn", "quiet", example="a RateLimit, such as RateLimit(1000)")
        self._source = checked_source(StaticToken(source, clock=clock) if isinstance(source, Token) else source)
        server = getattr(source, "server", None)
        self.base_url = base_url_of(base_url, server if isinstance(server, AuthorizationServer) else BITBUCKET_CLOUD)
        self._patience = patience
        self._pace = Pace(limit, clock)
        self._clock = clock
        self._session = session
        self._http: aiohttp.ClientSession | None = None
        self._closed = False
        self._pages = Pages(self.base_url, self._send, partial(self._persist, attempt=self._body))

    @property
    def http(self) -> aiohttp.ClientSession:
        """The authenticated aiohttp session underneath, for whatever this class has no method for.

        Raises:
            ConfigurationError: This session is closed.
        """
        if self._closed:
            msg = "This BitbucketAPI is closed; make another one."
            raise ConfigurationError(msg)
        if self._http is None:
            options = {"timeout": _TIMEOUT, **self._session}
            self._http = authenticated_session(self._source, origins=[self.base_url], **options)
        return self._http

    async def get(self, path: str, /, *, params: Mapping[str, Any] | None = None, **names: PathValue) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON that is at *path*; see `request`."""
        return await self._send(Call("GET", self._at(path, names), params))

    async def post(
        self,
        path: str,
        /,
        *,
        json: Any = None,  # noqa: ANN401 - JSON
        data: Any = None,  # noqa: ANN401 - aiohttp's
        params: Mapping[str, Any] | None = None,
        repeat: bool = False,
        **names: PathValue,
    ) -> Any:  # noqa: ANN401 - JSON
        """Send a body to *path*, and return the JSON that is answered; see `request`."""
        return await self._send(Call("POST", self._at(path, names), params, json, data, repeat))

    async def put(
        self,
        path: str,
        /,
        *,
        json: Any = None,  # noqa: ANN401 - JSON
        data: Any = None,  # noqa: ANN401 - aiohttp's
        params: Mapping[str, Any] | None = None,
        **names: PathValue,
    ) -> Any:  # noqa: ANN401 - JSON
        """Put a body in the place of what is at *path*, and return the JSON that is answered; see `request`."""
        return await self._send(Call("PUT", self._at(path, names), params, json, data))

    async def delete(self, path: str, /, *, params: Mapping[str, Any] | None = None, **names: PathValue) -> Any:  # noqa: ANN401 - JSON
        """Delete what is at *path*; see `request`. Sent again after a lost answer, it may find nothing any more."""
        return await self._send(Call("DELETE", self._at(path, names), params))

    async def request(  # noqa: PLR0913 - what a request has, each by its name
        self,
        method: str,
        path: str,
        /,
        *,
        json: Any = None,  # noqa: ANN401 - JSON
        data: Any = None,  # noqa: ANN401 - aiohttp's
        params: Mapping[str, Any] | None = None,
        repeat: bool = False,
        **names: PathValue,
    ) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON that is answered; None, if the answer is empty.

        Args:
            method: The HTTP method.
            path: Begins with a slash and may have `{names}`; or a whole address from an earlier answer, if it is below
                the base URL.
            json: A body, as JSON.
            data: A body as aiohttp takes it: bytes, a form, an open file, an asynchronous generator. It is streamed.
            params: The query.
            repeat: Send it again after a 429, a 5xx or a lost answer though the API may have acted on it, and the
                method is not idempotent (RFC 9110 section 9.2.2). Those that are, such as PUT, always are sent again.
            names: The values for the path.

        Raises:
            ApiError: The API did not answer with what was asked for; `retryable` tells of an outage.
            MissingScopeError: The token lacks a scope.
            NotFoundError: There is no such thing, or the token may not see it.
            GoneError: The endpoint was taken out of service.
            RateLimitedError: There were too many requests, for longer than the patience lasts.
            NoAnswerError: No whole answer came.
            BitbucketAuthError: There is no token; see TokenManager.get_token.
            ConfigurationError: The path can't be made, or this session is closed.
        """
        return await self._send(Call(method.upper(), self._at(path, names), params, json, data, repeat))

    def paginate(
        self,
        path: str,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        pagelen: int = PAGE_LIMIT,
        prefetch: bool = True,
        **names: PathValue,
    ) -> AsyncGenerator[Any, None]:
        """Return an iterator over all items of a list, from page to page: `async for item in api.paginate(…)`.

        Args:
            path: As in `request`.
            params: The query.
            pagelen: Items on a page, if neither path nor params say it; 100 is the most that is usual.
            prefetch: Whether the next page is fetched while this one is used.
            names: The values for the path.

        Raises:
            ApiError: As in `request`, while iterating; or what came is no list, or goes on elsewhere than in the API.
        """
        return self._pages.items(self._first_page(path, params, pagelen, names), prefetch=prefetch)

    def pages(
        self,
        path: str,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        pagelen: int = PAGE_LIMIT,
        prefetch: bool = True,
        **names: PathValue,
    ) -> AsyncGenerator[Page, None]:
        """Return an iterator over the pages themselves, for what only they tell, such as `size`; see `paginate`."""
        return self._pages.pages(self._first_page(path, params, pagelen, names), prefetch=prefetch)

    @asynccontextmanager
    async def stream(
        self, path: str, /, *, params: Mapping[str, Any] | None = None, **names: PathValue
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Open what is at *path* and give aiohttp's response, to read piece by piece: a file, a diff, a log.

        Errors of the API are raised as in `request`, before there is a response; what is lost while it is read raises
        aiohttp's own.
        """
        call = Call("GET", self._at(path, names), params).checked()
        response = await self._persist(call, attempt=self._open)
        async with response:
            yield response

    async def aclose(self) -> None:
        """Close the connections, and end prefetches that are under way; the source stays as it is."""
        self._closed = True
        await self._pages.aclose()
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> Self:
        """Return the session."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __repr__(self) -> str:
        """Show the base URL and no secret."""
        return f"<BitbucketAPI {self.base_url}>"

    def _at(self, path: str, names: Mapping[str, PathValue]) -> str:
        return address(self.base_url, path, names)

    def _first_page(
        self, path: str, params: Mapping[str, Any] | None, pagelen: int, names: Mapping[str, PathValue]
    ) -> Call:
        url = self._at(path, names)
        query: dict[str, Any] = {} if "pagelen" in parse_qs(urlsplit(url).query) else {"pagelen": pagelen}
        return Call("GET", url, {**query, **(params or {})})

    async def _send(self, call: Call) -> Any:  # noqa: ANN401 - JSON
        return await self._persist(call.checked(), attempt=self._json)

    async def _persist(self, call: Call, *, attempt: Callable[[Call], Awaitable[_T]]) -> _T:
        """Attempt the call until it succeeds, or may not be repeated, or the patience is at its end."""
        attempts, patience, until = 0, self._patience, 0.0
        while True:
            await self._pace.turn(patience)
            try:
                return await attempt(call)
            except BitbucketAuthError as error:
                attempts += 1
                now = self._clock.boot()
                until = now + self._patience if attempts == 1 else until
                rest = rest_after(error, attempts, jitter=jitter())
                if isinstance(error, RateLimitedError):
                    self._pace.refused(error, rest)
                if not call.may_follow(error) or now + rest > until:
                    raise
            await sleep(self._clock, rest)
            patience = until - self._clock.boot()

    async def _open(self, call: Call) -> aiohttp.ClientResponse:
        return await send(self.http, call, now=self._clock.wall)

    async def _body(self, call: Call) -> bytes:
        return await body_of(call, await self._open(call))

    async def _json(self, call: Call) -> Any:  # noqa: ANN401 - JSON
        return parsed(call, await self._body(call))
