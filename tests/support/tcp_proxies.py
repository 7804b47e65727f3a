"""What may stand between a store and its server: a proxy that fails on demand, and a transaction pooler."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

_SSL_REQUEST = 80877103


class TcpServer:
    """Serves each connection in a task of its own, and cancels all of them at the end."""

    def __init__(self) -> None:
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(self.serve(reader, writer))
        self._tasks.add(task)  # asyncio itself keeps no reference
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


class TcpProxy(TcpServer):
    """Forwards bytes to a local port, and fails on demand."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.responses_to_drop = 0
        """For so many responses, the server gets the request and the client gets a reset."""
        self.responses_to_truncate = 0
        """Of so many responses, the client gets the first half and then a reset."""
        self.delay = 0.0
        """Seconds that each direction takes."""
        self.silent = False
        """True: bytes are dropped in both directions, and connections stay open."""
        self.dropped = asyncio.Event()
        """Set once bytes were dropped in that silence."""
        self.refuses = False
        """True: new connections are reset."""
        self.connections = 0
        self._server_port = port
        self._writers: set[StreamWriter] = set()

    def reset_connections(self) -> None:
        """Reset every open connection."""
        for writer in self._writers:
            writer.transport.abort()

    def redirect_to(self, port: int) -> None:
        """Forward new connections to another port; open ones stay."""
        self._server_port = port

    def drop_all(self) -> None:
        """Drop everything from now on."""
        self.silent = True

    def refuse_all(self) -> None:
        """Reset open connections and new ones."""
        self.refuses = True
        self.reset_connections()

    def truncate_all(self) -> None:
        """Truncate every response from now on."""
        self.responses_to_truncate = 1_000_000

    def repair(self) -> None:
        """Forward everything again."""
        self.silent = self.refuses = False
        self.responses_to_drop = self.responses_to_truncate = 0
        self.delay = 0.0

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        self.connections += 1
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, server_writer}
        try:
            await asyncio.gather(
                self._forward(reader, server_writer), self._forward(server_reader, writer, responses=True)
            )
        finally:
            self._writers -= {writer, server_writer}
            writer.transport.abort()
            server_writer.transport.abort()

    async def _forward(self, reader: StreamReader, writer: StreamWriter, *, responses: bool = False) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                if self.silent:
                    self.dropped.set()
                    continue
                if responses and self.responses_to_drop:
                    self.responses_to_drop -= 1
                    break
                if responses and self.responses_to_truncate:
                    self.responses_to_truncate -= 1
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def tcp_proxy(port: int, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[TcpProxy]:
    """Run a proxy in front of a local port; with *tls* it terminates TLS, as stunnel does."""
    proxy = TcpProxy(port)
    async with proxy.running(tls):
        yield proxy


class TransactionPooler(TcpServer):
    """Gives each statement of a client to another backend, as PgBouncer may in transaction mode."""

    BACKENDS = 3

    def __init__(self, port: int) -> None:
        super().__init__()
        self.statements = 0
        self.kinds: set[bytes] = set()
        """Kinds of the messages that clients sent, except Terminate."""
        self._server_port = port

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        backends: list[tuple[StreamReader, StreamWriter]] = []
        response: asyncio.Task[None] | None = None
        try:
            startup = await self._startup_message(reader, writer)
            for number in range(self.BACKENDS):
                backend_reader, backend_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
                backends.append((backend_reader, backend_writer))
                backend_writer.write(startup)
                await self._forward_response(backend_reader, writer if not number else None)
            while True:
                kind, message = await _message(reader)
                if kind == b"X":
                    break
                self.kinds.add(kind)
                if response is None or response.done():
                    self.statements += 1
                    response = asyncio.ensure_future(
                        self._forward_response(backends[self.statements % self.BACKENDS][0], writer)
                    )
                backends[self.statements % self.BACKENDS][1].write(message)
                if kind in {b"Q", b"S"}:
                    await response
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            for _, away in backends:
                away.transport.abort()
            if response is not None:
                response.cancel()
                await asyncio.gather(response, return_exceptions=True)  # a client that is gone is no error
            writer.transport.abort()

    async def _startup_message(self, reader: StreamReader, writer: StreamWriter) -> bytes:
        while True:
            size = await reader.readexactly(4)
            body = await reader.readexactly(int.from_bytes(size, "big") - 4)
            if int.from_bytes(body[:4], "big") != _SSL_REQUEST:
                return size + body
            writer.write(b"N")

    async def _forward_response(self, server_reader: StreamReader, writer: StreamWriter | None) -> None:
        """Forward a response to its end: ReadyForQuery."""
        while True:
            kind, message = await _message(server_reader)
            if writer is not None:
                writer.write(message)
            if kind == b"Z":
                return


async def _message(reader: StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


@asynccontextmanager
async def transaction_pooler(port: int) -> AsyncGenerator[TransactionPooler]:
    """Run a pooler in front of a PostgreSQL on a local port."""
    pooler = TransactionPooler(port)
    async with pooler.running():
        yield pooler
