"""A 401 in httpx and httpx2 releases its connection, stays readable, and is repeated if the body allows it."""

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bitbucket_auth_async.bearer._sent_requests import BODY_LIMIT
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import ReceivedRequest, Script, answer, refuses, scripted_server
from tests.support.httpx_family import ADAPTERS, ENOUGH, Adapter


@pytest.fixture(params=ADAPTERS, ids=str)
def on(request: pytest.FixtureRequest) -> Adapter:
    adapter: Adapter = request.param
    return adapter


class RequestingSource(CountingSource):
    """A source whose renewal makes a request through the client that waits for it."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._ask = ask

    async def get_token(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token:
        if rejected is not None:
            async with asyncio.timeout(ENOUGH):
                await self._ask()
        return await super().get_token(rejected=rejected, still_accepted=still_accepted)


def stuck() -> CountingSource:
    source = CountingSource()
    source.stuck = True
    return source


def slowly_refuses(body: bytes, **headers: str) -> Script:
    """Refuse token-1 with a response whose body arrives after its headers have been read."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.headers.get("authorization") != "Bearer token-1":
            writer.write(answer(200, b"fine"))
            return
        length = {"Content-Length": str(len(body)), **{name.replace("_", "-"): text for name, text in headers.items()}}
        writer.write(answer(401, headers=length, head=True))
        await writer.drain()
        await asyncio.sleep(0.02)  # on a real socket, two reads
        writer.write(body)

    return script


def breaks(*, for_good: bool) -> Script:
    """Cut the 401 short; with *for_good* for every token."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if not for_good and request.headers["authorization"] != "Bearer token-1":
            writer.write(answer(200))
            return
        writer.write(answer(401, b"x" * 100, head=True) + b"x")
        await writer.drain()
        await asyncio.sleep(0.02)  # on a real socket, two reads
        writer.close()

    return script


@pytest.mark.parametrize("no_other", [False, True])
async def test_a_401_holds_no_connection_during_the_renewal(on: Adapter, *, no_other: bool) -> None:
    """The only connection of the pool is free for other requests; the caller can still read the 401."""

    async def ask() -> None:
        await client.get(api.origin, auth=None)

    source = RequestingSource(ask)
    source.stuck = no_other
    limits = on.library.Limits(max_connections=1)
    async with (
        scripted_server(slowly_refuses(b"who are you?")) as api,
        on.client(source, api.origin, limits=limits) as client,
    ):
        response = await client.get(api.origin)
        assert (response.status_code, response.text) == ((401, "who are you?") if no_other else (200, "fine"))
        assert api.connections == 1


@pytest.mark.parametrize("raw", [False, True])
async def test_the_body_of_a_401_can_be_streamed(on: Adapter, *, raw: bool) -> None:
    body = b"x" * 300_000
    async with (
        scripted_server(slowly_refuses(body)) as api,
        on.client(stuck(), api.origin) as client,
        client.stream("GET", api.origin) as response,
    ):
        pieces = response.aiter_raw(1000) if raw else response.aiter_bytes(1000)
        assert b"".join([piece async for piece in pieces]) == body


async def test_an_endless_401_is_cut_at_the_limit(on: Adapter) -> None:
    """The renewal goes on, and reading the body raises an error that names the limit."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(401, headers={"Content-Length": str(2**40)}, head=True))
        while True:
            writer.write(b"x" * 2**16)
            await writer.drain()

    source = stuck()
    async with scripted_server(script) as api, on.client(source, api.origin) as client, asyncio.timeout(ENOUGH):
        async with client.stream("GET", api.origin) as response:
            assert response.status_code == 401
            with pytest.raises(on.library.ReadError, match=f"longer than {BODY_LIMIT} bytes"):
                await response.aread()
        await api.closed_by_client.wait()
    assert source.rejections == [("token-1", False)]


async def test_a_broken_401_still_causes_a_renewal(on: Adapter) -> None:
    async with scripted_server(breaks(for_good=False)) as api, on.client(CountingSource(), api.origin) as client:
        assert (await client.get(api.origin)).status_code == 200


async def test_reading_a_broken_401_raises_its_error(on: Adapter) -> None:
    async with (
        scripted_server(breaks(for_good=True)) as api,
        on.client(stuck(), api.origin) as client,
        client.stream("GET", api.origin) as response,
    ):
        assert response.status_code == 401
        with pytest.raises(on.library.RemoteProtocolError):
            await response.aread()


async def test_a_401_that_claims_to_be_compressed_still_causes_a_renewal(on: Adapter) -> None:
    async with (
        scripted_server(slowly_refuses(b"not packed at all", Content_Encoding="gzip")) as api,
        on.client(CountingSource(), api.origin) as client,
    ):
        assert (await client.get(api.origin)).text == "fine"


async def test_a_cancelled_caller_leaves_no_connection_behind(on: Adapter) -> None:
    waiting = asyncio.Event()

    async def ask() -> None:
        waiting.set()
        await asyncio.Event().wait()

    limits = on.library.Limits(max_connections=1)
    async with (
        scripted_server(slowly_refuses(b"body")) as api,
        on.client(RequestingSource(ask), api.origin, limits=limits) as client,
    ):
        request = asyncio.create_task(client.get(api.origin))
        await waiting.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert (await client.get(api.origin, auth=None)).status_code == 200


def form(*files: object) -> dict[str, Any]:
    return {"data": {"branch": "main"}, "files": [("file", file) for file in files]}


@pytest.mark.parametrize("kind", ["json", "form", "files in memory", "a file on disk"])
async def test_r10_a_rewindable_body_is_sent_again(on: Adapter, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"on disk" * 10_000)
    with path.open("rb") as file:
        bodies: dict[str, dict[str, Any]] = {
            "json": {"json": {"a": 1}},
            "form": {"data": {"a": "1"}},
            "files in memory": form(b"bytes", io.BytesIO(b"more")),
            "a file on disk": form(file),
        }
        async with scripted_server(refuses("token-1")) as api, on.client(CountingSource(), api.origin) as client:
            response = await client.post(api.origin, **bodies[kind])
    assert response.status_code == 200
    first, second = api.received
    assert first.body
    assert first.body == second.body


class Pipe(io.RawIOBase):
    """A file that can't be rewound."""

    def __init__(self) -> None:
        self._left = b"only once"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  - any writable buffer
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


async def test_r10_a_form_with_a_pipe_is_never_sent_again(on: Adapter) -> None:
    async with scripted_server(refuses("token-1")) as api, on.client(CountingSource(), api.origin) as client:
        response = await client.post(api.origin, **form(Pipe()))
    assert response.status_code == 401
    assert len(api.received) == 1


async def test_r10_an_unknown_stream_is_never_sent_again(on: Adapter) -> None:
    class Twice:
        async def __aiter__(self) -> AsyncGenerator[bytes]:
            yield b"again"

    async with scripted_server(refuses("token-1")) as api, on.client(CountingSource(), api.origin) as client:
        assert (await client.post(api.origin, content=Twice())).status_code == 401
    assert len(api.received) == 1


class ReportingSource(CountingSource):
    """A source that accepts events of bearers, like a manager."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[EventKind] = []

    def tell(self, kind: EventKind, detail: str) -> None:
        assert detail
        self.told.append(kind)


@pytest.mark.parametrize("no_other", [False, True])
async def test_a_refusal_and_a_repetition_are_reported(on: Adapter, *, no_other: bool) -> None:
    source = ReportingSource()
    source.stuck = no_other
    async with scripted_server(refuses("token-1")) as api, on.client(source, api.origin) as client:
        assert (await client.get(api.origin)).status_code == (401 if no_other else 200)
    assert source.told == [EventKind.API_REFUSED, *([] if no_other else [EventKind.API_REPEATED])]
