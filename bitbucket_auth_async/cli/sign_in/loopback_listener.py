"""Receives one redirect on 127.0.0.1 (RFC 8252 section 7.3); no other request ends the wait or yields a code."""

import asyncio
import errno
import socket
import sys
from types import TracebackType
from typing import Self

from bitbucket_auth_async.cli.sign_in.closing_page import closing_page
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError
from bitbucket_auth_async.errors import AuthorizationError, CallbackError
from bitbucket_auth_async.oauth2.authorization_endpoint import LONGEST_CALLBACK, AuthorizationRequest
from bitbucket_auth_async.oauth2.grants import AuthorizationCode

HOST = "127.0.0.1"
PATH = "/callback"

_HEAD = LONGEST_CALLBACK + 32 * 1024
"""Bytes of a request line with its headers, including cookies of other programs on this machine."""
_SLOW = 10.0
"""Seconds that one request may take to arrive."""
_AT_ONCE = 64
"""Open connections; beyond that the oldest is closed, so that idle connections keep no browser out."""
_FOREIGN = "This request does not belong to the sign-in in progress, which is still waiting."


def bind_loopback(port: int) -> socket.socket:
    """Return a socket bound to *port* on this machine only; 0: any free port.

    Raises:
        CommandFailedError: The port is in use or forbidden.
    """
    listening = socket.socket()
    try:
        if sys.platform != "win32":  # there it would let two programs share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        failed = CommandFailedError(
            f"Port {port} is in use; another sign-in may be waiting. End it, or use --no-browser, or --port with "
            "another port that the consumer's callback URL allows."
            if error.errno == errno.EADDRINUSE
            else f"Port {port} can't be opened ({error.strerror}). Choose another one with --port, or use --no-browser."
        )
        failed.retryable = error.errno == errno.EADDRINUSE
        raise failed from error
    return listening


def redirect_uri(port: int) -> str:
    """Return the redirect URI for a port."""
    return f"http://{HOST}:{port}{PATH}"


class LoopbackListener:
    """Listens for the answer to one authorization request."""

    def __init__(self, listening: socket.socket, request: AuthorizationRequest) -> None:
        """Take over a bound socket; leaving the context closes it."""
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
        if self._browser is not None:  # `show_outcome` was not called
            text = "The terminal says why. You can close this page."
            self._browser.write(closing_page("Not signed in", text, status=400))
            self._browser.close()
        if self._answer.done() and not self._answer.cancelled():
            self._answer.exception()  # asyncio logs an exception that was never retrieved

    async def wait_for_code(self, timeout: float) -> AuthorizationCode:  # noqa: ASYNC109 - callers pass an option on
        """Return the authorization code from the redirect.

        Raises:
            TimeoutError: No redirect arrived within *timeout* seconds.
            AuthorizationError: The server returned an error; for example, the user denied the access.
        """
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._answer)

    async def show_outcome(self, title: str, text: str, *, ok: bool) -> None:
        """Show the browser the closing page."""
        browser, self._browser = self._browser, None
        if browser is not None:
            await _write(browser, closing_page(title, text, status=200 if ok else 400))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # asyncio runs each connection in a task
            return
        while len(self._open) >= _AT_ONCE:
            oldest = next(iter(self._open))
            self._open.pop(oldest).transport.abort()
            oldest.cancel()
        self._open[task] = writer
        try:
            async with asyncio.timeout(_SLOW):
                head = await reader.readuntil(b"\r\n\r\n")
            await self._answer_request(head, writer)
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()  # asyncio's streams would log the cancellation as a failure
        finally:
            self._open.pop(task, None)

    async def _answer_request(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        """Accept the redirect; answer any other request and keep waiting."""
        target = self._target(head)
        if target is None or self._answer.done():
            await _write(writer, closing_page("Not found", _FOREIGN, status=404))
            return
        try:
            code = self._request.judge(f"http://{self._origin}{target}")
        except CallbackError:
            await _write(writer, closing_page("Wrong request", _FOREIGN, status=400))
        except AuthorizationError as error:  # `state` was right
            self._browser = writer
            self._answer.set_exception(error)
        else:
            self._browser = writer
            self._answer.set_result(code)

    def _target(self, head: bytes) -> str | None:
        """Return the request target if this may be the redirect: GET, our path, our exact host (no DNS rebinding)."""
        # Browsers send cookies of other programs on this machine too, whatever their port; they may hold any bytes.
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
