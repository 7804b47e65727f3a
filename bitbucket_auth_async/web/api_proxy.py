"""ApiProxy: lets a page's script use the REST API as the signed-in person, without seeing a token."""

import asyncio
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import aiohttp

from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.bitbucket.addresses import API_PATH
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, LoginRequiredError, OutageError
from bitbucket_auth_async.oauth2.servers import AuthorizationServer, origin_of
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.web.http_messages import JSON, BrowserRequest, BrowserResponse, json_response

READ_METHODS: Final = frozenset({"GET", "HEAD"})
"""Methods that every page of this site may use."""
ALL_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""Methods that pages may use with `Login(writes=True)`."""
MAX_BODY: Final = 8 * 2**20
"""Longest response body in bytes."""
_MAX_REQUESTS = 5
"""Requests along one chain of redirects."""
_TIMEOUT = aiohttp.ClientTimeout(total=60)
# No other header of the browser reaches the API.
_REQUEST_HEADERS = ("accept", "content-type", "if-match", "if-none-match")
_RESPONSE_HEADERS = ("etag", "retry-after", "x-oauth-scopes", "x-accepted-oauth-scopes")
# If a browser shows the response as a page, nothing in it runs.
_SANDBOX = (("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),)


class ApiProxy:
    """Forwards a browser's request to the API with the person's token, and returns the API's response.

    Args:
        server: Its `api_origins` are the API.
        writes: Allow methods that change something; by default only GET and HEAD.
    """

    __slots__ = ("_base", "_connectors", "_methods", "_origins")

    def __init__(self, server: AuthorizationServer, *, writes: bool) -> None:
        """Open no connection yet."""
        self._origins = server.api_origins
        self._base = min(server.api_origins, default="")
        self._methods = ALL_METHODS if writes else READ_METHODS
        self._connectors = PerLoop("Login", _connector, aiohttp.TCPConnector.close)

    async def forward(self, request: BrowserRequest, source: TokenSource) -> BrowserResponse:
        """Return the API's response to `?url=…`, a URL or a path of the API.

        Raises:
            LoginRequiredError: The person must sign in again.
        """
        if request.method not in self._methods:
            allow = ("allow", ", ".join(sorted(self._methods)))
            return json_response(405, {"error": "method_not_allowed"}, allow)
        url = self._api_url(parse_qs(request.query).get("url", []))
        if url is None:
            message = f"url: expected one URL of {self._base} or one path that begins with {API_PATH}/."
            return json_response(400, {"error": "invalid_url", "message": message})
        try:
            return await self._send(url, request, source)
        except LoginRequiredError:
            raise
        except OutageError as error:
            return json_response(503, {"error": "unavailable"}, ("retry-after", f"{error.retry_after:.0f}"))
        except BitbucketAuthError as error:
            return json_response(503 if error.retryable else 502, {"error": "no_token"})
        except (aiohttp.ClientError, TimeoutError):
            return json_response(502, {"error": "no_answer"})

    async def aclose(self) -> None:
        """Close all connections to the API."""
        await self._connectors.aclose()

    def _api_url(self, urls: list[str], base: str = "") -> str | None:
        """Return the only item of *urls* as a URL of the API, or None; with *base* it may be relative."""
        if len(urls) != 1 or "\\" in urls[0] or not urls[0].isprintable():
            return None
        with suppress(ConfigurationError, ValueError):
            url = urljoin(base or self._base, urls[0]) if base or urls[0].startswith("/") else urls[0]
            path = urlsplit(url).path
            # Decoded, because aiohttp treats %2e%2e as .. too.
            if (
                origin_of(url) in self._origins
                and path.startswith(f"{API_PATH}/")
                and ".." not in unquote(path).split("/")
            ):
                return url
        return None

    async def _send(self, url: str, request: BrowserRequest, source: TokenSource) -> BrowserResponse:
        headers = {name: value for name, value in request.headers.items() if name in _REQUEST_HEADERS}
        async with self._session(source) as http:
            for _ in range(_MAX_REQUESTS):
                async with http.request(
                    request.method, url, headers=headers, data=request.body or None, allow_redirects=False
                ) as response:
                    moved = response.headers.get("location") if 300 <= response.status < 400 else None  # noqa: PLR2004 - RFC 9110 section 15.4
                    if moved is None or request.method not in READ_METHODS:
                        return await _browser_response(response)
                # A renamed repository redirects within the API; no other redirect is followed.
                target = self._api_url([moved], url)
                if target is None:
                    break
                url = target
        return json_response(502, {"error": "redirected"})

    def _session(self, source: TokenSource) -> aiohttp.ClientSession:
        return authenticated_session(
            source,
            origins=self._origins,
            connector=self._connectors.get(),
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),  # cookies that the API sets for one person must not reach another
            timeout=_TIMEOUT,
            raise_for_status=False,
        )


def _connector() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(loop=asyncio.get_running_loop())


async def _browser_response(response: aiohttp.ClientResponse) -> BrowserResponse:
    if response.status == 401:  # noqa: PLR2004 - RFC 9110 section 15.5.2
        # A 401 of ours asks for a sign-in, but this endpoint refuses every token of this kind.
        return json_response(502, {"error": "refused_by_api", "message": "The API refuses this token here."})
    body = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        body += piece
        if len(body) > MAX_BODY:
            return json_response(502, {"error": "too_long", "message": f"The response exceeds {MAX_BODY} bytes."})
    kept = tuple((name, response.headers[name]) for name in _RESPONSE_HEADERS if name in response.headers)
    # Content of others, such as a repository's file, must not become a page of this site.
    content_type = JSON if response.content_type == JSON else "application/octet-stream"
    headers = (("content-type", content_type), *kept, *_SANDBOX)
    return BrowserResponse(status=response.status, headers=headers, body=bytes(body))
