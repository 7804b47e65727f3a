"""What may stand between a store and its server: a line that fails when told, and a pooler that never stays."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

_SSL_REQUEST = 80877103


class Service:
    """Serves each connection in a task of its own, and ends them all."""

    def __init__(self) -> None:
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(self.serve(reader, writer))
        self._tasks.add(task)  # asyncio itself would forget it
        task.add_done_callback(self._tasks.discard)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve one connection to its end."""

    @asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncGenerator[None]:
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


class Line(Service):
    """Passes bytes on to a local port, until it is told to stop."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.answers_to_lose = 0
        """So many answers are cut off: the server gets what was asked, and whoever asked gets a reset."""
        self.answers_to_halve = 0
        """So many are cut in the middle: whoever asked gets half of what the server said, and then a reset."""
        self.delay = 0.0
        """Seconds that everything takes in either direction."""
        self.silent = False
        """Nothing gets through in either direction, and nobody is told."""
        self.swallowed = asyncio.Event()
        """Something has got lost in that silence."""
        self.refuses = False
        self.connections = 0
        self._server_port = port
        self._writers: set[StreamWriter] = set()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def lead_to(self, port: int) -> None:
        """Connect whoever comes from now on to another port; connections that are there stay."""
        self._server_port = port

    def swallow(self) -> None:
        """Be a black hole from now on."""
        self.silent = True

    def refuse(self) -> None:
        """Reset what is there, and whoever comes."""
        self.refuses = True
        self.cut()

    def halve(self) -> None:
        """Cut every answer in the middle from now on."""
        self.answers_to_halve = 1_000_000

    def mend(self) -> None:
        """Let everything through again."""
        self.silent = self.refuses = False
        self.answers_to_lose = self.answers_to_halve = 0
        self.delay = 0.0

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        self.connections += 1
        there, away = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, away}
        try:
            await asyncio.gather(self._pass(reader, away), self._pass(there, writer, answers=True))
        finally:
            self._writers -= {writer, away}
            writer.transport.abort()
            away.transport.abort()

    async def _pass(self, reader: StreamReader, writer: StreamWriter, *, answers: bool = False) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                if self.silent:
                    self.swallowed.set()
                    continue
                if answers and self.answers_to_lose:
                    self.answers_to_lose -= 1
                    break
                if answers and self.answers_to_halve:
                    self.answers_to_halve -= 1
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def line_to(port: int, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Line]:
    """Lay a line to a local port; with *tls* it is TLS up to there, as by stunnel."""
    line = Line(port)
    async with line.running(tls):
        yield line


class Pooler(Service):
    """Hands each statement of a client to another backend, as a pooler on the level of transactions may."""

    BACKENDS = 3

    def __init__(self, port: int) -> None:
        super().__init__()
        self.statements = 0
        self.kinds: set[bytes] = set()
        """The kinds of messages that clients sent, but for their farewell."""
        self._server_port = port

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        backends: list[tuple[StreamReader, StreamWriter]] = []
        answer: asyncio.Task[None] | None = None
        try:
            greeting = await self._greeting(reader, writer)
            for number in range(self.BACKENDS):
                backends.append(await asyncio.open_connection("127.0.0.1", self._server_port))
                backends[-1][1].write(greeting)
                await self._answer(backends[-1][0], writer if not number else None)
            while True:
                kind, message = await _message(reader)
                if kind == b"X":
                    break
                self.kinds.add(kind)
                if answer is None or answer.done():
                    self.statements += 1
                    answer = asyncio.ensure_future(self._answer(backends[self.statements % self.BACKENDS][0], writer))
                backends[self.statements % self.BACKENDS][1].write(message)
                if kind in {b"Q", b"S"}:
                    await answer
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            for _, away in backends:
                away.transport.abort()
            if answer is not None:
                answer.cancel()
                await asyncio.gather(answer, return_exceptions=True)  # a client that is gone is nothing to tell of
            writer.transport.abort()

    async def _greeting(self, reader: StreamReader, writer: StreamWriter) -> bytes:
        while True:
            size = await reader.readexactly(4)
            body = await reader.readexactly(int.from_bytes(size, "big") - 4)
            if int.from_bytes(body[:4], "big") != _SSL_REQUEST:
                return size + body
            writer.write(b"N")

    async def _answer(self, there: StreamReader, writer: StreamWriter | None) -> None:
        """Pass an answer on, to its end: ReadyForQuery."""
        while True:
            kind, message = await _message(there)
            if writer is not None:
                writer.write(message)
            if kind == b"Z":
                return


async def _message(reader: StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


@asynccontextmanager
async def pooler_before(port: int) -> AsyncGenerator[Pooler]:
    """Put a pooler before a PostgreSQL on a local port."""
    pooler = Pooler(port)
    async with pooler.running():
        yield pooler
