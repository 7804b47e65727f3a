"""mock_bitbucket: programs reach the fake under the real host names."""

import asyncio
import socket
from collections.abc import AsyncGenerator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bitbucket_auth_async.testing.client_settings import basic_auth
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.mock_aiohttp import UnmockedHostError, mock_bitbucket
from bitbucket_auth_async.testing.server import listening, serve

TOKEN = "https://bitbucket.org/site/oauth2/access_token"
USER = "https://api.bitbucket.org/2.0/user"
FORM = {"grant_type": "client_credentials"}


@pytest.fixture(autouse=True)
def _forbid_name_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str, *_: object, **__: object) -> None:
        msg = f"{host} was looked up"
        raise AssertionError(msg)

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


async def token(http: aiohttp.ClientSession) -> str:
    async with http.post(TOKEN, data=FORM, headers={"Authorization": basic_auth()}) as response:
        assert response.status == 200
        return str((await response.json())["access_token"])


async def test_a_program_reaches_the_fake_under_the_real_names(http: aiohttp.ClientSession) -> None:
    async with mock_bitbucket() as fake:
        access_token = await token(http)
        assert fake.is_live(access_token)
        async with http.get(USER, headers={"Authorization": f"Bearer {access_token}"}) as response:
            assert str(response.url) == USER
            assert (await response.json())["type"] == "app_user"
        url = "https://api.bitbucket.org/2.0/repositories/acme"
        async with http.get(url, headers={"Authorization": f"Bearer {access_token}"}) as response:
            assert (await response.json())["next"].startswith(url)


async def test_client_middlewares_run() -> None:
    seen = list[str]()

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        seen.append(str(request.url))
        request.headers["Authorization"] = f"Bearer {fake.sign_in().access_token}"
        return await handler(request)

    fake = FakeBitbucket()
    async with mock_bitbucket(fake) as same, aiohttp.ClientSession(middlewares=(middleware,)) as http:
        assert same is fake
        async with http.get(USER) as response:
            assert response.status == 200
    assert seen == [USER]


async def test_each_host_has_only_its_own_paths(http: aiohttp.ClientSession) -> None:
    async with mock_bitbucket() as fake:
        headers = {"Authorization": f"Bearer {fake.sign_in().access_token}"}
        for url in ("https://bitbucket.org/2.0/user", "https://api.bitbucket.org/site/oauth2/authorize"):
            async with http.get(url, headers=headers) as response:
                assert response.status == 404


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://api.bitbucket.org.evil.example/2.0/user",
        "https://bitbucket.org@evil.example/",
        "http://api.bitbucket.org/2.0/user",
        "https://api.bitbucket.org:8443/2.0/user",
    ],
)
async def test_every_other_host_is_refused(http: aiohttp.ClientSession, url: str) -> None:
    async with mock_bitbucket():
        with pytest.raises(UnmockedHostError, match=r"mock_bitbucket\(\): .* is not mocked"):
            await http.get(url)


async def test_loopback_and_passthrough_hosts_are_reached_as_usual(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    monkeypatch.undo()  # localhost may be looked up
    async with listening(app) as port, mock_bitbucket(passthrough={"let.through.invalid"}):
        async with http.get(f"http://127.0.0.1:{port}/") as response:
            assert await response.text() == "hello"
        with pytest.raises(aiohttp.ClientConnectorError):  # the reserved name is looked up and does not exist
            await http.get(f"http://let.through.invalid:{port}/")


async def test_connections_opened_before_are_not_used(http: aiohttp.ClientSession) -> None:
    async with mock_bitbucket() as outer:
        await token(http)
        async with mock_bitbucket() as inner:
            await token(http)
            assert (outer.token_requests, inner.token_requests) == (1, 1)
        await token(http)
        assert (outer.token_requests, inner.token_requests) == (2, 1)


async def test_an_open_connection_to_another_host_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

        async def close(self) -> None:
            pass

    async with serve(FakeBitbucket()) as site:
        url = site.base_url.replace("127.0.0.1", "pages.example")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Elsewhere())) as http:
            async with http.get(url) as response:
                assert response.status == 404
                await response.read()
            async with mock_bitbucket():
                with pytest.raises(UnmockedHostError):
                    await http.get(url)


async def test_the_block_restores_aiohttp(http: aiohttp.ClientSession) -> None:
    before = (aiohttp.TCPConnector.connect, vars(aiohttp.TCPConnector)["_create_connection"])
    async with mock_bitbucket():
        await token(http)
    assert (aiohttp.TCPConnector.connect, vars(aiohttp.TCPConnector)["_create_connection"]) == before
    with pytest.raises((aiohttp.ClientConnectionError, AssertionError)):
        await token(http)


async def test_mocks_may_end_in_any_order(http: aiohttp.ClientSession) -> None:
    before = (aiohttp.TCPConnector.connect, vars(aiohttp.TCPConnector)["_create_connection"])
    first, second = mock_bitbucket(), mock_bitbucket()
    await first.__aenter__()
    fake = await second.__aenter__()
    await first.__aexit__(None, None, None)
    await token(http)
    assert fake.token_requests == 1
    await second.__aexit__(None, None, None)
    assert (aiohttp.TCPConnector.connect, vars(aiohttp.TCPConnector)["_create_connection"]) == before


async def test_faults_work_under_the_real_names(http: aiohttp.ClientSession) -> None:
    async with mock_bitbucket() as fake:
        fake.inject(faults.reset(processed=True))
        with pytest.raises(aiohttp.ClientConnectionError):
            await token(http)
        injection = fake.inject(faults.hold())
        task = asyncio.ensure_future(token(http))
        await injection.reached.wait()
        injection.release()
        assert await task


async def test_it_works_in_another_loop() -> None:
    def program() -> str:
        async def main() -> str:
            async with aiohttp.ClientSession() as http:
                return await token(http)

        return asyncio.run(main())

    async with mock_bitbucket() as fake:
        assert fake.is_live(await asyncio.to_thread(program))
