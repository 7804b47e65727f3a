"""A 401 releases its connection, and the caller can still read it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bitbucket_auth_async.bearer._sent_requests import BODY_LIMIT
from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import ReceivedRequest, answer, refuses, scripted_server

ENOUGH = 20.0


class RequestingSource(CountingSource):
    """A source whose renewal makes a request through the session that waits for it."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__()
        self._ask = ask

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        if rejected is not None:
            async with asyncio.timeout(ENOUGH):
                await self._ask()
        return await super().get_token(rejected=rejected, still_accepted=still_accepted)


def slowly_refuses(body: bytes) -> Callable[[ReceivedRequest, asyncio.StreamWriter], Any]:
    """Refuse token-1 with a response whose body arrives after its headers have been read."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.headers.get("authorization") != "Bearer token-1":
            writer.write(answer(200, b"fine"))
            return
        writer.write(answer(401, body, head=True))
        await writer.drain()
        await asyncio.sleep(0.02)  # on a real socket, two reads
        writer.write(body)

    return script


@pytest.mark.parametrize("stuck", [False, True])
async def test_a_401_holds_no_connection_during_the_renewal(*, stuck: bool) -> None:
    """The only connection of the pool is free for other requests; the caller can still read the 401."""

    async def ask() -> None:
        async with http.get(api.origin, middlewares=()) as response:
            await response.read()

    source = RequestingSource(ask)
    source.stuck = stuck
    async with scripted_server(slowly_refuses(b"who are you?")) as api:
        connector = aiohttp.TCPConnector(limit=1)
        async with (
            authenticated_session(source, origins=[api.origin], connector=connector) as http,
            http.get(api.origin) as response,
        ):
            assert (response.status, await response.text()) == ((401, "who are you?") if stuck else (200, "fine"))
            assert await response.read() == (b"who are you?" if stuck else b"fine")
        assert api.connections == 1


async def test_the_body_of_a_401_can_be_streamed() -> None:
    source = CountingSource()
    source.stuck = True
    body = b"x" * 300_000
    async with (
        scripted_server(slowly_refuses(body)) as api,
        authenticated_session(source, origins=[api.origin]) as http,
        http.get(api.origin) as response,
    ):
        assert b"".join([piece async for piece in response.content.iter_chunked(1000)]) == body
        assert response.content.at_eof()


async def test_an_endless_401_is_cut_at_the_limit() -> None:
    """The renewal goes on, and reading the body raises an error that names the limit."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(401, headers={"Content-Length": str(2**40)}, head=True))
        while True:
            writer.write(b"x" * 2**16)
            await writer.drain()

    source = CountingSource()
    source.stuck = True
    async with (
        scripted_server(script) as api,
        authenticated_session(source, origins=[api.origin]) as http,
        asyncio.timeout(ENOUGH),
        http.get(api.origin) as response,
    ):
        assert response.status == 401
        assert http.connector is not None
        assert not http.connector._acquired
        with pytest.raises(aiohttp.ClientPayloadError, match=f"longer than {BODY_LIMIT} bytes"):
            await response.read()
    assert source.rejections == [("token-1", False)]


async def test_a_broken_401_still_causes_a_renewal() -> None:
    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.headers["authorization"] == "Bearer token-1":
            writer.write(answer(401, b"x" * 100, head=True) + b"x")
            await writer.drain()
            await asyncio.sleep(0.02)  # on a real socket, two reads
            writer.close()
        else:
            writer.write(answer(200))

    async with (
        scripted_server(script) as api,
        authenticated_session(CountingSource(), origins=[api.origin]) as http,
        http.get(api.origin) as response,
    ):
        assert response.status == 200


async def test_reading_a_broken_401_raises_its_error() -> None:
    source = CountingSource()
    source.stuck = True

    async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(401, b"x" * 100, head=True) + b"x")
        await writer.drain()
        await asyncio.sleep(0.02)  # on a real socket, two reads
        writer.close()

    async with (
        scripted_server(script) as api,
        authenticated_session(source, origins=[api.origin]) as http,
        http.get(api.origin) as response,
    ):
        assert response.status == 401
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_the_callers_timeout_limits_a_401_that_never_ends() -> None:
    async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(401, b"x" * 100, head=True))
        await asyncio.Event().wait()

    source = CountingSource()
    timeout = aiohttp.ClientTimeout(total=0.2)
    async with (
        scripted_server(script) as api,
        authenticated_session(source, origins=[api.origin], timeout=timeout) as http,
    ):
        with pytest.raises(TimeoutError):
            await http.get(api.origin)
        # A read time-out, which aiohttp keeps in the stream, does not stop the renewal.
        async with http.get(api.origin, timeout=aiohttp.ClientTimeout(sock_read=0.1)) as response:
            with pytest.raises(aiohttp.SocketTimeoutError):
                await response.read()
    assert source.rejections == [("token-1", False)]


async def test_a_cancelled_caller_leaves_no_connection_behind() -> None:
    waiting = asyncio.Event()

    async def ask() -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with (
        scripted_server(slowly_refuses(b"body")) as api,
        authenticated_session(RequestingSource(ask), origins=[api.origin]) as http,
    ):
        request = asyncio.create_task(http.request("GET", api.origin))
        await waiting.wait()
        assert http.connector is not None
        assert not http.connector._acquired
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request


class ReportingSource(CountingSource):
    """A source that accepts events of bearers, like a manager."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[EventKind] = []

    def tell(self, kind: EventKind, detail: str) -> None:
        assert detail
        self.told.append(kind)


@pytest.mark.parametrize("no_other", [False, True])
async def test_a_refusal_and_a_repetition_are_reported(*, no_other: bool) -> None:
    source = ReportingSource()
    source.stuck = no_other
    async with (
        scripted_server(refuses("token-1")) as api,
        authenticated_session(source, origins=[api.origin]) as http,
        http.get(api.origin) as response,
    ):
        assert response.status == (401 if no_other else 200)
    assert source.told == [EventKind.API_REFUSED, *([] if no_other else [EventKind.API_REPEATED])]


async def test_a_source_without_listener_is_reported_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bitbucket_auth_async")
    async with (
        scripted_server(refuses("token-1")) as api,
        authenticated_session(CountingSource(), origins=[api.origin]) as http,
        http.get(api.origin),
    ):
        pass
    said = [record.getMessage() for record in caplog.records if record.name == "bitbucket_auth_async"]
    assert [text.split(".")[0] for text in said] == ["CountingSource: api_refused", "CountingSource: api_repeated"]
