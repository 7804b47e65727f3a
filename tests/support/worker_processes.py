"""A crew of worker processes on one store and one fake Bitbucket, and the test's hold on them."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.open_store import open_store
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket

if TYPE_CHECKING:
    from bitbucket_auth_async.testing.server import Site

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "tests" / "support" / "programs" / "fleet_worker.py"


class EndedError(AssertionError):
    """A worker ended before it said what it was asked for."""


class Worker:
    """One process; what it says is read line by line."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.events: Counter[str] = Counter()
        """What it told of so far, by kind."""

    def order(self, **what: object) -> None:
        """Tell it what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")

    async def hears(self, name: str, value: object = None) -> Any:  # noqa: ANN401 - whatever it says under that name
        """Read on until it says something under this name (and of this value)."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self.process.stdout.readline():
                said = json.loads(line)
                if "event" in said:
                    self.events[said["event"]] += 1
                if name in said and value in {None, str(said[name])}:
                    return said[name] if name != "problems" else said
        raise EndedError(name)

    async def call(self, callers: int = 1, **order: object) -> list[str]:
        """Let callers use the token; return the fingerprints of what they got, there being no problem."""
        self.order(callers=callers, **order)
        said = await self.hears("problems")
        assert said["problems"] == []
        tokens: list[str] = said["tokens"]
        return tokens

    async def calls_or_dies(self) -> Any:  # noqa: ANN401 - as `hears`
        """Return what it says of the calls that it was told to make; None: it was killed instead."""
        try:
            return await self.hears("problems")
        except EndedError:
            await self.process.wait()
            assert self.process.returncode == -signal.SIGKILL
            return None

    async def goes_ahead(self, ahead: float) -> None:
        """Let its clocks go ahead, and wait until they have."""
        self.order(ahead=ahead)
        await self.hears("ahead", str(ahead))

    async def is_stopped(self) -> None:
        """Return once the kernel says that it is stopped."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        async with asyncio.timeout(30):
            while stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "T":  # noqa: ASYNC110, ASYNC240 - no disk, no event
                await asyncio.sleep(0.01)  # the kernel has no event that asyncio could wait for

    async def kill(self) -> None:
        """End it by SIGKILL, and wait for that."""
        self.process.kill()
        await self.process.wait()


class Crew:
    """Workers, the store they share and the server they ask; time moves ahead for all of them together."""

    def __init__(self, url: str, *, strict: bool) -> None:
        self.url = url
        self.through: str | None = None
        """Another address under which workers are to find the same store."""
        self.ahead = 0.0
        self.fake = FakeBitbucket(lambda: time.time() + self.ahead, strict=strict)
        self.store = open_store(url)
        self.site: Site
        self.workers: list[Worker] = []

    async def sign_in(self) -> Token:
        """Let a person sign in."""
        async with TokenManager(self.fake.client, store=self.store, key="alice", server=self.site.server) as manager:
            return await manager.adopt(self.fake.sign_in())

    async def start(
        self,
        *,
        bot: bool = False,
        lease: float = 60.0,
        store: float = 10.0,
        deadline: float = 90.0,
        refresh_ahead: float | None = None,
    ) -> Worker:
        """Start a worker, and wait until it is ready; the numbers are those of Timing."""
        timing = {"lease": lease, "request": lease / 2, "store": store, "deadline": deadline}
        settings = {
            "authorization_endpoint": self.site.server.authorization_endpoint,
            "token_endpoint": self.site.server.token_endpoint,
            "base_url": self.site.base_url,
            "reuse_grace": self.fake.rules.reuse_grace,
            "client_id": self.fake.client.client_id,
            "client_secret": self.fake.client.client_secret,
            "store": self.url if self.through is None else self.through,
            "bot": bot,
            "timing": {**timing, "refresh_ahead": refresh_ahead},
        }
        words = [sys.executable, str(WORKER), json.dumps(settings)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # for what tests share
        worker = Worker(await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, env=environment))
        self.workers.append(worker)
        await worker.hears("ready")
        worker.order(ahead=self.ahead)
        return worker

    def expire(self) -> float:
        """Let the present access token run out, for the server at once and for workers with their next order."""
        return self.hurry(3600.0)

    def hurry(self, seconds: float) -> float:
        """Let so much time have passed, for the server at once and for workers with their next order."""
        self.ahead += seconds
        return self.ahead

    async def record(self) -> Record:
        """Return what the store holds."""
        found = await self.store.load("alice")
        assert found is not None
        return found.record

    async def claimant(self) -> Worker:
        """Return the worker whose claim is in the store."""
        claim = (await self.record()).claim
        assert claim is not None
        pid = (claim.process or "").partition("@")[0]
        [worker] = [worker for worker in self.workers if str(worker.process.pid) == pid]
        return worker

    async def assert_whole(self) -> Token:
        """See that no sign-in is lost: what is stored has a token that is good, and a refresh token that is unspent."""
        record = await self.record()
        assert record.claim is None
        assert record.token is not None
        assert record.token.refresh_token is not None
        assert self.fake.is_live(record.token.access_token)
        assert self.fake.is_spendable(record.token.refresh_token)
        assert self.fake.spends(record.token.refresh_token) == 0
        return record.token

    async def stop(self) -> None:
        """End all workers, whatever they do, and close the store."""
        await self.store.aclose()
        for worker in self.workers:
            if worker.process.returncode is None:
                await worker.kill()
