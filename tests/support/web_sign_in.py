"""web_world: a fake Bitbucket, an application with a sign-in, and browsers that keep cookies."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from bitbucket_auth_async import AuthorizationServer, Client, TokenManager, TokenManagerPool
from bitbucket_auth_async.codecs.encrypted import EncryptionKey
from bitbucket_auth_async.protocols import Clock
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake.registry import Person
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import Site
from bitbucket_auth_async.web.login import Login
from tests.support.ports import free_port

SCOPE = {"account", "repository"}
KEY = EncryptionKey(bytes(range(32)))
PAGE = {"accept": "text/html", "sec-fetch-mode": "navigate"}
CALL = {"accept": "application/json", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"}
FORM = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin"}

Serve = Callable[[Login, int], AbstractAsyncContextManager[None]]
"""Serves an application with that sign-in on a port of 127.0.0.1; `/me` is a page that needs a session."""


class InspectablePool(TokenManagerPool):
    """A pool that shows which managers it has in memory."""

    def __init__(self, client: Client, **options: Any) -> None:  # noqa: ANN401 - the options of TokenManagerPool
        options.setdefault("store", MemoryStore())
        super().__init__(client, **options)

    @property
    def managers(self) -> Mapping[str, TokenManager]:
        return {**self._old, **self._young}


@dataclass(slots=True)
class Page:
    """A response as the browser sees it."""

    status: int
    url: str
    headers: Mapping[str, str] = field(repr=False)
    text: str = field(repr=False)
    location: str | None = None
    set_cookies: list[str] = field(default_factory=list[str], repr=False)


@dataclass(slots=True)
class Browser:
    """Keeps cookies as a browser does, but follows no redirects."""

    http: aiohttp.ClientSession
    base_url: str
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    extra: dict[str, str] = field(default_factory=dict[str, str])
    pages: list[Page] = field(default_factory=list[Page])

    async def go(self, url: str, *, method: str = "GET", headers: dict[str, str] | None = None, **more: Any) -> Page:  # noqa: ANN401 - the options of aiohttp
        where = urljoin(self.base_url, url)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**self.extra, **(PAGE if headers is None else headers), **({"cookie": cookie} if cookie else {})}
        async with self.http.request(method, where, headers=sent, allow_redirects=False, **more) as response:
            set_cookies = response.headers.getall("set-cookie", [])
            for text in set_cookies:
                for name, morsel in SimpleCookie(text).items():
                    if morsel["max-age"] == "0":
                        self.cookies.pop(name, None)
                    else:
                        self.cookies[name] = morsel.value
            page = Page(
                response.status,
                where,
                response.headers.copy(),
                await response.text(),
                response.headers.get("location"),
                set_cookies,
            )
        self.pages.append(page)
        return page

    async def begin(self, return_to: str | None = None) -> str:
        """Start a sign-in, and return the URL at the authorization server."""
        params = None if return_to is None else {"return_to": return_to}
        page = await self.go("/login", params=params)
        assert page.status == 303, page.text
        assert page.location is not None
        return page.location

    def back(self, callback_url: str) -> str:
        """Return a callback URL without its origin, because the site may have another name here."""
        return urlsplit(callback_url)._replace(scheme="", netloc="").geturl()

    async def sign_in(self, fake: FakeBitbucket, person: Person | None = None, return_to: str | None = None) -> Page:
        """Sign in, and return the last page."""
        page = await self.go(self.back(fake.authorize(await self.begin(return_to), person)))
        assert page.status == 303, page.text
        return page


@dataclass(slots=True)
class WebWorld:
    """A fake Bitbucket, an application with a sign-in, and browsers."""

    fake: FakeBitbucket
    site: Site
    client: Client
    pool: InspectablePool
    login: Login
    base_url: str
    http: aiohttp.ClientSession

    def browser(self, **extra: str) -> Browser:
        return Browser(self.http, self.base_url, extra=extra)


@asynccontextmanager
async def web_world(
    serve: Serve,
    fake: FakeBitbucket,
    site: Site,
    *,
    origin: str | None = None,
    client: Client | None = None,
    server: AuthorizationServer | None = None,
    clock: Clock | None = None,
    pool: dict[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 - the options of Login
) -> AsyncGenerator[WebWorld]:
    """Run an application with a sign-in at the fake on a free port."""
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    redirect_uri = f"{origin or base_url}/callback"
    client = client or fake.register_client(callback=redirect_uri, scope={"account", "email", "repository"})
    timed: dict[str, Any] = {} if clock is None else {"clock": clock}
    common: dict[str, Any] = {"server": server or site.server, **timed}
    options.setdefault("keys", [KEY])
    options.setdefault("scope", SCOPE)
    async with (
        InspectablePool(client, **common, **(pool or {})) as people,
        Login(people, redirect_uri=redirect_uri, **options) as login,
        serve(login, port),
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        yield WebWorld(fake, site, client, people, login, base_url, http)


async def together(*work: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*work))
