"""scripted_server: a server on a local port whose every byte a test decides, used by the contract suites."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """A request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Header names in lower case."""
    body: bytes


@dataclass(slots=True)
class ScriptedServer:
    """A server on a loopback port: it runs a script for each request and records the requests."""

    origin: str
    received: list[ReceivedRequest] = field(default_factory=list[ReceivedRequest])
    closed_by_client: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a client has closed a connection."""
    connections: int = 0
    """Connections opened so far."""

    def authorizations(self) -> list[str | None]:
        """Return the Authorization header of each request, in order."""
        return [request.headers.get("authorization") for request in self.received]


Script = Callable[[ReceivedRequest, asyncio.StreamWriter], Awaitable[None]]
"""Writes the response to one request; closing the writer ends the connection."""


def answer(
    status: int = 200, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({}), *, head: bool = False
) -> bytes:
    """Return the bytes of an HTTP response; with *head* without the body."""
    lines = [f"HTTP/1.1 {status} Scripted"]
    lines += [f"{name}: {value}" for name, value in {"Content-Length": str(len(body)), **headers}.items()]
    start = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return start if head else start + body


def always(data: bytes) -> Script:
    """Return a script that sends the same bytes for every request."""

    async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return script


def refuses(*refused: str, status: int = 401) -> Script:
    """Return a script that refuses these tokens, and echoes the body for all others."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        is_refused = request.headers.get("authorization") in {f"Bearer {token}" for token in refused}
        writer.write(answer(status, b"who are you?") if is_refused else answer(200, request.body))

    return script


def redirects(to: str, status: int = 307) -> Script:
    """Return a script that redirects every request."""
    return always(answer(status, headers={"Location": to}))


def cut_off(data: bytes) -> Script:
    """Return a script that sends these bytes and then closes the connection."""

    async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    return script


@asynccontextmanager
async def scripted_server(
    script: Script, *, ssl: SSLContext | None = None, host: str = "127.0.0.1", greeting: bytes = b""
) -> AsyncGenerator[ScriptedServer]:
    """Serve *script* on a local port; *greeting* is sent as soon as a connection opens."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        scripted.connections += 1
        writer.write(greeting)
        try:
            while (request := await _request(reader, writer)) is not None:
                scripted.received.append(request)
                await script(request, writer)
                if writer.is_closing():
                    return
            scripted.closed_by_client.set()
        except ConnectionError:
            scripted.closed_by_client.set()
        except asyncio.CancelledError:
            # Only the end of the block cancels; asyncio's streams would log the error as a failure.
            return
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, host, 0, ssl=ssl)
    port = server.sockets[0].getsockname()[1]
    scripted = ScriptedServer(f"{'https' if ssl else 'http'}://{host}:{port}")
    try:
        yield scripted
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def unused_origin() -> str:
    """Return an origin where no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> ReceivedRequest | None:
    """Return one request, or None at the end of the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *fields = head.split("\r\n")
    method, target, _ = line.split(" ", 2)
    pairs = (text.partition(":") for text in fields if text)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return ReceivedRequest(method=method, target=target, headers=headers, body=body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    with suppress(asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n")
    return bytes(body)
