"""The port that waits for one redirect: what ends the wait, and all that does not."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
import pytest_asyncio

from bitbucket_auth_async import BITBUCKET_CLOUD, AccessDeniedError, AuthorizationRequest, Client
from bitbucket_auth_async.cli.sign_in import loopback
from bitbucket_auth_async.cli.sign_in.loopback import Loopback, bound, redirect_uri
from bitbucket_auth_async.cli.terminal.outcome import FailedError


class Waiting:
    """A sign-in that waits, and the request that it waits for."""

    def __init__(self, listener: Loopback, request: AuthorizationRequest, port: int) -> None:
        self.listener = listener
        self.request = request
        self.port = port

    @property
    def right(self) -> str:
        return f"/callback?code=the-code&state={self.request.state}"

    async def send(self, data: bytes) -> bytes:
        """Send these bytes and return all that comes back."""
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
        """The right answer comes, and is taken."""
        browser = asyncio.create_task(self.get(self.right))
        assert (await self.listener.code(10)).code == "the-code"
        await self.listener.conclude("Signed in", "Done.", fine=True)
        assert b"200 OK" in await browser


@pytest_asyncio.fixture
async def waiting() -> AsyncGenerator[Waiting]:
    listening = bound(0)
    port = listening.getsockname()[1]
    request = AuthorizationRequest(server=BITBUCKET_CLOUD, client=Client("id", "s"), redirect_uri=redirect_uri(port))
    async with Loopback(listening, request) as listener:
        yield Waiting(listener, request, port)


async def test_the_browser_brings_the_code_and_is_shown_how_it_ended(waiting: Waiting) -> None:
    browser = asyncio.create_task(waiting.get(waiting.right))
    code = await waiting.listener.code(10)
    assert (code.code, code.redirect_uri) == ("the-code", redirect_uri(waiting.port))
    await waiting.listener.conclude("Signed in <b>", "You can close this page.", fine=True)
    page = (await browser).decode()
    assert page.startswith("HTTP/1.1 200 OK")
    assert "Signed in &lt;b&gt;" in page
    assert "Cache-Control: no-store" in page
    assert "default-src 'none'" in page
    assert "the-code" not in page


async def test_a_person_who_says_no_ends_the_wait(waiting: Waiting) -> None:
    browser = asyncio.create_task(waiting.get(f"/callback?error=access_denied&state={waiting.request.state}"))
    with pytest.raises(AccessDeniedError):
        await waiting.listener.code(10)
    await waiting.listener.conclude("Not signed in", "No.", fine=False)
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
async def test_nothing_else_ends_the_wait_or_yields_a_code(waiting: Waiting, target: str) -> None:
    answer = await waiting.get(target.format(state=waiting.request.state))
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    await waiting.still_waits()


async def test_the_path_is_ours_to_the_letter(waiting: Waiting) -> None:
    answer = await waiting.get(waiting.right.replace("/callback", "/callback/more"))
    assert answer.startswith(b"HTTP/1.1 404")
    await waiting.still_waits()


async def test_a_page_that_has_another_name_lead_to_this_machine_gets_nothing(waiting: Waiting) -> None:
    for host in ("evil.example", f"evil.example:{waiting.port}", "127.0.0.1", f"localhost:{waiting.port}"):
        assert b"404" in (await waiting.get(waiting.right, host=host))[:20]
    await waiting.still_waits()


async def test_cookies_of_other_programs_on_this_machine_may_hold_any_bytes(waiting: Waiting) -> None:
    head = f"GET {waiting.right} HTTP/1.1\r\nHost: {waiting.origin}\r\nCookie: name=Zo\u00eb; other=".encode()
    browser = asyncio.create_task(waiting.send(head + b"\xff\xfe\r\n\r\n"))
    assert (await waiting.listener.code(10)).code == "the-code"
    await waiting.listener.conclude("Signed in", "Done.", fine=True)
    assert b"200 OK" in await browser


async def test_only_get_is_taken(waiting: Waiting) -> None:
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
async def test_garbage_ends_its_own_connection_alone(waiting: Waiting, data: bytes) -> None:
    data = data.replace(b"{right}", waiting.right.encode()).replace(b"{origin}", waiting.origin.encode())
    answer = await waiting.send(data)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    await waiting.still_waits()


async def test_who_opens_many_connections_and_says_nothing_keeps_nobody_out(waiting: Waiting) -> None:
    many = [await asyncio.open_connection("127.0.0.1", waiting.port) for _ in range(150)]
    await waiting.still_waits()
    for _, writer in many:
        writer.transport.abort()


async def test_of_too_many_connections_the_oldest_is_closed(waiting: Waiting) -> None:
    oldest, writer = await asyncio.open_connection("127.0.0.1", waiting.port)
    many = [await asyncio.open_connection("127.0.0.1", waiting.port) for _ in range(80)]
    with suppress(ConnectionError):
        assert await asyncio.wait_for(oldest.read(), 5) == b""
    for _, each in [(oldest, writer), *many]:
        each.transport.abort()


async def test_who_is_slow_is_cut_off(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "_SLOW", 0.05)
    assert await waiting.send(b"GET /callback?code=") == b""
    await waiting.still_waits()


async def test_the_first_right_answer_counts(waiting: Waiting) -> None:
    browser = asyncio.create_task(waiting.get(waiting.right))
    await waiting.listener.code(10)
    assert b"404" in (await waiting.get(waiting.right))[:20]
    await waiting.listener.conclude("Signed in", "Done.", fine=True)
    assert b"200 OK" in await browser


async def test_waiting_has_an_end(waiting: Waiting) -> None:
    with pytest.raises(TimeoutError):
        await waiting.listener.code(0.01)


async def test_a_taken_port_is_told_and_may_be_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(FailedError, match="taken: another sign-in") as told:
            bound(taken.getsockname()[1])
    assert told.value.retryable


async def test_only_this_machine_can_reach_it() -> None:
    listening = bound(0)
    assert listening.getsockname()[0] == "127.0.0.1"
    listening.close()
