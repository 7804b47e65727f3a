"""The listener for one redirect: which requests end the wait, and which do not."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
import pytest_asyncio

from bitbucket_auth_async import BITBUCKET_CLOUD, AccessDeniedError, AuthorizationRequest, Client
from bitbucket_auth_async.cli.sign_in import loopback_listener
from bitbucket_auth_async.cli.sign_in.loopback_listener import LoopbackListener, bind_loopback, redirect_uri
from bitbucket_auth_async.cli.terminal.exit_code import CommandFailedError


class Waiting:
    """A waiting listener and its authorization request."""

    def __init__(self, listener: LoopbackListener, request: AuthorizationRequest, port: int) -> None:
        self.listener = listener
        self.request = request
        self.port = port

    @property
    def right(self) -> str:
        return f"/callback?code=the-code&state={self.request.state}"

    async def send(self, data: bytes) -> bytes:
        """Send these bytes and return the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            await writer.drain()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def get(self, target: str, *, host: str | None = None, method: str = "GET") -> bytes:
        return await self.send(f"{method} {target} HTTP/1.1\r\nHost: {host or self.origin}\r\n\r\n".encode())

    @property
    def origin(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def still_waits(self) -> None:
        """The redirect arrives, and is accepted."""
        browser = asyncio.create_task(self.get(self.right))
        assert (await self.listener.wait_for_code(10)).code == "the-code"
        await self.listener.show_outcome("Signed in", "Done.", ok=True)
        assert b"200 OK" in await browser


@pytest_asyncio.fixture
async def waiting() -> AsyncGenerator[Waiting]:
    listening = bind_loopback(0)
    port = listening.getsockname()[1]
    request = AuthorizationRequest(server=BITBUCKET_CLOUD, client=Client("id", "s"), redirect_uri=redirect_uri(port))
    async with LoopbackListener(listening, request) as listener:
        yield Waiting(listener, request, port)


async def test_the_redirect_yields_the_code_and_shows_the_closing_page(waiting: Waiting) -> None:
    browser = asyncio.create_task(waiting.get(waiting.right))
    code = await waiting.listener.wait_for_code(10)
    assert (code.code, code.redirect_uri) == ("the-code", redirect_uri(waiting.port))
    await waiting.listener.show_outcome("Signed in <b>", "You can close this page.", ok=True)
    page = (await browser).decode()
    assert page.startswith("HTTP/1.1 200 OK")
    assert "Signed in &lt;b&gt;" in page
    assert "Cache-Control: no-store" in page
    assert "default-src 'none'" in page
    assert "the-code" not in page


async def test_a_denied_access_ends_the_wait(waiting: Waiting) -> None:
    browser = asyncio.create_task(waiting.get(f"/callback?error=access_denied&state={waiting.request.state}"))
    with pytest.raises(AccessDeniedError):
        await waiting.listener.wait_for_code(10)
    await waiting.listener.show_outcome("Not signed in", "No.", ok=False)
    assert b"400 Bad Request" in await browser


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/favicon.ico",
        "/callback",
        "/callback?code=theirs",
        "/callback?code=theirs&state=guessed",
        "/callback?code=theirs&state=guessed&state=guessed",
        "/callback?error=access_denied",
        "/callback?error=access_denied&state=guessed",
        "/callback/more?code=theirs&state={state}",
        "/callbackx?code=theirs&state={state}",
        "/callback?code=theirs&code=more&state={state}",
        "/callback?state={state}",
        "//evil.example/callback?code=theirs&state={state}",
        "http://evil.example/callback?code=theirs&state={state}",
    ],
)
async def test_no_other_request_ends_the_wait_or_yields_a_code(waiting: Waiting, target: str) -> None:
    answer = await waiting.get(target.format(state=waiting.request.state))
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    await waiting.still_waits()


async def test_the_path_must_match_exactly(waiting: Waiting) -> None:
    answer = await waiting.get(waiting.right.replace("/callback", "/callback/more"))
    assert answer.startswith(b"HTTP/1.1 404")
    await waiting.still_waits()


async def test_dns_rebinding_yields_nothing(waiting: Waiting) -> None:
    for host in ("evil.example", f"evil.example:{waiting.port}", "127.0.0.1", f"localhost:{waiting.port}"):
        assert b"404" in (await waiting.get(waiting.right, host=host))[:20]
    await waiting.still_waits()


async def test_cookies_may_contain_any_bytes(waiting: Waiting) -> None:
    head = f"GET {waiting.right} HTTP/1.1\r\nHost: {waiting.origin}\r\nCookie: name=Zo\u00eb; other=".encode()
    browser = asyncio.create_task(waiting.send(head + b"\xff\xfe\r\n\r\n"))
    assert (await waiting.listener.wait_for_code(10)).code == "the-code"
    await waiting.listener.show_outcome("Signed in", "Done.", ok=True)
    assert b"200 OK" in await browser


async def test_only_get_is_accepted(waiting: Waiting) -> None:
    for method in ("POST", "HEAD", "OPTIONS", "get"):
        assert b"404" in (await waiting.get(waiting.right, method=method))[:20]
    await waiting.still_waits()


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS
        b"GET /callback?code=\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /callback?code=\xff HTTP/1.1\r\nHost: {origin}\r\n\r\n",
        b"GET {right}&more=\xff HTTP/1.1\r\nHost: {origin}\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /callback?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["empty", "short", "tls", "not ascii", "not ascii either", "right but for that", "huge", "long"],
)
async def test_garbage_closes_only_its_own_connection(waiting: Waiting, data: bytes) -> None:
    data = data.replace(b"{right}", waiting.right.encode()).replace(b"{origin}", waiting.origin.encode())
    answer = await waiting.send(data)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    await waiting.still_waits()


async def test_many_idle_connections_keep_no_browser_out(waiting: Waiting) -> None:
    many = [await asyncio.open_connection("127.0.0.1", waiting.port) for _ in range(150)]
    await waiting.still_waits()
    for _, writer in many:
        writer.transport.abort()


async def test_the_oldest_of_too_many_connections_is_closed(waiting: Waiting) -> None:
    oldest, writer = await asyncio.open_connection("127.0.0.1", waiting.port)
    many = [await asyncio.open_connection("127.0.0.1", waiting.port) for _ in range(80)]
    with suppress(ConnectionError):
        assert await asyncio.wait_for(oldest.read(), 5) == b""
    for _, each in [(oldest, writer), *many]:
        each.transport.abort()


async def test_a_slow_client_is_disconnected(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback_listener, "_SLOW", 0.05)
    assert await waiting.send(b"GET /callback?code=") == b""
    await waiting.still_waits()


async def test_only_the_first_redirect_counts(waiting: Waiting) -> None:
    browser = asyncio.create_task(waiting.get(waiting.right))
    await waiting.listener.wait_for_code(10)
    assert b"404" in (await waiting.get(waiting.right))[:20]
    await waiting.listener.show_outcome("Signed in", "Done.", ok=True)
    assert b"200 OK" in await browser


async def test_the_wait_has_a_timeout(waiting: Waiting) -> None:
    with pytest.raises(TimeoutError):
        await waiting.listener.wait_for_code(0.01)


async def test_a_port_in_use_is_reported_as_retryable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandFailedError, match="in use; another sign-in") as told:
            bind_loopback(taken.getsockname()[1])
    assert told.value.retryable


async def test_the_socket_is_bound_to_this_machine_only() -> None:
    listening = bind_loopback(0)
    assert listening.getsockname()[0] == "127.0.0.1"
    listening.close()
