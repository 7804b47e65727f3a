"""Login: its options, expiry, identification and errors."""

import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bitbucket_auth_async import BITBUCKET_CLOUD, Client, Token
from bitbucket_auth_async.errors import (
    CallbackError,
    ConfigurationError,
    LoginRequiredError,
    StoreError,
    UnavailableError,
)
from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.server import Site
from bitbucket_auth_async.testing.server import serve as serve_fake
from bitbucket_auth_async.web.account_id import account_id
from bitbucket_auth_async.web.flow_store import MemoryFlowStore
from bitbucket_auth_async.web.http_messages import BrowserRequest
from bitbucket_auth_async.web.login import Login
from tests.support.web_apps import serve_aiohttp
from tests.support.web_sign_in import CALL, KEY, InspectablePool, web_world

HERE = "https://my-app.example/callback"


@pytest.fixture
async def site(fake_bitbucket: FakeBitbucket) -> AsyncGenerator[Site]:
    async with serve_fake(fake_bitbucket) as site:
        yield site


def login(**options: Any) -> Login:  # noqa: ANN401 - the options of Login
    options.setdefault("redirect_uri", HERE)
    options.setdefault("keys", [KEY])
    return Login(InspectablePool(Client("id", "secret")), **options)


@pytest.mark.parametrize(
    "options, told",
    [
        ({"redirect_uri": "http://my-app.example/callback"}, "https"),
        ({"redirect_uri": "/callback"}, "https"),
        ({"redirect_uri": "https://my-app.example"}, "plain path"),
        ({"redirect_uri": "https://my-app.example/login"}, "plain path"),
        ({"redirect_uri": "https://my-app.example/callback?a=b"}, "plain path"),
        ({"redirect_uri": "https://my-app.example//callback"}, "plain path"),
        ({"keys": []}, "key"),
        ({"scope": {"account,email"}}, "scope"),
        ({"trusted_proxies": ["everybody"]}, "trusted_proxies"),
        ({"session_lifetime": timedelta(days=30)}, "session_lifetime: expected"),
        ({"session_lifetime": 0}, "session_lifetime: expected"),
        ({"session_lifetime": float("inf")}, "session_lifetime: expected"),
    ],
)
def test_invalid_options_are_refused_at_once(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        login(**options)


def test_a_server_without_an_api_needs_identify() -> None:
    server = replace(BITBUCKET_CLOUD, api_origins=frozenset())
    pool = InspectablePool(Client("id", "secret"), server=server)
    with pytest.raises(ConfigurationError, match="identify="):
        Login(pool, redirect_uri=HERE, keys=[KEY])


def test_the_routes_are_in_the_folder_of_the_callback() -> None:
    paths = login(redirect_uri="https://my-app.example/auth/back").paths
    assert paths == ("/auth/login", "/auth/back", "/auth/logout", "/auth/resource")


async def test_a_sign_in_that_takes_ten_minutes_is_refused(
    fake_clock: FakeClock, fake_bitbucket: FakeBitbucket, site: Site
) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site, clock=fake_clock) as world:
        ada = world.browser()
        consent = await ada.begin()
        await fake_clock.advance(600)
        page = await ada.go(ada.back(fake_bitbucket.authorize(consent)))
        assert page.status == 400
        assert "ten minutes" in page.text
        assert (ada.cookies, fake_bitbucket.token_requests) == ({}, 0)


async def test_a_session_expires(fake_clock: FakeClock, fake_bitbucket: FakeBitbucket, site: Site) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site, clock=fake_clock, session_lifetime=7200.0) as world:
        ada = world.browser()
        await ada.sign_in(fake_bitbucket)
        await fake_clock.advance(7199)  # the token has expired twice and was renewed
        assert (await ada.go("/me")).status == 200
        await fake_clock.advance(1)
        assert (await ada.go("/me")).status == 303


async def test_a_flow_store_keeps_flows_on_the_server(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    flows = MemoryFlowStore()
    async with web_world(serve_aiohttp, fake_bitbucket, site, flows=flows) as world:
        ada, thief = world.browser(), world.browser()
        callback = ada.back(fake_bitbucket.authorize(await ada.begin("/me")))
        (kept,) = [flow for flow, _ in flows._flows.values()]
        assert kept not in ada.cookies.values()
        assert (await thief.go(callback)).status == 400  # knows the URL, but not the cookie
        thief.cookies = dict(ada.cookies)
        assert (await ada.go(callback)).location == "/me"
        world.login._flows._replays._until.clear()  # as in another process
        assert (await thief.go(callback)).status == 400
        assert fake_bitbucket.token_requests == 1


async def test_a_callback_of_another_server_is_refused(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    server = replace(site.server, issuer="https://bitbucket.example")
    async with web_world(serve_aiohttp, fake_bitbucket, site, server=server) as world:
        ada = world.browser()
        callback = ada.back(fake_bitbucket.authorize(await ada.begin()))
        assert (await ada.go(f"{callback}&iss=https%3A%2F%2Fevil.example")).status == 400
        callback = ada.back(fake_bitbucket.authorize(await ada.begin()))
        assert (await ada.go(f"{callback}&iss=https%3A%2F%2Fbitbucket.example")).status == 303


async def test_a_token_without_the_scope_account_is_explained_in_the_log(
    fake_bitbucket: FakeBitbucket, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site, scope={"repository"}) as world:
        ada = world.browser()
        page = await ada.go(ada.back(fake_bitbucket.authorize(await ada.begin())))
        assert (page.status, "Tell the operator of this site" in page.text) == (500, True)
        assert (world.pool.managers, ada.cookies) == ({}, {})
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "needs the scope account, and it has repository" in record.getMessage()


async def test_identify_may_return_any_key(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    seen: list[Token] = []

    async def identify(token: Token) -> str:
        seen.append(token)
        return "some key"

    async with web_world(serve_aiohttp, fake_bitbucket, site, scope={"repository"}, identify=identify) as world:
        ada = world.browser()
        await ada.sign_in(fake_bitbucket)
        assert (await ada.go("/me")).text == "some key"
        assert [token.scope for token in seen] == [frozenset({"repository"})]


async def test_a_key_too_long_for_a_cookie_fails_the_sign_in(
    fake_bitbucket: FakeBitbucket, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the browser silently drops the session, and the person signs in again and again."""

    async def identify(_token: Token) -> str:
        return "a person" * 500

    async with web_world(serve_aiohttp, fake_bitbucket, site, identify=identify) as world:
        ada = world.browser()
        page = await ada.go(ada.back(fake_bitbucket.authorize(await ada.begin())))
        assert (page.status, world.pool.managers, ada.cookies) == (500, {}, {})
    assert "browsers drop" in caplog.text


async def test_an_api_that_is_down_stores_nothing(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site) as world:
        ada = world.browser()
        with fake_bitbucket.inject(faults.status(500), at="api"):
            page = await ada.go(ada.back(fake_bitbucket.authorize(await ada.begin())))
        assert (page.status, world.pool.managers, ada.cookies) == (503, {}, {})


@pytest.mark.parametrize(
    "status, body, error",
    [
        (200, b"[]", ConfigurationError),
        (200, b"<html>", ConfigurationError),
        (200, b'{"account_id": ""}', ConfigurationError),
        (200, b'{"account_id": 7}', ConfigurationError),
        (200, b'{"account_id": "a\\nb"}', ConfigurationError),
        (302, b"", ConfigurationError),
        (401, b"", ConfigurationError),
        (403, b"", ConfigurationError),
        (429, b"", UnavailableError),
        (502, b"", UnavailableError),
    ],
)
async def test_without_an_account_id_the_sign_in_fails(status: int, body: bytes, error: type[Exception]) -> None:
    class Told:
        async def send(self, _request: object, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - defined by the protocol
            return Response(status=status, body=body)

        async def aclose(self) -> None: ...

    resources = InspectablePool(Client("id"), transport=Told()).resources
    with pytest.raises(error):
        await account_id(resources, Token(access_token="t", issued_at=0.0))


class BrokenStore(MemoryStore):
    broken = False

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        if self.broken:
            msg = "down"
            raise StoreError(msg)
        return await super().swap(key, record, expected=expected)


async def test_a_sign_out_removes_the_cookie_even_if_the_store_fails(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    store = BrokenStore()
    async with web_world(serve_aiohttp, fake_bitbucket, site, pool={"store": store}) as world:
        ada = world.browser()
        await ada.sign_in(fake_bitbucket)
        store.broken = True
        form = {"sec-fetch-site": "same-origin"}
        assert (await ada.go("/logout", method="POST", headers=form)).status == 303
        assert ada.cookies == {}
        store.broken = False


@pytest.mark.parametrize("return_to", ["/login", "/login?return_to=/login", "/callback?code=c", "/logout", "/resource"])
async def test_a_sign_in_does_not_return_to_a_sign_in_route(
    fake_bitbucket: FakeBitbucket, site: Site, return_to: str
) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site) as world:
        assert (await world.browser().sign_in(fake_bitbucket, return_to=return_to)).location == "/"


async def test_a_closed_pool_gives_500_and_no_redirect_to_the_login(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site) as world:
        ada = world.browser()
        await ada.sign_in(fake_bitbucket)
        world.pool._young.clear()  # as after a restart, if the first request arrives late
        await world.pool.aclose()
        assert (await ada.go("/resource?url=/2.0/user", headers=CALL)).status == 500


async def test_without_a_cookie_there_is_no_session_and_no_flow() -> None:
    with pytest.raises(LoginRequiredError):
        login().manager(BrowserRequest(method="GET", origin="https://my-app.example", path="/"))
    with pytest.raises(CallbackError):
        await login().resume(
            BrowserRequest(method="GET", origin="https://my-app.example", path="/callback", query="state=s")
        )


async def test_each_authorization_request_has_pkce_and_its_own_state() -> None:
    request = BrowserRequest(method="GET", origin="https://my-app.example", path="/login")
    sign_in = login()
    asked = [parse_qs(urlsplit((await sign_in.begin(request)).location).query) for _ in range(2)]
    for each in asked:
        assert (each["code_challenge_method"], each["redirect_uri"], each["scope"]) == (["S256"], [HERE], ["account"])
    assert asked[0]["state"] != asked[1]["state"]
    assert asked[0]["code_challenge"] != asked[1]["code_challenge"]
    assert json.dumps(asked).count("secret") == 0
