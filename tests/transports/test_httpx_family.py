import asyncio
import gc
import socket
import ssl
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from bitbucket_auth_async.errors import ConfigurationError, TransportError
from bitbucket_auth_async.oauth2.http_messages import Request
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    always,
    answer,
    cut_off,
    scripted_server,
    unused_origin,
)
from bitbucket_auth_async.testing.transport_contract import TransportContract, token_request
from bitbucket_auth_async.transports._httpx_family import HttpxFamilyTransport
from bitbucket_auth_async.transports.httpx import HttpxTransport
from bitbucket_auth_async.transports.httpx2 import Httpx2Transport
from tests.support.throwaway_tls import throwaway_tls

ENOUGH = 20.0
BOTH: list[tuple[ModuleType, type[HttpxFamilyTransport]]] = [(httpx, HttpxTransport), (httpx2, Httpx2Transport)]


@pytest.fixture(params=BOTH, ids=["httpx", "httpx2"])
def both(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401  - the two of a pair
    return request.param


@pytest.fixture
def library(both: Any) -> ModuleType:  # noqa: ANN401  - the two of a pair
    module: ModuleType = both[0]
    return module


@pytest.fixture
def kind(both: Any) -> type[HttpxFamilyTransport]:  # noqa: ANN401  - the two of a pair
    transport: type[HttpxFamilyTransport] = both[1]
    return transport


class TestHttpxTransport(TransportContract):
    @pytest.fixture
    async def transport(self, kind: type[HttpxFamilyTransport]) -> AsyncGenerator[HttpxFamilyTransport]:
        transport = kind()
        yield transport
        await transport.aclose()


class TestHttpxTransportThroughTheCallersTransport(TransportContract):
    @pytest.fixture
    async def transport(
        self, kind: type[HttpxFamilyTransport], library: ModuleType
    ) -> AsyncGenerator[HttpxFamilyTransport]:
        async with library.AsyncHTTPTransport() as transport:
            yield kind(transport)


async def test_it_sends_its_user_agent(kind: type[HttpxFamilyTransport]) -> None:
    async with scripted_server(always(answer())) as server:
        await kind().send(token_request(server.origin), timeout=ENOUGH)
    assert server.received[0].headers["user-agent"].startswith("bitbucket-auth-async/")


async def test_no_connection_is_used_twice(kind: type[HttpxFamilyTransport]) -> None:
    async with scripted_server(always(answer())) as server:
        transport = kind()
        for _ in range(2):
            await transport.send(token_request(server.origin), timeout=ENOUGH)
        assert server.connections == 2
    assert [request.headers["connection"] for request in server.received] == ["close", "close"]


async def test_the_callers_transport_may_keep_its_connections(
    kind: type[HttpxFamilyTransport], library: ModuleType
) -> None:
    """It may use HTTP/2, which forbids a `Connection` header (RFC 9113 section 8.2.2)."""
    async with scripted_server(always(answer())) as server, library.AsyncHTTPTransport() as given:
        transport = kind(given)
        for _ in range(2):
            await transport.send(token_request(server.origin), timeout=ENOUGH)
        assert server.connections == 1
    assert all("connection" not in request.headers for request in server.received)


async def test_a_request_is_never_sent_twice(kind: type[HttpxFamilyTransport]) -> None:
    async with scripted_server(cut_off(b"")) as server:
        with pytest.raises(TransportError):
            await kind().send(token_request(server.origin), timeout=ENOUGH)
    assert len(server.received) == 1


async def test_its_own_timeout_is_the_longest(kind: type[HttpxFamilyTransport]) -> None:
    async def silence(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with scripted_server(silence) as server:
        with pytest.raises(TransportError, match=r"no response within 0\.1 seconds") as caught:
            await kind(timeout=0.1).send(token_request(server.origin), timeout=ENOUGH)
    assert caught.value.sent


async def test_a_handshake_that_never_ends_counts_as_unsent(kind: type[HttpxFamilyTransport]) -> None:
    async with scripted_server(always(answer())) as server:
        transport = kind(connect_timeout=0.1)
        with pytest.raises(TransportError, match="no connection in time") as caught:
            await transport.send(token_request(server.origin.replace("http:", "https:")), timeout=ENOUGH)
    assert not caught.value.sent


async def test_a_timeout_during_the_handshake_counts_as_unsent(kind: type[HttpxFamilyTransport]) -> None:
    async with scripted_server(always(answer())) as server:
        with pytest.raises(TransportError, match="no response within") as caught:
            await kind().send(token_request(server.origin.replace("http:", "https:")), timeout=0.1)
    assert not caught.value.sent


async def test_a_host_name_that_can_not_be_resolved_counts_as_unsent(
    kind: type[HttpxFamilyTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(TransportError, match=r"bitbucket\.test: .*\(Name or service not known\)") as caught:
        await kind().send(token_request("https://bitbucket.test"), timeout=ENOUGH)
    assert not caught.value.sent


async def test_a_refused_connection_is_reported_with_its_reason(kind: type[HttpxFamilyTransport]) -> None:
    with pytest.raises(TransportError, match=r"ConnectError \(.+\)") as caught:
        await kind().send(token_request(unused_origin()), timeout=ENOUGH)
    assert not caught.value.sent


async def test_an_unknown_certificate_counts_as_unsent(kind: type[HttpxFamilyTransport]) -> None:
    server_side, _ = throwaway_tls()
    async with scripted_server(always(answer()), ssl=server_side) as server:
        with pytest.raises(TransportError, match=r"certificate is not trusted .*self-signed") as caught:
            await kind().send(token_request(server.origin), timeout=ENOUGH)
        assert not server.received
    assert not caught.value.sent


async def test_a_given_certificate_is_trusted(kind: type[HttpxFamilyTransport]) -> None:
    server_side, client_side = throwaway_tls()
    async with scripted_server(always(answer(200)), ssl=server_side) as server:
        response = await kind(ssl=client_side).send(token_request(server.origin), timeout=ENOUGH)
    assert response.status == 200


async def test_it_uses_a_proxy(kind: type[HttpxFamilyTransport]) -> None:
    async with scripted_server(always(answer(203))) as proxy:
        transport = kind(proxy=proxy.origin.replace("//", "//name:hidden-word@"))
        response = await transport.send(token_request("http://token.test"), timeout=ENOUGH)
    assert response.status == 203
    assert proxy.received[0].target == "http://token.test/token"
    assert proxy.received[0].headers["proxy-authorization"].startswith("Basic ")


async def test_a_proxy_that_refuses_counts_as_unsent(kind: type[HttpxFamilyTransport]) -> None:
    async with scripted_server(always(answer(407))) as proxy:
        transport = kind(proxy=proxy.origin.replace("//", "//name:hidden-word@"))
        with pytest.raises(TransportError, match="the proxy answered 407") as caught:
            await transport.send(token_request("https://token.test"), timeout=ENOUGH)
    assert not caught.value.sent
    assert caught.value.__context__ is None
    assert "hidden-word" not in str(caught.value)


async def test_an_unreachable_proxy_counts_as_unsent(kind: type[HttpxFamilyTransport]) -> None:
    transport = kind(proxy=unused_origin().replace("//", "//name:hidden-word@"))
    with pytest.raises(TransportError) as caught:
        await transport.send(token_request("https://token.test"), timeout=ENOUGH)
    assert not caught.value.sent
    assert "hidden-word" not in str(caught.value)


async def test_the_environment_sets_the_proxy_only_with_trust_env(
    kind: type[HttpxFamilyTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted_server(always(answer(200))) as server, scripted_server(always(answer(203))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin.removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "direct.test")

        async def status(transport: HttpxFamilyTransport, origin: str) -> int:
            return (await transport.send(token_request(origin), timeout=ENOUGH)).status

        assert await status(kind(), server.origin) == 200
        assert await status(kind(trust_env=True), server.origin) == 203
        assert await status(kind(trust_env=True, proxy=proxy.origin), "http://direct.test") == 203
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await status(kind(trust_env=True), server.origin) == 200


async def test_repeated_headers_are_joined(kind: type[HttpxFamilyTransport]) -> None:
    data = answer().replace(b"\r\n\r\n", b"\r\nX-Twice: one\r\nX-Twice: two\r\n\r\n")
    async with scripted_server(always(data)) as server:
        response = await kind().send(token_request(server.origin), timeout=ENOUGH)
    assert response.headers["x-twice"] == "one, two"


async def test_r1_a_process_that_was_suspended_before_sending_does_not_send_late(
    kind: type[HttpxFamilyTransport], library: ModuleType
) -> None:
    async def trace(name: str, _: object) -> None:
        if name == "connection.connect_tcp.complete":
            time.sleep(0.2)  # noqa: ASYNC251 - suspends the whole process, as SIGSTOP and SIGCONT do

    class Traced:
        async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401  - whichever of the two
            request.extensions["trace"] = trace
            return await given.handle_async_request(request)

    async with scripted_server(always(answer())) as server, library.AsyncHTTPTransport() as given:
        with pytest.raises(TransportError) as caught:
            await kind(Traced()).send(token_request(server.origin), timeout=0.1)
        assert not caught.value.sent
        assert all(b"grant_type" not in request.body for request in server.received)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(url="bitbucket.org/no/scheme", headers={}, body=b""), id="no scheme"),
        pytest.param(Request(url="https://", headers={}, body=b""), id="no host"),
        pytest.param(Request(url="http://[half", headers={}, body=b""), id="no address"),
        pytest.param(Request(url="http://127.0.0.1:1", headers={"X": "a\r\nB: secret-code"}, body=b""), id="injection"),
    ],
)
async def test_an_invalid_request_is_a_configuration_error(kind: type[HttpxFamilyTransport], request_: Request) -> None:
    async with scripted_server(always(answer())) as server:
        url = request_.url.replace("http://127.0.0.1:1", server.origin)
        with pytest.raises(ConfigurationError) as caught:
            await kind().send(Request(url=url, headers=request_.headers, body=b""), timeout=ENOUGH)
    assert "secret-code" not in str(caught.value)
    assert not server.received


async def test_a_failure_in_the_callers_transport_after_sending_may_hide_a_renewal(
    kind: type[HttpxFamilyTransport], library: ModuleType
) -> None:
    class Fails:
        async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401  - whichever of the two
            await given.handle_async_request(request)
            msg = "in somebody's transport"
            raise RuntimeError(msg)

    async with scripted_server(always(answer())) as server, library.AsyncHTTPTransport() as given:
        with pytest.raises(TransportError, match="RuntimeError") as caught:
            await kind(Fails()).send(token_request(server.origin), timeout=ENOUGH)
    assert caught.value.sent


def test_it_serves_two_loops_in_turn_and_leaves_nothing_open(kind: type[HttpxFamilyTransport]) -> None:
    server_side, client_side = throwaway_tls()
    transport = kind(ssl=client_side)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            asyncio.run(_send_once(transport, server_side), debug=True)
        gc.collect()


def test_it_serves_both_sides_of_a_fork(library: ModuleType, kind: type[HttpxFamilyTransport]) -> None:
    program = textwrap.dedent(f"""
        import asyncio, os
        from bitbucket_auth_async.testing.transport_contract import token_request
        from bitbucket_auth_async.testing.scripted_server import always, answer, scripted_server
        from bitbucket_auth_async.transports.{library.__name__} import {kind.__name__}

        async def main():
            async with scripted_server(always(answer(200))) as server:
                assert (await transport.send(token_request(server.origin), timeout=20)).status == 200

        transport = {kind.__name__}()
        asyncio.run(main())
        child = os.fork()
        asyncio.run(main())
        if child:
            assert os.waitpid(child, 0)[1] == 0
        """)
    subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", program], check=True, timeout=60)


async def _send_once(transport: HttpxFamilyTransport, server_side: ssl.SSLContext | None = None) -> None:
    async with scripted_server(always(answer()), ssl=server_side) as server:
        await transport.send(token_request(server.origin), timeout=ENOUGH)


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), TimeoutError()], ids=repr)
async def test_an_os_error_in_the_callers_transport_is_a_broken_connection_unless_it_is_a_timeout(
    kind: type[HttpxFamilyTransport], library: ModuleType, error: OSError
) -> None:
    class Failing(library.AsyncBaseTransport):  # type: ignore[name-defined, misc]  # pyright: ignore[reportUntypedBaseClass]  - of either library
        async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401  - of either library
            async for _ in request.stream:
                pass
            raise error

    with pytest.raises(TransportError) as caught:
        await kind(Failing()).send(token_request("https://api.example"), timeout=ENOUGH)
    assert (caught.value.sent, caught.value.broken) == (True, not isinstance(error, TimeoutError))
