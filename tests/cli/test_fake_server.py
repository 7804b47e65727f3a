"""`fake-server`: its printed commands work, and other commands notice when it has stopped."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from bitbucket_auth_async.cli.profiles.server import parse_server
from bitbucket_auth_async.testing.fake import faults
from tests.support.command_line import CommandLine
from tests.support.ports import free_port


class Served:
    """A fake-server process and its output."""

    def __init__(self, process: asyncio.subprocess.Process, banner: str, port: int) -> None:
        self.process, self.banner, self.address = process, banner, f"http://127.0.0.1:{port}"

    async def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(self.process.wait(), 30) == 0


@pytest_asyncio.fixture
async def served(cli: CommandLine) -> AsyncGenerator[Served]:
    for name in ("BITBUCKET_CLIENT_ID", "BITBUCKET_CLIENT_SECRET"):
        del cli.environ[name]
    port = free_port()
    process = await cli.start("fake-server", "--port", str(port))
    assert process.stdout is not None
    banner = ""
    while "curl" not in banner:
        banner += (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    yield Served(process, banner, port)


@pytest.mark.skipif(shutil.which("curl") is None and "CI" not in os.environ, reason="the machine has no curl")
async def test_the_printed_commands_sign_in_without_a_browser(cli: CommandLine, served: Served) -> None:
    lines = [line.strip() for line in served.banner.splitlines()]
    exports = [line for line in lines if line.startswith("export ")]
    assert len(exports) == 2
    (login,) = (line for line in lines if line.startswith("bitbucket-auth login"))
    (curl,) = (line for line in lines if line.startswith("curl "))
    assert "'%{redirect_url}\\n'" in curl
    script = f"""
        {exports[0]}
        {exports[1]}
        mkfifo answer
        {login} --no-browser < answer 2> said &
        exec 3> answer
        until grep -q ^http said; do sleep 0.1; done
        {curl.replace("'the URL that login prints'", '"$(grep ^http said)"')} >&3
        wait $!
        cat said
    """
    done = await cli.run_process("-c", script, command=("bash",), cwd=cli.home)
    assert done.code == 0, done
    assert "Signed in as Ada (ada) (profile fake)." in done.out
    assert (await cli.run("api", "GET", "/user", "--profile", "fake")).code == 0


async def test_the_printed_tokens_sign_in(cli: CommandLine, served: Served) -> None:
    rows = dict(line.strip().split("  ", 1) for line in served.banner.splitlines() if " token  " in line)
    api_token, _, email = rows["API token"].strip().partition(", of ")
    for kind, text in (("--access-token", rows["access token"].strip()), ("--api-token", api_token)):
        more = ("--email", email) if kind == "--api-token" else ()
        done = await cli.run("login", kind, *more, "--server", served.address, stdin=text)
        assert done.code == 0, done
        assert "not checked" not in done.err
        listed = await cli.run("api", "GET", "/repositories/acme")
        assert listed.code == 0, listed


async def test_after_it_has_stopped_each_command_asks_whether_it_is_running(cli: CommandLine, served: Served) -> None:
    cli.environ |= {"BITBUCKET_CLIENT_ID": "fake-client-id", "BITBUCKET_CLIENT_SECRET": "fake-client-secret"}
    login = ("login", "--client-credentials", "--server", served.address)
    assert (await cli.run(*login)).code == 0
    asked = f"Nothing answers at {served.address}: is fake-server running?"
    await served.end()
    fresh = await cli.run("api", "GET", "/user")
    assert (fresh.code, fresh.out, asked in fresh.err) == (4, "", True)
    (key,) = await cli.store.keys()
    await cli.age(3600, key)
    # The second `token` falls into the pause after the failure.
    for words in (["token"], ["token"], ["api", "GET", "/user"], ["refresh"], list(login)):
        done = await cli.run(*words)
        assert (done.code, done.out) == (4, ""), words
        assert asked in done.err, words
        assert len(done.err.strip().splitlines()) == 1
    doctor = await cli.run("doctor")
    assert "Is fake-server running?" in doctor.out
    kept = await cli.run("login", "--access-token", "--profile", "robot", "--server", served.address, stdin="token")
    assert kept.code == 0
    assert "is fake-server running?" in kept.err
    told = await cli.run("api", "GET", "/user", "--profile", "robot")
    assert (told.code, asked in told.err) == (4, True)


async def test_an_outage_of_a_running_server_is_reported_as_an_outage(cli: CommandLine) -> None:
    await cli.login()
    await cli.age(3600)
    with cli.fake.inject(faults.status(503), times=None):
        down = await cli.run("token")
    assert (down.code, down.out, "503" in down.err) == (4, "", True)
    assert "fake-server" not in down.err


async def test_a_port_in_use_is_reported_as_retryable(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = await cli.run_process("fake-server", "--port", str(port))
    assert (done.code, done.out) == (4, "")
    assert done.err == f"Port {port} on 127.0.0.1 is in use. Choose another one with --port; 0 is any free port.\n"


def test_its_url_may_omit_the_scheme() -> None:
    assert parse_server("127.0.0.1:7990") == parse_server("http://127.0.0.1:7990/") == "http://127.0.0.1:7990"
