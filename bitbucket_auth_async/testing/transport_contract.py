"""TransportContract: subclass it with a fixture `transport`, and it proves that your transport keeps its word."""

import asyncio
import gzip
import traceback
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.oauth2.http_messages import Request
from bitbucket_auth_async.protocols import Transport
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    Script,
    ScriptedServer,
    always,
    answer,
    cut_off,
    scripted_server,
    unused_origin,
)

with extra("testing"):
    import pytest

_SECRETS = ("c2VjcmV0LWhlYWRlcg", "secret-code")
_HEADERS = {"Authorization": f"Basic {_SECRETS[0]}", "Content-Type": "application/x-www-form-urlencoded"}
_BODY = f"grant_type=authorization_code&code={_SECRETS[1]}".encode()
_ENOUGH = 20.0
_LIMIT = 2**20


def token_request(origin: str) -> Request:
    """Return a request as the token endpoint gets it, full of secrets."""
    return Request(url=f"{origin}/token", headers=_HEADERS, body=_BODY)


async def _refusal(transport: Transport, script: Script, *, timeout: float = _ENOUGH) -> TransportError:  # noqa: ASYNC109  - the transport's own
    """Send to a server that answers by *script*, expect failure, and see that no secret shows in it."""
    async with scripted_server(script) as server:
        return await _failure(transport, server.origin, timeout=timeout)


async def _failure(transport: Transport, origin: str, *, timeout: float = _ENOUGH) -> TransportError:  # noqa: ASYNC109  - the transport's own
    with pytest.raises(TransportError) as caught:
        await transport.send(token_request(origin), timeout=timeout)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    hidden = caught.value.__cause__ or caught.value.__context__
    while hidden is not None:
        shown += f"{hidden!r} {vars(hidden)}"
        hidden = hidden.__cause__ or hidden.__context__
    assert not [secret for secret in _SECRETS if secret in shown]
    return caught.value


class TransportContract:
    """What every transport must do; the fixture `transport` gives a fresh one."""

    async def test_sends_the_request_as_it_is(self, transport: Transport) -> None:
        """Method, address, headers and body arrive unchanged, once."""
        async with scripted_server(always(answer())) as server:
            await transport.send(token_request(f"{server.origin}"), timeout=_ENOUGH)
        (received,) = server.received
        assert (received.method, received.target, received.body) == ("POST", "/token", _BODY)
        for name, value in _HEADERS.items():
            assert received.headers[name.lower()] == value
        assert "cookie" not in received.headers

    async def test_gives_status_headers_and_body(self, transport: Transport) -> None:
        """Header names come in lower case."""
        async with scripted_server(always(answer(200, b'{"a": 1}', {"X-Some-Header": "here"}))) as server:
            response = await transport.send(token_request(server.origin), timeout=_ENOUGH)
        assert (response.status, response.body) == (200, b'{"a": 1}')
        assert response.headers["x-some-header"] == "here"

    @pytest.mark.parametrize("status", [204, 400, 401, 429, 500, 503])
    async def test_every_status_is_an_answer(self, transport: Transport, status: int) -> None:
        """What a status means is not the transport's affair."""
        async with scripted_server(always(answer(status))) as server:
            assert (await transport.send(token_request(server.origin), timeout=_ENOUGH)).status == status

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_follows_no_redirect(self, transport: Transport, status: int) -> None:
        """The credentials stay with the server that they were meant for."""
        async with scripted_server(always(answer())) as elsewhere:
            async with scripted_server(
                always(answer(status, headers={"Location": f"{elsewhere.origin}/token"}))
            ) as server:
                response = await transport.send(token_request(server.origin), timeout=_ENOUGH)
            assert response.status == status
            assert not elsewhere.received
            assert len(server.received) == 1

    async def test_keeps_no_cookie(self, transport: Transport) -> None:
        """What one identity's answer sets does not go along with another's request."""
        async with scripted_server(always(answer(headers={"Set-Cookie": "session=1"}))) as server:
            for _ in range(2):
                await transport.send(token_request(server.origin), timeout=_ENOUGH)
        assert [request.headers.get("cookie") for request in server.received] == [None, None]

    async def test_reads_an_answer_of_one_mebibyte(self, transport: Transport) -> None:
        """Up to the bound all is read."""
        async with scripted_server(always(answer(body=b"x" * _LIMIT))) as server:
            response = await transport.send(token_request(server.origin), timeout=_ENOUGH)
        assert len(response.body) == _LIMIT

    async def test_one_byte_more_is_too_much(self, transport: Transport) -> None:
        """The server may well have done its work, so the request counts as sent."""
        assert (await _refusal(transport, always(answer(body=b"x" * (_LIMIT + 1))))).sent

    async def test_an_endless_answer_is_not_read_to_its_end(self, transport: Transport) -> None:
        """The connection is closed once the bound is passed."""
        written = 0

        async def endless(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            writer.write(answer(headers={"Content-Length": str(2**40)}, head=True))
            while True:
                writer.write(b"x" * 2**16)
                written += 2**16
                await writer.drain()

        assert (await _refusal(transport, endless)).sent
        assert written < 64 * _LIMIT

    @pytest.mark.parametrize(
        "coding, body",
        [
            ("gzip", gzip.compress(b"packed", mtime=0)),
            ("deflate", zlib.compress(b"packed")),
            ("identity", b"packed"),
        ],
    )
    async def test_unpacks_a_compressed_answer(self, transport: Transport, coding: str, body: bytes) -> None:
        """Some proxies compress what nobody asked them to."""
        async with scripted_server(always(answer(body=body, headers={"Content-Encoding": coding}))) as server:
            assert (await transport.send(token_request(server.origin), timeout=_ENOUGH)).body == b"packed"

    @pytest.mark.parametrize(
        "coding, body",
        [
            pytest.param("gzip", gzip.compress(b"\0" * 64 * _LIMIT), id="bomb"),
            pytest.param("gzip", b'{"access_token": "plain"}', id="not packed"),
            pytest.param("gzip", gzip.compress(b"packed" * 100)[:-12], id="cut"),
            pytest.param("unheard-of", b"whatever", id="unknown"),
        ],
    )
    async def test_what_can_not_be_unpacked_is_no_answer(self, transport: Transport, coding: str, body: bytes) -> None:
        """A bomb goes no further than the bound, and the wrong coding is no crash."""
        script = always(answer(body=body, headers={"Content-Encoding": coding}))
        assert (await _refusal(transport, script)).sent

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"HTTP/1.1 200", id="half a line"),
            pytest.param(answer(body=b"x" * 100)[:-50], id="half a body"),
            pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", id="half a chunk"),
            pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", id="no chunk"),
            pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", id="no HTTP"),
        ],
    )
    async def test_a_broken_answer_may_hide_a_renewal(self, transport: Transport, data: bytes) -> None:
        """The server may have processed what it did not answer whole."""
        assert (await _refusal(transport, cut_off(data))).sent

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(answer(body=b"x" * 100)[:-50], id="half a body"),
        ],
    )
    async def test_a_broken_connection_is_told_from_a_slow_server(self, transport: Transport, data: bytes) -> None:
        """It is often nobody's fault, so the request may go out once more at once."""
        assert (await _refusal(transport, cut_off(data))).broken

    async def test_a_late_break_may_hide_a_renewal(self, transport: Transport) -> None:
        """The first part of the answer was fine."""

        async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)  # on a real socket, two reads
            writer.write(b"zz\r\nab\r\n")

        assert (await _refusal(transport, script, timeout=0.3)).sent

    async def test_a_reset_may_hide_a_renewal(self, transport: Transport) -> None:
        """The same for a connection that the server aborts."""

        async def reset(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        error = await _refusal(transport, reset)
        assert (error.sent, error.broken) == (True, True)

    async def test_a_server_that_is_not_there_got_nothing(self, transport: Transport) -> None:
        """Nobody listens: the refresh token is surely not spent."""
        error = await _failure(transport, unused_origin())
        assert (error.sent, error.broken) == (False, False)

    async def test_a_server_without_tls_got_nothing(self, transport: Transport) -> None:
        """The handshake failed, so nothing went out."""
        async with scripted_server(always(answer()), greeting=answer(400)) as server:
            error = await _failure(transport, server.origin.replace("http:", "https:"))
        assert not error.sent
        assert not server.received

    async def test_silence_ends_in_time(self, transport: Transport) -> None:
        """The time-out bounds the wait for the first byte."""

        async def silence(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        async with asyncio.timeout(_ENOUGH):
            error = await _refusal(transport, silence, timeout=0.2)
        assert (error.sent, error.broken) == (True, False)

    async def test_a_trickle_ends_in_time(self, transport: Transport) -> None:
        """The time-out bounds the whole, not the pause between two bytes."""

        async def trickle(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(body=b"x" * 1000, head=True))
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)  # real time is what this is about

        async with asyncio.timeout(_ENOUGH):
            error = await _refusal(transport, trickle, timeout=0.3)
        assert (error.sent, error.broken) == (True, False)

    async def test_a_cancelled_send_is_cancelled(self, transport: Transport) -> None:
        """Cancellation is no TransportError, and the connection does not stay behind."""
        async with _stalled() as (server, arrived):
            sending = asyncio.create_task(transport.send(token_request(server.origin), timeout=_ENOUGH))
            await arrived.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            async with asyncio.timeout(_ENOUGH):
                await server.closed_by_client.wait()

    async def test_many_send_at_once(self, transport: Transport) -> None:
        """One transport serves all identities of a process."""

        async def echo(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(body=request.body))

        async with scripted_server(echo) as server:
            bodies = [str(number).encode() for number in range(40)]
            requests = [Request(url=f"{server.origin}/token", headers=_HEADERS, body=body) for body in bodies]
            responses = await asyncio.gather(*(transport.send(request, timeout=_ENOUGH) for request in requests))
        assert [response.body for response in responses] == bodies

    async def test_closes_twice(self, transport: Transport) -> None:
        """Closing again does nothing, used or not."""
        async with scripted_server(always(answer())) as server:
            await transport.send(token_request(server.origin), timeout=_ENOUGH)
        await transport.aclose()
        await transport.aclose()


@asynccontextmanager
async def _stalled() -> AsyncGenerator[tuple[ScriptedServer, asyncio.Event]]:
    """Open a port that never answers, and an event that tells when a request has arrived."""
    arrived = asyncio.Event()

    async def stall(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        # Half an answer, then silence; ends when the other side is gone.
        writer.write(b"HTTP/1.1 200 OK\r\n")

    async with scripted_server(stall) as server:
        yield server, arrived
