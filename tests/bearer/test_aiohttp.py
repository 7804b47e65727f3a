"""Bearer behaviour specific to aiohttp: host names and TLS, redirects, other middlewares, websockets."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from bitbucket_auth_async.bearer.aiohttp import BearerMiddleware, authenticated_session
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.testing.bearer_contract import BearerContract, Caller, OpenCaller, Response
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    always,
    answer,
    cut_off,
    redirects,
    refuses,
    scripted_server,
)
from tests.support.throwaway_tls import throwaway_tls


class AiohttpCaller:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes | AsyncIterable[bytes] | None = None,
        follow_redirects: bool = True,
    ) -> Response:
        async with self._session.request(
            method, url, headers=headers, data=body, allow_redirects=follow_redirects
        ) as response:
            return Response(response.status, await response.read())


def opens(**session: Any) -> OpenCaller:  # noqa: ANN401  - what a session takes
    @asynccontextmanager
    async def open_caller(source: TokenSource, origins: Iterable[str] | None) -> AsyncGenerator[Caller]:
        async with authenticated_session(source, origins=origins, **session) as http:
            yield AiohttpCaller(http)

    return open_caller


class TestAuthenticatedSession(BearerContract):
    @pytest.fixture
    def open_caller(self) -> OpenCaller:
        return opens()


class TestAuthenticatedSessionWithoutTimeouts(BearerContract):
    @pytest.fixture
    def open_caller(self) -> OpenCaller:
        return opens(timeout=aiohttp.ClientTimeout(total=None))


class TestAuthenticatedSessionUnderMiddlewaresThatChangeTask(BearerContract):
    @pytest.fixture
    def open_caller(self) -> OpenCaller:
        async def elsewhere(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            async def run() -> aiohttp.ClientResponse:
                return await handler(request)

            return await asyncio.create_task(run())

        return opens(middlewares=[elsewhere])


class TestMiddlewareInTheCallersSession(BearerContract):
    @pytest.fixture
    def open_caller(self) -> OpenCaller:
        @asynccontextmanager
        async def open_caller(source: TokenSource, origins: Iterable[str] | None) -> AsyncGenerator[Caller]:
            bearer = BearerMiddleware(source, origins=origins)
            async with aiohttp.ClientSession(middlewares=[bearer]) as http:
                yield AiohttpCaller(http)

        return open_caller


class Names(AbstractResolver):
    """Resolves every host name to this machine, so that no real name is looked up."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


CLOUD = "api.bitbucket.org"


@pytest.mark.parametrize(
    "url, bearer",
    [
        (f"https://{CLOUD}:{{port}}/", True),
        ("https://API.Bitbucket.ORG:{port}/", True),
        (f"https://{CLOUD}.evil.example:{{port}}/", False),
        (f"https://{CLOUD}@evil.example:{{port}}/", False),
        (f"https://{CLOUD}%40evil.example:{{port}}@evil.example:{{port}}/", False),
        (f"https://evil.example:{{port}}/{CLOUD}", False),
        (f"https://evil.example:{{port}}\\@{CLOUD}:{{port}}/", None),
        (f"https://{CLOUD}.:{{port}}/", False),
        ("https://xn--pi-7kc.bitbucket.org:{port}/", False),
        ("https://bitbucket.org:{port}/", False),
        ("https://127.0.0.1:{port}/", False),
    ],
)
async def test_r12_only_the_exact_host_gets_the_token(url: str, *, bearer: bool | None) -> None:
    server_side, _ = throwaway_tls()
    async with scripted_server(always(answer()), ssl=server_side) as server:
        port = server.origin.rpartition(":")[2]
        connector = aiohttp.TCPConnector(resolver=Names(), ssl=False)
        async with authenticated_session(
            CountingSource(), origins=[f"https://{CLOUD}:{port}"], connector=connector
        ) as http:
            try:
                async with http.get(url.format(port=port)):
                    pass
            except aiohttp.InvalidURL:
                assert bearer is None
                return
    assert [header == "Bearer token-1" for header in server.authorizations()] == [bearer]


async def test_r12_an_origin_without_port_means_the_default_port() -> None:
    """https://api.bitbucket.org covers neither another port of that host nor plain http."""
    server_side, _ = throwaway_tls()
    async with scripted_server(always(answer()), ssl=server_side) as secure, scripted_server(always(answer())) as plain:
        connector = aiohttp.TCPConnector(resolver=Names(), ssl=False)
        async with authenticated_session(CountingSource(), connector=connector) as http:
            for server in (secure, plain):
                async with http.get(server.origin.replace("127.0.0.1", CLOUD)):
                    pass
    assert [*secure.authorizations(), *plain.authorizations()] == [None, None]


async def test_r12_a_verified_certificate_changes_nothing() -> None:
    server_side, client_side = throwaway_tls(CLOUD)
    async with scripted_server(always(answer()), ssl=server_side) as server:
        origin = server.origin.replace("127.0.0.1", CLOUD)
        connector = aiohttp.TCPConnector(resolver=Names(), ssl=client_side)
        async with (
            authenticated_session(CountingSource(), origins=[origin], connector=connector) as http,
            http.get(origin) as response,
        ):
            assert response.status == 200
    assert server.authorizations() == ["Bearer token-1"]


async def test_r12_a_request_made_inside_a_redirected_one_is_independent() -> None:
    """A middleware calls the API while another request is at a foreign origin."""
    inner: list[int] = []

    async def asks(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await handler(request)
        if response.status == 307:
            async with request.session.get(f"{api.origin}/own", middlewares=[bearer]) as own:
                inner.append(own.status)
        return response

    async with scripted_server(always(answer())) as api, scripted_server(redirects(f"{api.origin}/act")) as foreign:
        bearer = BearerMiddleware(CountingSource(), origins=[api.origin])
        async with (
            aiohttp.ClientSession(middlewares=[asks, bearer]) as http,
            http.get(foreign.origin),
        ):
            pass
    assert inner == [200]
    seen = [(request.target, request.headers.get("authorization")) for request in api.received]
    assert seen == [("/own", "Bearer token-1"), ("/act", None)]


async def test_r12_aiohttps_own_retry_does_not_forget_a_foreign_redirect() -> None:
    """After a lost connection aiohttp sends a GET again, through the middlewares."""

    async def flaky(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.target == "/act" and len(api.received) == 1:
            writer.close()
        else:
            writer.write(answer())

    async with (
        scripted_server(flaky) as api,
        scripted_server(redirects(f"{api.origin}/act")) as foreign,
        authenticated_session(CountingSource(), origins=[api.origin]) as http,
        http.get(foreign.origin),
    ):
        pass
    assert api.authorizations() == [None, None]


async def test_r12_the_callers_credentials_are_not_replaced_by_the_token_at_a_redirect() -> None:
    """aiohttp drops them at another origin, and the bearer adds nothing in their place."""
    async with scripted_server(always(answer())) as second, scripted_server(redirects(second.origin)) as first:
        origins = [first.origin, second.origin]
        async with (
            authenticated_session(CountingSource(), origins=origins) as http,
            http.get(first.origin, headers={"Authorization": "Basic own"}),
        ):
            pass
    assert first.authorizations() == ["Basic own"]
    assert second.authorizations() == [None]


async def test_finished_redirect_chains_are_forgotten() -> None:
    async with scripted_server(always(answer())) as api, scripted_server(redirects(api.origin)) as foreign:
        bearer = BearerMiddleware(CountingSource(), origins=[api.origin])
        async with aiohttp.ClientSession(middlewares=[bearer]) as http:
            for follow in (True, False):
                async with http.get(foreign.origin, allow_redirects=follow) as response:
                    pass
                del response
    assert not bearer._strayed


async def test_r11_errors_of_aiohttp_do_not_show_the_token() -> None:
    async with (
        scripted_server(always(answer(403))) as api,
        authenticated_session(CountingSource(), origins=[api.origin], raise_for_status=True) as http,
    ):
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await http.get(api.origin)
    assert api.authorizations() == ["Bearer token-1"]
    assert "token-1" not in repr(caught.value) + str(caught.value.request_info)


async def test_r11_a_broken_response_does_not_show_the_token() -> None:
    async with (
        scripted_server(cut_off(b"HTTP/9 nonsense\r\n\r\n")) as api,
        authenticated_session(CountingSource(), origins=[api.origin]) as http,
    ):
        with pytest.raises(aiohttp.ClientError) as caught:
            await http.post(api.origin)
    assert "token-1" not in repr(caught.value) + str(vars(caught.value))


async def test_r11_the_log_shows_only_the_host(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bitbucket_auth_async")
    async with (
        scripted_server(always(answer())) as server,
        authenticated_session(CountingSource()) as http,
        http.get(f"{server.origin}/?code=secret"),
    ):
        pass
    assert [record.getMessage() for record in caplog.records] == ["No bearer on a request to 127.0.0.1"]


async def test_r10_a_session_that_raises_for_status_sees_only_the_second_response() -> None:
    async with (
        scripted_server(refuses("token-1")) as api,
        authenticated_session(CountingSource(), origins=[api.origin], raise_for_status=True) as http,
        http.get(api.origin) as response,
    ):
        assert response.status == 200


async def test_the_callers_middlewares_wrap_ours() -> None:
    """A request that they repeat gets the current token, and they never see a token."""
    seen: list[bool] = []

    async def twice(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        seen.append("Authorization" in request.headers)
        response = await handler(request)
        response.release()
        await source.get_token(rejected=source.token)
        seen.append("Authorization" in request.headers)
        return await handler(request)

    source = CountingSource()
    async with (
        scripted_server(always(answer())) as api,
        authenticated_session(source, origins=[api.origin], middlewares=[twice]) as http,
        http.get(api.origin),
    ):
        pass
    assert api.authorizations() == ["Bearer token-1", "Bearer token-2"]
    assert seen == [False, False]


async def test_an_inner_middleware_may_remove_the_header() -> None:
    async def drops(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        del request.headers["Authorization"]
        return await handler(request)

    async with scripted_server(always(answer())) as api:
        bearer = BearerMiddleware(CountingSource(), origins=[api.origin])
        async with aiohttp.ClientSession(middlewares=[bearer, drops]) as http, http.get(api.origin) as response:
            assert response.status == 200
    assert api.authorizations() == [None]


async def test_websockets_carry_the_token_to_allowed_origins_only() -> None:
    seen: list[str | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        if seen[-1] == "Bearer token-1":
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("hello")
        await socket.close()
        return socket

    def app() -> web.Application:
        app = web.Application()
        app.router.add_get("/", handler)
        return app

    async with TestServer(app()) as server, TestServer(app()) as foreign:
        allowed, other = (str(each.make_url("/")) for each in (server, foreign))
        async with authenticated_session(CountingSource(), origins=[allowed]) as http:
            for origin in (allowed, other):
                async with http.ws_connect(origin.replace("http:", "ws:")) as socket:
                    assert await socket.receive_str() == "hello"
    assert seen == ["Bearer token-1", "Bearer token-2", None]
