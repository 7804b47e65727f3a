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
from pathlib import Path

import aiohttp
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
from bitbucket_auth_async.transports.aiohttp import AiohttpTransport
from tests.support.throwaway_tls import throwaway_tls

ENOUGH = 20.0


class TestAiohttpTransport(TransportContract):
    @pytest.fixture
    async def transport(self) -> AsyncGenerator[AiohttpTransport]:
        transport = AiohttpTransport()
        yield transport
        await transport.aclose()


class TestAiohttpTransportWithTheCallersSession(TransportContract):
    @pytest.fixture
    async def transport(self) -> AsyncGenerator[AiohttpTransport]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield AiohttpTransport(session)
            assert not session.closed


async def test_it_sends_its_user_agent() -> None:
    async with scripted_server(always(answer())) as server:
        await AiohttpTransport().send(token_request(server.origin), timeout=ENOUGH)
    assert server.received[0].headers["user-agent"].startswith("bitbucket-auth-async/")


async def test_no_connection_is_used_twice() -> None:
    async with scripted_server(always(answer())) as server:
        transport = AiohttpTransport()
        for _ in range(2):
            await transport.send(token_request(server.origin), timeout=ENOUGH)
        assert server.connections == 2
    assert [request.headers["connection"] for request in server.received] == ["close", "close"]


async def test_a_request_is_never_sent_twice() -> None:
    async with scripted_server(cut_off(b"")) as server:
        with pytest.raises(TransportError):
            await AiohttpTransport().send(token_request(server.origin), timeout=ENOUGH)
    assert len(server.received) == 1


async def test_its_own_timeout_is_the_longest() -> None:
    async def silence(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with scripted_server(silence) as server:
        with pytest.raises(TransportError, match=r"no response within 0\.1 seconds") as caught:
            await AiohttpTransport(timeout=0.1).send(token_request(server.origin), timeout=ENOUGH)
    assert caught.value.sent


async def test_a_handshake_that_never_ends_counts_as_unsent() -> None:
    async with scripted_server(always(answer())) as server:
        transport = AiohttpTransport(connect_timeout=0.1)
        with pytest.raises(TransportError, match="no connection in time") as caught:
            await transport.send(token_request(server.origin.replace("http:", "https:")), timeout=ENOUGH)
    assert not caught.value.sent


async def test_a_timeout_during_the_handshake_counts_as_unsent() -> None:
    async with scripted_server(always(answer())) as server:
        with pytest.raises(TransportError, match="no response within") as caught:
            await AiohttpTransport().send(token_request(server.origin.replace("http:", "https:")), timeout=0.1)
    assert not caught.value.sent


async def test_a_host_name_that_can_not_be_resolved_counts_as_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(TransportError, match=r"bitbucket\.test: .*\(Name or service not known\)") as caught:
        await AiohttpTransport().send(token_request("https://bitbucket.test"), timeout=ENOUGH)
    assert not caught.value.sent


async def test_an_unknown_certificate_counts_as_unsent() -> None:
    server_side, _ = throwaway_tls()
    async with scripted_server(always(answer()), ssl=server_side) as server:
        with pytest.raises(TransportError, match=r"certificate is not trusted .*self-signed") as caught:
            await AiohttpTransport().send(token_request(server.origin), timeout=ENOUGH)
        assert not server.received
    assert not caught.value.sent


async def test_a_given_certificate_is_trusted() -> None:
    server_side, client_side = throwaway_tls()
    async with scripted_server(always(answer(200)), ssl=server_side) as server:
        response = await AiohttpTransport(ssl=client_side).send(token_request(server.origin), timeout=ENOUGH)
    assert response.status == 200


async def test_it_uses_a_proxy() -> None:
    async with scripted_server(always(answer(203))) as proxy:
        transport = AiohttpTransport(proxy=proxy.origin.replace("//", "//name:hidden-word@"))
        response = await transport.send(token_request("http://token.test"), timeout=ENOUGH)
    assert response.status == 203
    assert proxy.received[0].target == "http://token.test/token"
    assert proxy.received[0].headers["proxy-authorization"].startswith("Basic ")


async def test_a_proxy_that_refuses_counts_as_unsent() -> None:
    async with scripted_server(always(answer(407))) as proxy:
        transport = AiohttpTransport(proxy=proxy.origin.replace("//", "//name:hidden-word@"))
        with pytest.raises(TransportError, match="the proxy answered 407") as caught:
            await transport.send(token_request("https://token.test"), timeout=ENOUGH)
    assert not caught.value.sent
    assert caught.value.__context__ is None
    assert "hidden-word" not in str(caught.value)


async def test_an_unreachable_proxy_counts_as_unsent() -> None:
    transport = AiohttpTransport(proxy=unused_origin().replace("//", "//name:hidden-word@"))
    with pytest.raises(TransportError) as caught:
        await transport.send(token_request("https://token.test"), timeout=ENOUGH)
    assert not caught.value.sent
    assert "hidden-word" not in str(caught.value)


async def test_the_environment_sets_the_proxy_only_with_trust_env(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_server(always(answer(200))) as server, scripted_server(always(answer(203))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin.removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "direct.test")

        async def status(transport: AiohttpTransport, origin: str) -> int:
            return (await transport.send(token_request(origin), timeout=ENOUGH)).status

        assert await status(AiohttpTransport(), server.origin) == 200
        assert await status(AiohttpTransport(trust_env=True), server.origin) == 203
        assert await status(AiohttpTransport(trust_env=True, proxy=proxy.origin), "http://direct.test") == 203
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await status(AiohttpTransport(trust_env=True), server.origin) == 200


@pytest.mark.parametrize("own_session", [True, False])
async def test_netrc_is_never_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, own_session: bool) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with scripted_server(always(answer())) as server, aiohttp.ClientSession(trust_env=True) as session:
        transport = AiohttpTransport(None if own_session else session, trust_env=True)
        await transport.send(token_request(server.origin), timeout=ENOUGH)
        await transport.send(Request(url=server.origin, headers={}, body=b"client_secret=in-here"), timeout=ENOUGH)
    assert server.authorizations() == ["Basic c2VjcmV0LWhlYWRlcg", None]


async def test_nothing_of_the_callers_session_is_applied() -> None:
    async def never(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        msg = "a bearer here would ask the manager, which waits for us"
        raise AssertionError(msg)

    async def refuse(response: aiohttp.ClientResponse) -> None:
        raise AssertionError(response.status)

    async with (
        scripted_server(always(answer(400))) as server,
        aiohttp.ClientSession(
            middlewares=(never,),
            raise_for_status=refuse,
            auto_decompress=False,
            cookies={"session": "1"},
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            headers={"Authorization": "Bearer of-the-api"},
            base_url="http://elsewhere.test/",
        ) as session,
    ):
        response = await AiohttpTransport(session).send(
            Request(url=server.origin, headers={}, body=b"client_secret=in-here"), timeout=ENOUGH
        )
    assert response.status == 400
    assert "cookie" not in server.received[0].headers
    assert server.authorizations() == [None]


async def test_r1_a_process_that_was_suspended_before_sending_does_not_send_late() -> None:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(_stand_still)
    async with scripted_server(always(answer())) as server, aiohttp.ClientSession(trace_configs=[tracing]) as session:
        with pytest.raises(TransportError) as caught:
            await AiohttpTransport(session).send(token_request(server.origin), timeout=0.1)
        assert not caught.value.sent
        assert all(b"grant_type" not in request.body for request in server.received)


async def _stand_still(*_: object) -> None:
    """Suspend the whole process with its event loop, as SIGSTOP and SIGCONT do."""
    time.sleep(0.2)  # noqa: ASYNC251 - nothing else may run meanwhile: that is the test


async def test_a_failure_in_the_callers_session_after_sending_may_hide_a_renewal() -> None:
    async def fails(*_: object) -> None:
        msg = "in somebody's tracing"
        raise RuntimeError(msg)

    tracing = aiohttp.TraceConfig()
    tracing.on_request_end.append(fails)
    async with scripted_server(always(answer())) as server, aiohttp.ClientSession(trace_configs=[tracing]) as session:
        with pytest.raises(TransportError, match="RuntimeError") as caught:
            await AiohttpTransport(session).send(token_request(server.origin), timeout=ENOUGH)
    assert caught.value.sent


async def test_a_closed_session_is_a_configuration_error() -> None:
    async with aiohttp.ClientSession() as session:
        pass
    with pytest.raises(ConfigurationError, match="session of AiohttpTransport is closed"):
        await AiohttpTransport(session).send(token_request("http://127.0.0.1:1"), timeout=ENOUGH)


def test_a_session_of_another_loop_is_a_configuration_error() -> None:
    session = asyncio.run(_open_session())
    with pytest.raises(ConfigurationError, match="another event loop"):
        asyncio.run(_send_once(AiohttpTransport(session)))
    asyncio.run(session.close())


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request(url="bitbucket.org/no/scheme", headers={}, body=b""), id="no scheme"),
        pytest.param(Request(url="https://", headers={}, body=b""), id="no host"),
        pytest.param(Request(url="http://127.0.0.1:1", headers={"X": "a\r\nB: secret-code"}, body=b""), id="injection"),
    ],
)
async def test_an_invalid_request_is_a_configuration_error(request_: Request) -> None:
    async with scripted_server(always(answer())) as server:
        url = request_.url.replace("http://127.0.0.1:1", server.origin)
        with pytest.raises(ConfigurationError) as caught:
            await AiohttpTransport().send(Request(url=url, headers=request_.headers, body=b""), timeout=ENOUGH)
    assert "secret-code" not in str(caught.value)
    assert not server.received


def test_it_serves_two_loops_in_turn_and_leaves_nothing_open() -> None:
    server_side, client_side = throwaway_tls()
    transport = AiohttpTransport(ssl=client_side)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            asyncio.run(_send_once(transport, server_side), debug=True)
        gc.collect()


def test_it_serves_both_sides_of_a_fork() -> None:
    program = textwrap.dedent("""
        import asyncio, os
        from bitbucket_auth_async.testing.transport_contract import token_request
        from bitbucket_auth_async.testing.scripted_server import always, answer, scripted_server
        from bitbucket_auth_async.transports.aiohttp import AiohttpTransport

        async def main():
            async with scripted_server(always(answer(200))) as server:
                assert (await transport.send(token_request(server.origin), timeout=20)).status == 200

        transport = AiohttpTransport()
        asyncio.run(main())
        child = os.fork()
        asyncio.run(main())
        if child:
            assert os.waitpid(child, 0)[1] == 0
        """)
    subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", program], check=True, timeout=60)


async def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


async def _send_once(transport: AiohttpTransport, server_side: ssl.SSLContext | None = None) -> None:
    async with scripted_server(always(answer()), ssl=server_side) as server:
        await transport.send(token_request(server.origin), timeout=ENOUGH)
