"""The steps of a sign-in, with time and people of one's own."""

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


def login(**options: Any) -> Login:  # noqa: ANN401 - whatever Login takes
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
def test_what_can_not_work_is_told_at_once(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        login(**options)


def test_a_server_without_an_api_needs_another_way_to_tell_who_it_is() -> None:
    server = replace(BITBUCKET_CLOUD, api_origins=frozenset())
    pool = InspectablePool(Client("id", "secret"), server=server)
    with pytest.raises(ConfigurationError, match="identify="):
        Login(pool, redirect_uri=HERE, keys=[KEY])


def test_the_routes_stand_beside_the_callback() -> None:
    paths = login(redirect_uri="https://my-app.example/auth/back").paths
    assert paths == ("/auth/login", "/auth/back", "/auth/logout", "/auth/resource")


async def test_a_sign_in_that_takes_longer_than_ten_minutes_is_begun_again(
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


async def test_a_session_has_an_end(fake_clock: FakeClock, fake_bitbucket: FakeBitbucket, site: Site) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site, clock=fake_clock, session_lifetime=7200.0) as world:
        ada = world.browser()
        await ada.sign_in(fake_bitbucket)
        await fake_clock.advance(7199)  # over two expiries: the token was renewed
        assert (await ada.go("/me")).status == 200
        await fake_clock.advance(1)
        assert (await ada.go("/me")).status == 303


async def test_the_server_may_keep_what_is_under_way(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    flows = MemoryFlowStore()
    async with web_world(serve_aiohttp, fake_bitbucket, site, flows=flows) as world:
        ada, thief = world.browser(), world.browser()
        callback = ada.back(fake_bitbucket.authorize(await ada.begin("/me")))
        (kept,) = [flow for flow, _ in flows._flows.values()]
        assert kept not in ada.cookies.values()
        assert (await thief.go(callback)).status == 400  # knows the address, but not the cookie
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


async def test_a_token_that_may_not_tell_who_it_is_is_explained_to_who_runs_the_site(
    fake_bitbucket: FakeBitbucket, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site, scope={"repository"}) as world:
        ada = world.browser()
        page = await ada.go(ada.back(fake_bitbucket.authorize(await ada.begin())))
        assert (page.status, "Tell the operator of this site" in page.text) == (500, True)
        assert (world.pool.managers, ada.cookies) == ({}, {})
        (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "needs the scope account, and it has repository" in record.getMessage()


async def test_people_may_be_told_apart_in_another_way(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    seen: list[Token] = []

    async def identify(token: Token) -> str:
        seen.append(token)
        return "somebody"

    async with web_world(serve_aiohttp, fake_bitbucket, site, scope={"repository"}, identify=identify) as world:
        ada = world.browser()
        await ada.sign_in(fake_bitbucket)
        assert (await ada.go("/me")).text == "somebody"
        assert [token.scope for token in seen] == [frozenset({"repository"})]


async def test_a_name_that_no_cookie_takes_signs_nobody_in(
    fake_bitbucket: FakeBitbucket, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Else the browser drops the session without a word, and the person signs in again and again."""

    async def identify(_token: Token) -> str:
        return "somebody" * 500

    async with web_world(serve_aiohttp, fake_bitbucket, site, identify=identify) as world:
        ada = world.browser()
        page = await ada.go(ada.back(fake_bitbucket.authorize(await ada.begin())))
        assert (page.status, world.pool.managers, ada.cookies) == (500, {}, {})
    assert "browsers drop" in caplog.text


async def test_an_api_that_is_down_leaves_nothing_behind(fake_bitbucket: FakeBitbucket, site: Site) -> None:
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
async def test_who_it_is_is_never_guessed(status: int, body: bytes, error: type[Exception]) -> None:
    class Told:
        async def send(self, _request: object, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
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


async def test_a_sign_out_that_can_not_be_written_takes_the_cookie_all_the_same(
    fake_bitbucket: FakeBitbucket, site: Site
) -> None:
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
async def test_a_sign_in_does_not_return_into_a_sign_in(
    fake_bitbucket: FakeBitbucket, site: Site, return_to: str
) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site) as world:
        assert (await world.browser().sign_in(fake_bitbucket, return_to=return_to)).location == "/"


async def test_a_pool_that_is_closed_asks_nobody_to_sign_in(fake_bitbucket: FakeBitbucket, site: Site) -> None:
    async with web_world(serve_aiohttp, fake_bitbucket, site) as world:
        ada = world.browser()
        await ada.sign_in(fake_bitbucket)
        world.pool._young.clear()  # as after a restart, when the first request comes late
        await world.pool.aclose()
        assert (await ada.go("/resource?url=/2.0/user", headers=CALL)).status == 500


async def test_nobody_is_signed_in_without_a_cookie() -> None:
    with pytest.raises(LoginRequiredError):
        login().manager(BrowserRequest(method="GET", origin="https://my-app.example", path="/"))
    with pytest.raises(CallbackError):
        await login().resume(
            BrowserRequest(method="GET", origin="https://my-app.example", path="/callback", query="state=s")
        )


async def test_what_is_asked_of_the_server_has_pkce_and_a_state_of_its_own() -> None:
    request = BrowserRequest(method="GET", origin="https://my-app.example", path="/login")
    sign_in = login()
    asked = [parse_qs(urlsplit((await sign_in.begin(request)).location).query) for _ in range(2)]
    for each in asked:
        assert (each["code_challenge_method"], each["redirect_uri"], each["scope"]) == (["S256"], [HERE], ["account"])
    assert asked[0]["state"] != asked[1]["state"]
    assert asked[0]["code_challenge"] != asked[1]["code_challenge"]
    assert json.dumps(asked).count("secret") == 0
