"""TransportContract: subclass it with a fixture `transport` to test your own transport."""

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
    """Return a token request with secrets in header and body."""
    return Request(url=f"{origin}/token", headers=_HEADERS, body=_BODY)


async def _refusal(transport: Transport, script: Script, *, timeout: float = _ENOUGH) -> TransportError:  # noqa: ASYNC109  - the transport's own
    """Return the error of a request to a server that runs *script*."""
    async with scripted_server(script) as server:
        return await _failure(transport, server.origin, timeout=timeout)


async def _failure(transport: Transport, origin: str, *, timeout: float = _ENOUGH) -> TransportError:  # noqa: ASYNC109  - the transport's own
    """Return the error of a request to *origin*, after checking that it shows no secret."""
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
    """Tests that every transport must pass; the fixture `transport` returns a new one."""

    async def test_the_request_is_sent_unchanged(self, transport: Transport) -> None:
        """Method, path, headers and body arrive unchanged, once."""
        async with scripted_server(always(answer())) as server:
            await transport.send(token_request(f"{server.origin}"), timeout=_ENOUGH)
        (received,) = server.received
        assert (received.method, received.target, received.body) == ("POST", "/token", _BODY)
        for name, value in _HEADERS.items():
            assert received.headers[name.lower()] == value
        assert "cookie" not in received.headers

    async def test_status_headers_and_body_are_returned(self, transport: Transport) -> None:
        """Header names are in lower case."""
        async with scripted_server(always(answer(200, b'{"a": 1}', {"X-Some-Header": "here"}))) as server:
            response = await transport.send(token_request(server.origin), timeout=_ENOUGH)
        assert (response.status, response.body) == (200, b'{"a": 1}')
        assert response.headers["x-some-header"] == "here"

    @pytest.mark.parametrize("status", [204, 400, 401, 429, 500, 503])
    async def test_every_status_is_returned_as_a_response(self, transport: Transport, status: int) -> None:
        """The caller interprets the status, not the transport."""
        async with scripted_server(always(answer(status))) as server:
            assert (await transport.send(token_request(server.origin), timeout=_ENOUGH)).status == status

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirects_are_not_followed(self, transport: Transport, status: int) -> None:
        """The credentials go only to the server that they are for."""
        async with scripted_server(always(answer())) as elsewhere:
            async with scripted_server(
                always(answer(status, headers={"Location": f"{elsewhere.origin}/token"}))
            ) as server:
                response = await transport.send(token_request(server.origin), timeout=_ENOUGH)
            assert response.status == status
            assert not elsewhere.received
            assert len(server.received) == 1

    async def test_cookies_are_not_kept(self, transport: Transport) -> None:
        """A cookie set for one identity must not be sent with another's request."""
        async with scripted_server(always(answer(headers={"Set-Cookie": "session=1"}))) as server:
            for _ in range(2):
                await transport.send(token_request(server.origin), timeout=_ENOUGH)
        assert [request.headers.get("cookie") for request in server.received] == [None, None]

    async def test_a_response_of_one_mebibyte_is_read(self, transport: Transport) -> None:
        """This is the longest response that is accepted."""
        async with scripted_server(always(answer(body=b"x" * _LIMIT))) as server:
            response = await transport.send(token_request(server.origin), timeout=_ENOUGH)
        assert len(response.body) == _LIMIT

    async def test_a_response_above_one_mebibyte_is_refused(self, transport: Transport) -> None:
        """The server may have processed the request, so it counts as sent."""
        assert (await _refusal(transport, always(answer(body=b"x" * (_LIMIT + 1))))).sent

    async def test_an_endless_response_is_cut_off(self, transport: Transport) -> None:
        """The connection is closed at the limit of 1 MiB."""
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
    async def test_a_compressed_response_is_decoded(self, transport: Transport, coding: str, body: bytes) -> None:
        """Some proxies compress although the request does not accept it."""
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
    async def test_a_response_that_can_not_be_decoded_is_an_error(
        self, transport: Transport, coding: str, body: bytes
    ) -> None:
        """Decoding stops at the limit, and a wrong coding raises TransportError."""
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
    async def test_a_broken_response_counts_as_sent(self, transport: Transport, data: bytes) -> None:
        """The server may have processed the request, and may have rotated the refresh token."""
        assert (await _refusal(transport, cut_off(data))).sent

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(answer(body=b"x" * 100)[:-50], id="half a body"),
        ],
    )
    async def test_a_broken_connection_is_distinguished_from_a_slow_server(
        self, transport: Transport, data: bytes
    ) -> None:
        """It is often temporary, so the request may be repeated once immediately."""
        assert (await _refusal(transport, cut_off(data))).broken

    async def test_a_response_that_breaks_later_counts_as_sent(self, transport: Transport) -> None:
        """Even if the first part of the response was valid."""

        async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)  # a real socket then needs two reads
            writer.write(b"zz\r\nab\r\n")

        assert (await _refusal(transport, script, timeout=0.3)).sent

    async def test_a_reset_counts_as_sent(self, transport: Transport) -> None:
        """The server aborts the connection."""

        async def reset(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        error = await _refusal(transport, reset)
        assert (error.sent, error.broken) == (True, True)

    async def test_a_refused_connection_counts_as_not_sent(self, transport: Transport) -> None:
        """No server listens, so the refresh token was not used."""
        error = await _failure(transport, unused_origin())
        assert (error.sent, error.broken) == (False, False)

    async def test_a_failed_tls_handshake_counts_as_not_sent(self, transport: Transport) -> None:
        """Nothing was sent."""
        async with scripted_server(always(answer()), greeting=answer(400)) as server:
            error = await _failure(transport, server.origin.replace("http:", "https:"))
        assert not error.sent
        assert not server.received

    async def test_a_silent_server_times_out(self, transport: Transport) -> None:
        """The time-out limits the wait for the first byte."""

        async def silence(_: ReceivedRequest, __: asyncio.StreamWriter) -> None:
            await asyncio.Event().wait()

        async with asyncio.timeout(_ENOUGH):
            error = await _refusal(transport, silence, timeout=0.2)
        assert (error.sent, error.broken) == (True, False)

    async def test_a_slow_response_times_out(self, transport: Transport) -> None:
        """The time-out limits the whole request, not the pause between two bytes."""

        async def trickle(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(body=b"x" * 1000, head=True))
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)  # this test is about real time

        async with asyncio.timeout(_ENOUGH):
            error = await _refusal(transport, trickle, timeout=0.3)
        assert (error.sent, error.broken) == (True, False)

    async def test_a_cancelled_send_is_cancelled(self, transport: Transport) -> None:
        """It raises CancelledError, not TransportError, and closes the connection."""
        async with _stalled() as (server, arrived):
            sending = asyncio.create_task(transport.send(token_request(server.origin), timeout=_ENOUGH))
            await arrived.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            async with asyncio.timeout(_ENOUGH):
                await server.closed_by_client.wait()

    async def test_requests_can_be_sent_concurrently(self, transport: Transport) -> None:
        """One transport serves all identities of a process."""

        async def echo(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(body=request.body))

        async with scripted_server(echo) as server:
            bodies = [str(number).encode() for number in range(40)]
            requests = [Request(url=f"{server.origin}/token", headers=_HEADERS, body=body) for body in bodies]
            responses = await asyncio.gather(*(transport.send(request, timeout=_ENOUGH) for request in requests))
        assert [response.body for response in responses] == bodies

    async def test_it_can_be_closed_twice(self, transport: Transport) -> None:
        """The second call does nothing."""
        async with scripted_server(always(answer())) as server:
            await transport.send(token_request(server.origin), timeout=_ENOUGH)
        await transport.aclose()
        await transport.aclose()


@asynccontextmanager
async def _stalled() -> AsyncGenerator[tuple[ScriptedServer, asyncio.Event]]:
    """Start a server that never finishes its response, and an event that is set when a request arrives."""
    arrived = asyncio.Event()

    async def stall(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        # Half a response, then silence until the client disconnects.
        writer.write(b"HTTP/1.1 200 OK\r\n")

    async with scripted_server(stall) as server:
        yield server, arrived
