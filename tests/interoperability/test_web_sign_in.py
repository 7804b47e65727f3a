"""The routes of a sign-in against Authlib's server side: PKCE required, rotation on, everything over real ports."""

import time

import aiohttp
import pytest

from bitbucket_auth_async import AuthorizationServer, Client, Token
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.web.login import Login
from tests.interoperability.authlib_server import USERNAME, Database
from tests.support.ports import free_port
from tests.support.web_apps import serve_aiohttp, serve_starlette
from tests.support.web_sign_in import KEY, Browser, InspectablePool, Serve

# The address that this server knows us by, as a reverse proxy would tell it.
AT_PROXY = {"x-forwarded-proto": "https", "x-forwarded-host": "client.example"}


@pytest.mark.parametrize("serve", [serve_aiohttp, serve_starlette])
async def test_a_person_signs_in_stays_signed_in_over_an_expiry_and_may_decline(
    database: Database, server: AuthorizationServer, serve: Serve
) -> None:
    registered = database.client("client_secret_basic")
    client = Client(registered.client_id, registered.client_secret)

    async def identify(token: Token) -> str:
        bearer = {"Authorization": f"Bearer {token.access_token}"}
        async with (
            aiohttp.ClientSession(headers=bearer) as http,
            http.get(f"{database.base_url}/2.0/user") as response,
        ):
            name: str = (await response.json())["username"]
            return name

    port, clock = free_port(), FakeClock(wall=time.time())
    async with (
        InspectablePool(client, server=server, clock=clock) as people,
        Login(
            people,
            redirect_uri="https://client.example/callback",
            keys=[KEY],
            identify=identify,
            trusted_proxies=["127.0.0.1"],
        ) as login,
        serve(login, port),
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        alice = Browser(http, f"http://127.0.0.1:{port}", extra=AT_PROXY)
        callback = await answered(http, await alice.begin("/me"))
        assert (await alice.go(alice.back(callback))).location == "/me"
        assert (await alice.go("/me")).text == USERNAME
        await clock.advance(864_001)  # Authlib's tokens live for ten days
        assert (await alice.go("/me")).text == USERNAME
        assert database.token_requests == ["authorization_code", "refresh_token"]
        refused = await answered(http, await alice.begin() + "&deny=1")
        assert (await alice.go(alice.back(refused))).status == 403
        assert (await alice.go(alice.back(callback))).status == 400
        assert database.token_requests.count("authorization_code") == 1


async def answered(http: aiohttp.ClientSession, url: str) -> str:
    """Return where the server sends the browser back to."""
    async with http.get(url, allow_redirects=False) as response:
        assert response.status == 302, await response.text()
        return response.headers["location"]
