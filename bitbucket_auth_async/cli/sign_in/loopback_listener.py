"""Catches one redirect on 127.0.0.1 (RFC 8252 section 7.3), and lets nothing else end the wait or yield a code."""

import asyncio
import errno
import socket
import sys
from types import TracebackType
from typing import Self

from bitbucket_auth_async.cli.sign_in.closing_page import page
from bitbucket_auth_async.cli.terminal.outcome import FailedError
from bitbucket_auth_async.errors import AuthorizationError, CallbackError
from bitbucket_auth_async.oauth2.authorization_endpoint import LONGEST_CALLBACK, AuthorizationRequest
from bitbucket_auth_async.oauth2.grants import AuthorizationCode

HOST = "127.0.0.1"
PATH = "/callback"

_HEAD = LONGEST_CALLBACK + 32 * 1024
"""Bytes of a request line with its headers, cookies of other programs on this machine included."""
_SLOW = 10.0
"""Seconds that one request may take to arrive."""
_AT_ONCE = 64
"""Connections; the oldest makes room for the next, so that whoever holds many open keeps nobody out."""
_FOREIGN = "This is not the answer to the sign-in that waits here. It goes on waiting."


def bound(port: int) -> socket.socket:
    """Return a socket that is bound to *port* on this machine alone, or to any free one for 0.

    Raises:
        FailedError: The port is taken or forbidden.
    """
    listening = socket.socket()
    try:
        if sys.platform != "win32":  # there it would let two programs have one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        told = FailedError(
            f"Port {port} is taken: another sign-in may be waiting. End it, or choose another way: --no-browser, or "
            "--port with a port that the consumer's callback has too."
            if error.errno == errno.EADDRINUSE
            else f"Port {port} can't be opened ({error.strerror}). Choose another one with --port, or --no-browser."
        )
        told.retryable = error.errno == errno.EADDRINUSE
        raise told from error
    return listening


def redirect_uri(port: int) -> str:
    """Return the address at which the redirect is caught."""
    return f"http://{HOST}:{port}{PATH}"


class Loopback:
    """A port that waits for the answer to one authorization request."""

    def __init__(self, listening: socket.socket, request: AuthorizationRequest) -> None:
        """Take a bound socket, which is closed in the end."""
        self._socket = listening
        self._request = request
        self._origin = f"{HOST}:{listening.getsockname()[1]}"
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._browser: asyncio.StreamWriter | None = None
        self._answer: asyncio.Future[AuthorizationCode] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, sock=self._socket, limit=_HEAD)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all connections and the port."""
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._browser is not None:  # nobody came to the point of telling it
            self._browser.write(page("Not signed in", "The terminal says why. You can close this page.", status=400))
            self._browser.close()
        if self._answer.done() and not self._answer.cancelled():
            self._answer.exception()  # looked at, whoever waited

    async def code(self, limit: float) -> AuthorizationCode:
        """Return the code that the browser brings.

        Raises:
            TimeoutError: It brought none within *limit* seconds.
            AuthorizationError: The server sent an error back, such as the person's no.
        """
        async with asyncio.timeout(limit):
            return await asyncio.shield(self._answer)

    async def conclude(self, title: str, text: str, *, fine: bool) -> None:
        """Show the browser how it ended."""
        browser, self._browser = self._browser, None
        if browser is not None:
            await _write(browser, page(title, text, status=200 if fine else 400))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # asyncio runs each connection in one
            return
        while len(self._open) >= _AT_ONCE:
            oldest = next(iter(self._open))
            self._open.pop(oldest).transport.abort()
            oldest.cancel()
        self._open[task] = writer
        try:
            async with asyncio.timeout(_SLOW):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._judge(head, writer)
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()  # asyncio's streams would log it as a failure
        finally:
            self._open.pop(task, None)

    async def _judge(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        """Take the redirect if it is the one; answer anything else and go on waiting."""
        target = self._target(head)
        if target is None or self._answer.done():
            await _write(writer, page("Nothing here", _FOREIGN, status=404))
            return
        try:
            code = self._request.judge(f"http://{self._origin}{target}")
        except CallbackError:
            await _write(writer, page("Not this one", _FOREIGN, status=400))
        except AuthorizationError as error:  # `state` was right
            self._browser = writer
            self._answer.set_exception(error)
        else:
            self._browser = writer
            self._answer.set_result(code)

    def _target(self, head: bytes) -> str | None:
        """Return the request's target if it can be the redirect: GET, our path, our very host (no DNS rebinding)."""
        # Cookies of any other program on this machine come along, in whatever bytes: a port keeps none of them apart.
        line, *fields = head.decode("latin-1").split("\r\n")
        words = line.split(" ")
        hosts = [value.strip() for name, _, value in (text.partition(":") for text in fields) if name.lower() == "host"]
        if len(words) != 3 or words[0] != "GET" or hosts != [self._origin]:  # noqa: PLR2004 - method, target, version
            return None
        if not words[1].isascii():
            return None
        return words[1] if words[1].partition("?")[0] == PATH else None


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    try:
        writer.write(data)
        async with asyncio.timeout(_SLOW):
            await writer.drain()
    except (ConnectionError, TimeoutError):
        writer.transport.abort()
    else:
        writer.close()
