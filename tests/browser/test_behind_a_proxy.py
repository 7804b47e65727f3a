"""As in production: Chromium uses https to a reverse proxy, and the proxy uses http to the application."""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import expect

from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve
from tests.browser.conftest import Open
from tests.support.ports import free_port
from tests.support.throwaway_tls import throwaway_tls
from tests.support.web_apps import serve_aiohttp, serve_starlette
from tests.support.web_sign_in import Serve, web_world

_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@asynccontextmanager
async def reverse_proxy(port: int, target: str, tls: ssl.SSLContext) -> AsyncGenerator[None]:
    """Terminate TLS on *port*, and forward requests to *target* with the two usual headers."""

    async def forward(request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers |= {"X-Forwarded-Proto": "https", "X-Forwarded-Host": request.host, "Host": target.partition("//")[2]}
        body = await request.read()
        async with http.request(
            request.method, target + request.path_qs, headers=headers, data=body or None, allow_redirects=False
        ) as response:
            answer = web.Response(status=response.status, body=await response.read())
            for name, value in response.headers.items():
                if name.lower() not in _HOP_BY_HOP | {"date", "server", "content-type"}:
                    answer.headers.add(name, value)
            answer.headers["Content-Type"] = response.headers.get("Content-Type", "text/plain")
            return answer

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        try:
            yield
        finally:
            await runner.cleanup()


@pytest.mark.parametrize("framework", [serve_aiohttp, serve_starlette])
async def test_behind_a_proxy_cookies_are_secure_and_for_this_host_only(
    framework: Serve, tab: Open, fake_bitbucket: FakeBitbucket
) -> None:
    port, (tls, _) = free_port(), throwaway_tls("localhost")
    origin = f"https://127.0.0.1:{port}"
    async with (
        serve(fake_bitbucket) as site,
        web_world(framework, fake_bitbucket, site, origin=origin, trusted_proxies=["127.0.0.1"]) as world,
        reverse_proxy(port, world.base_url, tls),
        tab(ignore_https_errors=True) as ada,
    ):
        page = ada.page
        await page.goto(f"{origin}/me")
        under_way = await page.context.cookies(origin)
        await page.get_by_role("button", name="Grant access").click()
        await expect(page.locator("body")).to_have_text(next(iter(world.pool.managers), "no manager"))
        assert page.url == f"{origin}/me"
        session = await page.context.cookies(origin)
        for cookies, name in ((under_way, "__Host-bitbucket-login-"), (session, "__Host-bitbucket-session")):
            (cookie,) = cookies
            assert cookie.get("name", "").startswith(name)
            assert (cookie.get("secure"), cookie.get("httpOnly"), cookie.get("sameSite")) == (True, True, "Lax")
        # Without the proxy it is another origin, where no sign-in can begin.
        await page.goto(f"{world.base_url}/login")
        await expect(page.get_by_role("heading")).to_have_text("Sign in at another address")
