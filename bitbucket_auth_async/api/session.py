"""BitbucketAPI: a thin session for Bitbucket's REST API; its token renews itself."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import aiohttp

from bitbucket_auth_async.api.paging import Page, Paginator
from bitbucket_auth_async.api.rate_limit import RateLimit
from bitbucket_auth_async.api.request import ApiRequest
from bitbucket_auth_async.api.responses import parse_json
from bitbucket_auth_async.api.retry_loop import RetryLoop
from bitbucket_auth_async.api.send import read_json_bytes, send
from bitbucket_auth_async.api.urls import PathValue, base_url_of, build_url
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.bearer.authorization import checked_source
from bitbucket_auth_async.bearer.static_credentials import StaticToken
from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.bitbucket.limits import PAGE_LIMIT
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Clock, TokenSource
from bitbucket_auth_async.runtime.argument_checks import check
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)


class BitbucketAPI:
    """Bitbucket Cloud's REST API: JSON in and out, paging, typed errors, and retries where they are safe.

    Use it as an asynchronous context manager, or call `aclose` at the end. It does not close a TokenManager.
    Paths begin with a slash and may have `{names}`, whose values are quoted: `api.get("/repositories/{workspace}",
    workspace=…)`. A value is text or a number; a PurePosixPath keeps its slashes.

    Args:
        source: A TokenManager or any other TokenSource; a Token is used unchanged until it expires.
        base_url: By default the API of the source's server, else `https://api.bitbucket.org/2.0`.
        patience: Seconds for which a request is retried after its first 429, 5xx or lost connection; 0: no retry.
            Delays double and are jittered, and `Retry-After` is kept; a delay beyond the patience raises at once.
        limit: A budget to spread the requests over; pass the same object to all sessions that share it.
        clock: For tests.
        session: Further arguments of `aiohttp.ClientSession`, such as `connector` or `timeout`. By default connecting
            may take 10 seconds, and the pause between two bytes a minute.

    Raises:
        ConfigurationError: The source is not a TokenSource, the base URL is neither https nor on loopback, the
            patience is negative or not a number, or the limit is not a RateLimit.
    """

    def __init__(
        self,
        source: TokenSource | Token,
        *,
        base_url: str | None = None,
        patience: float = 60.0,
        limit: RateLimit | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **session: Any,  # noqa: ANN401 - aiohttp's own arguments, which differ by release
    ) -> None:
        """Open nothing yet; this needs no running loop."""
        if not patience >= 0:
            msg = f"patience is {patience!r}. Give seconds, 0 or more."
            raise ConfigurationError(msg)
        if limit is not None:
            check("limit", limit, "turn", "cooldown", example="a RateLimit, such as RateLimit(1000)")
        self._source = checked_source(StaticToken(source, clock=clock) if isinstance(source, Token) else source)
        server = getattr(source, "server", None)
        self.base_url = base_url_of(base_url, server if isinstance(server, AuthorizationServer) else BITBUCKET_CLOUD)
        self._retries = RetryLoop(patience, limit, clock)
        self._clock = clock
        self._session = session
        self._http: aiohttp.ClientSession | None = None
        self._closed = False
        self._paginator = Paginator(self.base_url, self._send, partial(self._retries.run, attempt=self._get_bytes))

    @property
    def http(self) -> aiohttp.ClientSession:
        """The authenticated aiohttp session underneath, for everything that this class has no method for.

        Raises:
            ConfigurationError: This session is closed.
        """
        if self._closed:
            msg = "This BitbucketAPI is closed. Create a new one."
            raise ConfigurationError(msg)
        if self._http is None:
            options = {"timeout": _TIMEOUT, **self._session}
            self._http = authenticated_session(self._source, origins=[self.base_url], **options)
        return self._http

    async def get(self, path: str, /, *, params: Mapping[str, Any] | None = None, **names: PathValue) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON at *path*; see `request`."""
        return await self._send(ApiRequest("GET", self._url(path, names), params))

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
        """Post a body to *path* and return the JSON of the response; see `request`."""
        return await self._send(ApiRequest("POST", self._url(path, names), params, json, data, repeat))

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
        """Replace the resource at *path* and return the JSON of the response; see `request`."""
        return await self._send(ApiRequest("PUT", self._url(path, names), params, json, data))

    async def delete(self, path: str, /, *, params: Mapping[str, Any] | None = None, **names: PathValue) -> Any:  # noqa: ANN401 - JSON
        """Delete the resource at *path*; see `request`. A retry after a lost response may raise NotFoundError."""
        return await self._send(ApiRequest("DELETE", self._url(path, names), params))

    async def request(  # noqa: PLR0913 - the parts of a request, each by its name
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
        """Return the JSON of the response, or None if its body is empty.

        Args:
            method: The HTTP method.
            path: Begins with a slash and may have `{names}`; or an absolute URL from an earlier response, below the
                base URL.
            json: A body, as JSON.
            data: A body as aiohttp takes it: bytes, a form, an open file, an asynchronous generator. It is streamed.
            params: The query.
            repeat: Retry a method that is not idempotent (RFC 9110 section 9.2.2), such as POST, although the API may
                have acted on the first request. Idempotent methods, such as PUT, are always retried.
            names: The values for the path.

        Raises:
            ApiError: The API returned an error; it is `retryable` in an outage.
            MissingScopeError: The token lacks a scope.
            NotFoundError: The resource does not exist, or the token may not see it.
            GoneError: Bitbucket has removed the endpoint.
            RateLimitedError: There were too many requests for longer than the patience.
            NoAnswerError: No complete response came.
            BitbucketAuthError: There is no token; see TokenManager.get_token.
            ConfigurationError: The path is invalid, or this session is closed.
        """
        return await self._send(ApiRequest(method.upper(), self._url(path, names), params, json, data, repeat))

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
        """Return an iterator over all items of a list, on all pages: `async for item in api.paginate(…)`.

        Args:
            path: As in `request`.
            params: The query.
            pagelen: Items per page, unless path or params set it; most endpoints allow 100 at most.
            prefetch: Whether to fetch the next page while this one is used.
            names: The values for the path.

        Raises:
            ApiError: While iterating: as in `request`, or the response is not a list, or `next` leads out of the API.
        """
        return self._paginator.items(self._first_page(path, params, pagelen, names), prefetch=prefetch)

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
        """Return an iterator over whole pages, with fields such as `size`; see `paginate`."""
        return self._paginator.pages(self._first_page(path, params, pagelen, names), prefetch=prefetch)

    @asynccontextmanager
    async def stream(
        self, path: str, /, *, params: Mapping[str, Any] | None = None, **names: PathValue
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Yield aiohttp's response for *path*, to read in chunks: a file, a diff, a log.

        API errors are raised as in `request`, before the response is yielded. A connection lost while reading raises
        aiohttp's own error.
        """
        request = ApiRequest("GET", self._url(path, names), params).checked()
        response = await self._retries.run(request, self._open)
        async with response:
            yield response

    async def aclose(self) -> None:
        """Close the connections and cancel running prefetches; the source stays open."""
        self._closed = True
        await self._paginator.aclose()
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
        """Show the base URL, no secret."""
        return f"<BitbucketAPI {self.base_url}>"

    def _url(self, path: str, names: Mapping[str, PathValue]) -> str:
        return build_url(self.base_url, path, names)

    def _first_page(
        self, path: str, params: Mapping[str, Any] | None, pagelen: int, names: Mapping[str, PathValue]
    ) -> ApiRequest:
        url = self._url(path, names)
        query: dict[str, Any] = {} if "pagelen" in parse_qs(urlsplit(url).query) else {"pagelen": pagelen}
        return ApiRequest("GET", url, {**query, **(params or {})})

    async def _send(self, request: ApiRequest) -> Any:  # noqa: ANN401 - JSON
        return await self._retries.run(request.checked(), self._get_json)

    async def _open(self, request: ApiRequest) -> aiohttp.ClientResponse:
        return await send(self.http, request, now=self._clock.wall)

    async def _get_bytes(self, request: ApiRequest) -> bytes:
        return await read_json_bytes(request, await self._open(request))

    async def _get_json(self, request: ApiRequest) -> Any:  # noqa: ANN401 - JSON
        return parse_json(request, await self._get_bytes(request))
