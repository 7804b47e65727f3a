"""`bitbucket-auth` with a home of its own and a fake Bitbucket: in this process, or as a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

from bitbucket_auth_async.cli.profiles import paths, profiles
from bitbucket_auth_async.cli.profiles.profile import Profile
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.authorization_endpoint import AuthorizationRequest
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import Site, fake_bitbucket_app, listening, server_at
from tests.support.git_server import GitServer
from tests.support.in_process import RunResult, run_in_process
from tests.support.ports import free_port

__all__ = ["BROWSER", "CommandLine", "RunResult", "command_line", "text_in", "wait_until_idle"]

ROOT = Path(__file__).parents[2]
BROWSER = f"{sys.executable} {ROOT / 'tests' / 'support' / 'programs' / 'consenting_browser.py'} %s"


class CommandLine:
    """The command line, at a fake Bitbucket."""

    def __init__(self, home: Path, fake: FakeBitbucket, site: Site, git_server: GitServer) -> None:
        self.home = home
        self.fake = fake
        self.site = site
        self.git_server = git_server
        self.port = free_port()
        self.callback = f"http://127.0.0.1:{self.port}/callback"
        fake.registration().callback = self.callback
        self.started: list[asyncio.subprocess.Process] = []
        self.environ: dict[str, str] = {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "BITBUCKET_CLIENT_ID": fake.client.client_id,
            "BITBUCKET_CLIENT_SECRET": str(fake.client.client_secret),
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS")},
        }

    @property
    def tokens(self) -> Path:
        """The file in which tokens are kept by default."""
        return self.home / ".local/share/bitbucket-auth/tokens.json"

    @property
    def store(self) -> FileStore:
        return FileStore(self.tokens)

    async def access_token(self, key: str = "default") -> str:
        """Return the access token that is stored."""
        found = await self.store.load(key)
        assert found is not None
        assert found.record.token is not None
        return found.record.token.access_token

    async def start(
        self,
        *words: str,
        command: tuple[str, ...] = (sys.executable, "-m", "bitbucket_auth_async"),
        environ: Mapping[str, str] = MappingProxyType({}),
        cwd: Path | None = None,
    ) -> asyncio.subprocess.Process:
        """Start it, with pipes on all sides."""
        pipe = asyncio.subprocess.PIPE
        given = {**self.environ, **environ}
        if command[0] != sys.executable or "-c" in command:  # a disk or a user that coverage can't write with
            given = {name: value for name, value in given.items() if not name.startswith("COVERAGE_PROCESS")}
        process = await asyncio.create_subprocess_exec(
            *command, *words, env=given, cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe
        )
        self.started.append(process)
        return process

    async def run(
        self, *words: str, stdin: str = "", environ: Mapping[str, str] = MappingProxyType({}), cwd: Path | None = None
    ) -> RunResult:
        """Run it to its end in this process: for all that does not need a real one."""
        given = {**self.environ, **environ}
        return await asyncio.to_thread(
            run_in_process, words, environ=given, stdin=stdin.encode(), cwd=self.home if cwd is None else cwd
        )

    async def run_process(self, *words: str, stdin: str = "", **more: Any) -> RunResult:  # noqa: ANN401 - what `start` takes
        """Run it to its end as a process of its own."""
        process = await self.start(*words, **more)
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return RunResult(process.returncode, out.decode(), err.decode())

    def login_words(self, *words: str) -> tuple[str, ...]:
        """Return the words of a sign-in at the fake."""
        return ("login", "--server", self.site.base_url, "--port", str(self.port), *words)

    async def login(self, *words: str, environ: Mapping[str, str] = MappingProxyType({})) -> RunResult:
        """Sign in by a browser that says yes."""
        done = await self.run(*self.login_words(*words), environ={"BROWSER": BROWSER, **environ})
        assert done.code == 0, done
        return done

    async def static_login(self, kind: str, token: str, *words: str) -> RunResult:
        """Sign in by a token that was created at Bitbucket, which comes on standard input."""
        email = ("--email", "ada@example.com") if kind == "--api-token" and "--email" not in words else ()
        return await self.run("login", kind, "--server", self.site.base_url, *email, *words, stdin=f"{token}\n")

    async def sign_in(self, name: str = "default") -> None:
        """Leave what `login` leaves, without a process for it and one for its browser; a test compares the two."""
        client, server = self.fake.client, self.site.server
        request = AuthorizationRequest(server=server, client=client, redirect_uri=self.callback)
        profile = Profile(
            name=name,
            client_id=client.client_id,
            secret="environment",
            grant_type="authorization_code",
            store=paths.DEFAULT_STORE,
            server=self.site.base_url,
            port=self.port,
        )
        async with TokenManager(client, store=self.store, key=profile.key, server=server) as manager:
            await manager.exchange(request.judge(self.fake.authorize(request.url)))
        with mock.patch.dict(os.environ, self.environ, clear=True):
            profiles.save(profile)

    async def age(self, seconds: float, key: str = "default") -> None:
        """Make the stored token older."""
        found = await self.store.load(key)
        assert found is not None
        record = found.record.to_plain()
        for moment in ("issued_at", "expires_at"):
            record["token"][moment] -= seconds
        assert await self.store.swap(key, type(found.record).from_plain(record), expected=found.version)

    def git_request(self, **more: str) -> str:
        """Return what Git asks at the fake."""
        protocol, _, host = self.site.base_url.partition("://")
        lines = {"protocol": protocol, "host": host, **more}
        return "".join(f"{name}={value}\n" for name, value in lines.items()) + "\n"


def text_in(folder: Path) -> str:
    """Return the content of all files in a folder."""
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


async def wait_until_idle(process: asyncio.subprocess.Process) -> None:
    """Return once a process has handled every signal and sleeps."""
    status = Path(f"/proc/{process.pid}/status")
    async with asyncio.timeout(30):
        while True:
            fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())  # noqa: ASYNC240 - no disk
            pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
            if not pending and fields["State"].split()[0] == "S":
                return
            await asyncio.sleep(0.01)  # the kernel has no event that asyncio could wait for


@asynccontextmanager
async def command_line(folder: Path, fake: FakeBitbucket | None = None) -> AsyncGenerator[CommandLine]:
    """Serve a fake with Git repositories, and give the command line a home of its own."""
    fake = FakeBitbucket() if fake is None else fake
    home = folder / "home"
    home.mkdir()
    git_server = GitServer(folder / "repositories", fake)
    app = fake_bitbucket_app(fake)
    git_server.add_to(app)
    async with listening(app) as port:
        base_url = f"http://127.0.0.1:{port}"
        fake.rest.base_url = base_url
        cli = CommandLine(home, fake, Site(base_url=base_url, server=server_at(base_url, fake)), git_server)
        try:
            yield cli
        finally:
            for process in cli.started:  # a failed test may have left one running
                if process.returncode is None:
                    process.kill()
                    await process.wait()
