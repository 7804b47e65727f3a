"""The sign-in routes for aiohttp.web."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from bitbucket_auth_async import TokenManagerPool
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.web.aiohttp import add_login, current_manager
from bitbucket_auth_async.web.login import Login
from tests.support.web_apps import serve_aiohttp
from tests.support.web_sign_in import KEY, Serve
from tests.web.login_contract import LoginContract


class TestAiohttp(LoginContract):
    @pytest.fixture
    def serve(self) -> Serve:
        return serve_aiohttp


async def test_an_application_without_a_sign_in_raises_an_error() -> None:
    request = make_mocked_request("GET", "/", app=web.Application())
    with pytest.raises(ConfigurationError, match="add_login"):
        await current_manager(request)


async def test_a_started_response_is_cut_off_without_a_second_response_in_it(fake_bitbucket: FakeBitbucket) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        message = "The sign-in has expired."
        raise LoginRequiredError(message)

    async def talk(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        message = "The sign-in has expired."
        raise LoginRequiredError(message)

    app = web.Application()
    pool = TokenManagerPool(fake_bitbucket.client, store=MemoryStore())
    add_login(app, Login(pool, redirect_uri="http://localhost/callback", keys=[KEY]))
    app.router.add_get("/stream", stream)
    app.router.add_get("/socket", talk)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/stream") as response:
            assert await response.content.read(5) == b"first"
            with pytest.raises(aiohttp.ClientPayloadError) as broken:
                await response.read()
        assert "HTTP/1.1" not in str(broken.value.__cause__)
        async with client.ws_connect("/socket") as socket:
            assert (await socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
