"""Bodies that are sent again after a 401: only those that are sure to give the same bytes."""

import asyncio
import io
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    ScriptedServer,
    answer,
    refuses,
    scripted_server,
)

ENOUGH = 20.0


def multipart(*parts: Any) -> aiohttp.MultipartWriter:  # noqa: ANN401  - what a body may be made of
    writer = aiohttp.MultipartWriter("mixed", boundary="here")
    for part in parts:
        writer.append(part)
    return writer


async def pieces() -> AsyncGenerator[bytes]:
    yield b"piece"


class OneWay(io.RawIOBase):
    """Knows its position, and can't go back to it."""

    def __init__(self) -> None:
        self._left = [b"once"]

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  - as in io
        piece = self._left.pop() if self._left else b""
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: {"data": b"bytes"}, id="bytes"),
        pytest.param(lambda: {"data": "text"}, id="text"),
        pytest.param(lambda: {"data": {"a": "form"}}, id="form"),
        pytest.param(lambda: {"json": {"a": "json"}}, id="json"),
        pytest.param(lambda: {"data": io.BytesIO(b"in memory")}, id="BytesIO"),
        pytest.param(lambda: {"data": io.StringIO("in memory")}, id="StringIO"),
        pytest.param(lambda: {"data": b"packed" * 100, "compress": True}, id="compressed"),
        pytest.param(lambda: {"data": b"asked first", "expect100": True}, id="expect100"),
        pytest.param(lambda: {"data": multipart("a", b"b", io.BytesIO(b"c"))}, id="multipart"),
        pytest.param(lambda: {"data": multipart("a", multipart("b", b"c"))}, id="nested multipart"),
    ],
)
async def test_r10_a_body_in_memory_is_sent_again_completely(make: Callable[[], dict[str, Any]]) -> None:
    assert await _sent_twice(**make())


async def test_r10_a_file_is_sent_again_from_its_first_position(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"header" + b"x" * 100_000)
    with path.open("rb") as file:
        file.seek(6)
        first, again = await _bodies(data=file)
    assert first == again == b"x" * 100_000
    with path.open("rb") as file:
        assert await _sent_twice(data=multipart("a", file))
    with path.open() as file:
        assert await _sent_twice(data=file)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(pieces, id="generator"),
        pytest.param(OneWay, id="file that can't go back"),
        pytest.param(lambda: multipart("a", pieces()), id="generator in multipart"),
        pytest.param(lambda: multipart("a", OneWay()), id="such a file in multipart"),
        pytest.param(lambda: multipart("a", multipart(pieces())), id="generator in nested multipart"),
    ],
)
async def test_r10_a_consumed_body_is_never_sent_again(make: Callable[[], Any]) -> None:
    assert not await _sent_twice(data=make())


async def test_r10_a_file_that_can_not_be_rewound_is_not_read_again() -> None:
    """With a Content-Length of the caller, aiohttp itself would notice only after sending nothing."""
    assert not await _sent_twice(data=OneWay(), headers={"Content-Length": "4"})


async def test_r10_a_pipe_is_never_sent_again() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert not await _sent_twice(data=pipe)


class Early(asyncio.Protocol):
    """Answers after the headers and reads no further, so that writing to it blocks."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = requests

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._requests.append(data)
        self._transport.pause_reading()
        self._transport.write(answer(401 if b"Bearer token-1" in data else 200, b"early"))


@pytest.mark.parametrize("in_memory", [False, True])
async def test_r10_an_upload_that_was_cut_short_is_sent_again_only_from_memory(
    tmp_path: Path, *, in_memory: bool
) -> None:
    """A thread may still read the file for the first attempt."""
    requests: list[bytes] = []
    connections: list[Early] = []

    def connect() -> Early:
        connections.append(Early(requests))
        return connections[-1]

    path = tmp_path / "upload"
    path.touch()
    os.truncate(path, 16 * 2**20)
    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with path.open("rb") as file:
        async with asyncio.timeout(ENOUGH), authenticated_session(CountingSource(), origins=[origin]) as http:
            data = multipart(*[bytes(2**20)] * 16) if in_memory else file
            async with http.put(origin, data=data) as response:
                assert (response.status, await response.read()) == (200 if in_memory else 401, b"early")
    # The unread rest of the first body is not mixed with the next request.
    assert len(connections) == len(requests) == (2 if in_memory else 1)
    server.close()
    for connection in connections:
        connection._transport.abort()


async def test_r10_a_body_that_was_refused_before_100_continue_is_sent_after_it() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def refuse_first(request: web.Request) -> web.Response | None:
        if request.headers["Authorization"] == "Bearer token-1":
            return web.Response(status=401, text="not yet")
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    app = web.Application()
    app.router.add_post("/", handler, expect_handler=refuse_first)
    async with TestServer(app) as server:
        origin = str(server.make_url("")).rstrip("/")
        async with asyncio.timeout(ENOUGH), authenticated_session(CountingSource(), origins=[origin]) as http:
            async with http.post(origin, data=b"worth asking", expect100=True) as response:
                assert (response.status, await response.read()) == (200, b"worth asking")
            async with http.post(origin, data=b"once more") as response:
                assert response.status == 200


async def test_r10_a_redirected_body_is_sent_again_too() -> None:
    """307 keeps the body; the 401 comes at the second hop."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.target == "/":
            writer.write(answer(307, headers={"Location": "/there"}))
        else:
            await refuses("token-1")(request, writer)

    async with (
        scripted_server(script) as api,
        authenticated_session(CountingSource(), origins=[api.origin]) as http,
        http.post(api.origin, data=b"carried") as response,
    ):
        assert (response.status, await response.read()) == (200, b"carried")
    assert [request.body for request in api.received] == [b"carried"] * 3
    assert api.authorizations() == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def _bodies(**request: Any) -> list[bytes]:  # noqa: ANN401  - what a request takes
    server: ScriptedServer
    async with (
        scripted_server(refuses("token-1")) as server,
        authenticated_session(CountingSource(), origins=[server.origin]) as http,
        asyncio.timeout(ENOUGH),
        http.put(server.origin, **request) as response,
    ):
        assert response.status == (200 if len(server.received) == 2 else 401)
        await response.read()
    return [received.body for received in server.received]


async def _sent_twice(**request: Any) -> bool:  # noqa: ANN401  - what a request takes
    """Return whether it was sent twice, completely both times."""
    first, *again = await _bodies(**request)
    assert first
    assert again in ([], [first])
    return bool(again)
