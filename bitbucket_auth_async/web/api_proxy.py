"""The API on behalf of the person whose browser asks: what a page's script may see of it, without ever a token."""

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
from bitbucket_auth_async.web.http_messages import JSON, Answer, Incoming, json_answer

READING: Final = frozenset({"GET", "HEAD"})
"""The methods that every page may use."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""Those that a page may use where `Login(writes=True)` lets it."""
LONGEST: Final = 8 * 2**20
"""Bytes that an answer may have."""
_HOPS = 5
_TIMEOUT = aiohttp.ClientTimeout(total=60)
# What a script may send along; everything else of the browser's headers stays here.
_SENT = ("accept", "content-type", "if-match", "if-none-match")
_KEPT = ("etag", "retry-after", "x-oauth-scopes", "x-accepted-oauth-scopes")
# Should a browser ever show it as a page, nothing in it runs.
_HARMLESS = (("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),)


class Resource:
    """Sends a browser's request on to the API with the person's token, and gives back what it said.

    Args:
        server: Whose `api_origins` are the API.
        writes: Let pages of this site change things too; by default they only read.
    """

    __slots__ = ("_base", "_connectors", "_methods", "_origins")

    def __init__(self, server: AuthorizationServer, *, writes: bool) -> None:
        """Connect nowhere yet."""
        self._origins = server.api_origins
        self._base = min(server.api_origins, default="")
        self._methods = METHODS if writes else READING
        self._connectors = PerLoop("Login", _connector, aiohttp.TCPConnector.close)

    async def fetch(self, incoming: Incoming, source: TokenSource) -> Answer:
        """Return the API's answer to `?url=…`, an address of the API or its path.

        Raises:
            LoginRequiredError: The person must sign in again.
        """
        if incoming.method not in self._methods:
            allow = ("allow", ", ".join(sorted(self._methods)))
            return json_answer(405, {"error": "method_not_allowed"}, allow)
        url = self._target(parse_qs(incoming.query).get("url", []))
        if url is None:
            told = f"?url= must be an address of {self._base}, or a path that begins with /2.0/."
            return json_answer(400, {"error": "invalid_url", "message": told})
        try:
            return await self._send(url, incoming, source)
        except LoginRequiredError:
            raise
        except OutageError as error:
            return json_answer(503, {"error": "unavailable"}, ("retry-after", f"{error.retry_after:.0f}"))
        except BitbucketAuthError as error:
            return json_answer(503 if error.retryable else 502, {"error": "no_token"})
        except (aiohttp.ClientError, TimeoutError):
            return json_answer(502, {"error": "no_answer"})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connectors.aclose()

    def _target(self, urls: list[str], base: str = "") -> str | None:
        """Return the one address that is meant; None: it is none of the API. From *base* it may be relative."""
        if len(urls) != 1 or "\\" in urls[0] or not urls[0].isprintable():
            return None
        with suppress(ConfigurationError, ValueError):
            url = urljoin(base or self._base, urls[0]) if base or urls[0].startswith("/") else urls[0]
            path = urlsplit(url).path
            # Decoded, since what sends it reads %2e%2e as the way up, too.
            if (
                origin_of(url) in self._origins
                and path.startswith(f"{API_PATH}/")
                and ".." not in unquote(path).split("/")
            ):
                return url
        return None

    async def _send(self, url: str, incoming: Incoming, source: TokenSource) -> Answer:
        headers = {name: value for name, value in incoming.headers.items() if name in _SENT}
        async with self._session(source) as http:
            for _ in range(_HOPS):
                async with http.request(
                    incoming.method, url, headers=headers, data=incoming.body or None, allow_redirects=False
                ) as response:
                    moved = response.headers.get("location") if 300 <= response.status < 400 else None  # noqa: PLR2004 - RFC 9110 section 15.4
                    if moved is None or incoming.method not in READING:
                        return await _answer(response)
                # A repository that was renamed moves within the API; anywhere else is no affair of the page.
                target = self._target([moved], url)
                if target is None:
                    break
                url = target
        return json_answer(502, {"error": "redirected"})

    def _session(self, source: TokenSource) -> aiohttp.ClientSession:
        return authenticated_session(
            source,
            origins=self._origins,
            connector=self._connectors.get(),
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),  # what the API sets for one person must not reach another
            timeout=_TIMEOUT,
            raise_for_status=False,
        )


def _connector() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(loop=asyncio.get_running_loop())


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    if response.status == 401:  # noqa: PLR2004 - RFC 9110 section 15.5.2
        # Ours means "sign in"; this one says that the endpoint refuses this kind of token.
        return json_answer(502, {"error": "refused_by_api", "message": "The API refuses this token here."})
    body = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        body += piece
        if len(body) > LONGEST:
            return json_answer(502, {"error": "too_long", "message": f"The answer is longer than {LONGEST} bytes."})
    kept = tuple((name, response.headers[name]) for name in _KEPT if name in response.headers)
    # What others wrote, such as a file of a repository, must not become a page of ours.
    kind = JSON if response.content_type == JSON else "application/octet-stream"
    return Answer(status=response.status, headers=(("content-type", kind), *kept, *_HARMLESS), body=bytes(body))
