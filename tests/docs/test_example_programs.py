"""Each example program runs on a fake Bitbucket, does what it promises, and ends cleanly on SIGTERM."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from docs.examples import offline
from tests.support.ports import free_port
from tests.support.web_sign_in import CALL, FORM, Browser

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@asynccontextmanager
async def example(name: str, **variables: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "80", **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "docs.examples.offline",
        name,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readline()).decode().rstrip()


async def ended(process: asyncio.subprocess.Process, *, sigterm: bool = False) -> tuple[int | None, str, str]:
    """Return the exit code, the output and the error output; *sigterm* sends SIGTERM first."""
    if sigterm:
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_crawler_reads_every_repository_and_shows_its_progress() -> None:
    async with example("crawler") as process:
        code, out, err = await ended(process)
    assert code == 0
    assert len(set(out.split())) == len(out.split()) == 1 + 20 * 250
    assert "20/20" in err
    assert "5000 repositories" in err


async def test_the_crawler_ends_on_sigterm() -> None:
    async with example("crawler") as process:
        assert await line(process) == "Reading"
        code, _, err = await ended(process, sigterm=True)
    assert (code, "Traceback" in err, "20/20" in err) == (0, False, False)


async def test_the_generic_client_shows_each_grant() -> None:
    async with example("oauth") as process:
        code, out, _ = await ended(process)
    assert code == 0
    told = dict(text.split(": ", 1) for text in out.splitlines())
    assert told.keys() == {"code", "implicit", "password", "client_credentials", "refresh"}
    assert [name for name, text in told.items() if "not renewable" in text] == ["implicit"]


async def test_the_bot_answers_events_across_renewals_and_ends_on_sigterm() -> None:
    async with example("bot", PORT=str(free_port()), LIFETIME="1") as process:
        answers = [await line(process) for _ in range(8)]
        code, _, err = await ended(process, sigterm=True)
    assert (code, err) == (0, "")
    assert answers[1] == "acme/acme-2: something happened in a private place"


async def test_the_bot_rejects_events_without_a_valid_signature() -> None:
    port = free_port()
    async with example("bot", PORT=str(port)) as process, aiohttp.ClientSession() as http:
        await line(process)
        for headers in ({}, {"X-Hub-Signature": "sha256=" + "0" * 64}):
            async with http.post(f"http://127.0.0.1:{port}/events", data=b"{}", headers=headers) as response:
                assert response.status == 401


@pytest.mark.parametrize("name", ["web", "fastapi"])
async def test_a_web_service_signs_a_person_in_and_ends_on_sigterm(name: str) -> None:
    port = free_port()
    async with (
        example(name, PORT=str(port)) as process,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        assert await line(process) == f"Open http://localhost:{port}"
        ada = Browser(http, f"http://localhost:{port}")
        await until_it_answers(ada)
        assert "Sign in with Bitbucket" in (await ada.go("/")).text
        consent = await ada.begin()
        form = {**URL(consent).query, "person": "grace", "decision": "allow"}
        async with http.post(consent.partition("?")[0], data=form, allow_redirects=False) as page:
            callback = page.headers["location"]
        assert (await ada.go(callback)).location == "/"
        assert "Signed in as" in (await ada.go("/")).text
        assert "Grace Hopper" in (await ada.go("/resource?url=/2.0/user", headers=CALL)).text
        assert '"renewals"' in (await ada.go("/token", headers=CALL)).text
        assert (await ada.go("/client/bitbucket-auth.js")).status == 200
        assert (await ada.go("/logout", method="POST", headers=FORM)).status == 303
        assert (await ada.go("/token", headers=CALL)).status == 401
        code, out, err = await ended(process, sigterm=True)
    assert (code, err) == (0, "")
    assert "code=" not in out


async def test_the_browser_only_app_is_served_and_ends_on_sigterm() -> None:
    port = free_port()
    async with example("browser", PORT=str(port)) as process, aiohttp.ClientSession() as http:
        assert await line(process) == f"Open http://localhost:{port}"
        async with http.get(f"http://localhost:{port}/settings.js") as response:
            assert "authorizationEndpoint" in await response.text()
        assert (await ended(process, sigterm=True))[0] == 0


async def test_an_unknown_name_lists_the_examples() -> None:
    async with example("nothing") as process:
        code, _, err = await ended(process)
    assert code == 1
    assert all(name in err for name in offline.EXAMPLES)


async def test_each_example_has_a_make_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"EXAMPLES := {' '.join(offline.EXAMPLES)}\n" in text


async def until_it_answers(browser: Browser) -> None:
    """Wait for uvicorn, which prints its address before it listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await browser.go("/")
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
            else:
                return
