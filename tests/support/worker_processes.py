"""A fleet of worker processes that share a store and a fake Bitbucket."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.open_store import open_store
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from tests.support.programs.fleet_worker import run

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

    from bitbucket_auth_async.testing.server import Site

_FORKS = get_context("forkserver")
# Workers are forked from a process that has imported these.
_FORKS.set_forkserver_preload(
    [
        "tests.support.programs.fleet_worker",
        *(f"bitbucket_auth_async.stores.{name}" for name in ("postgres", "redis", "sqlite")),
    ]
)


class EndedError(AssertionError):
    """A worker ended before it printed the message that a test waits for."""


class Worker:
    """One process, which takes orders and sends messages, one JSON object a line."""

    def __init__(self, settings: dict[str, Any]) -> None:
        orders, self._orders = Pipe(duplex=False)
        self._messages, messages = Pipe(duplex=False)
        arguments = (settings, dict(os.environ), orders, messages)
        self.process: ForkServerProcess = _FORKS.Process(target=run, args=arguments)
        self.process.start()
        orders.close()
        messages.close()
        self._lines = asyncio.StreamReader()
        self._ended = asyncio.Event()
        self._transport: asyncio.ReadTransport
        self.events: Counter[str] = Counter()
        """How many events of each kind it has reported."""

    async def connect(self) -> None:
        """Begin to read its messages, and wait until it is ready."""
        loop, pipe = asyncio.get_running_loop(), os.fdopen(os.dup(self._messages.fileno()), "rb")
        self._transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._lines), pipe)
        loop.add_reader(self.process.sentinel, self._note_end)
        await self.wait_for("ready")

    def _note_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self.process.sentinel)
        self.process.join()
        self._ended.set()

    def send(self, **order: object) -> None:
        """Send an order."""
        os.write(self._orders.fileno(), json.dumps(order).encode() + b"\n")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    async def wait_for(self, name: str, value: object = None) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return what the next message under this name says; all of the message for `problems`."""
        async with asyncio.timeout(60):
            while line := await self._lines.readline():
                message = json.loads(line)
                if "event" in message:
                    self.events[message["event"]] += 1
                if name in message and value in {None, str(message[name])}:
                    return message[name] if name != "problems" else message
        raise EndedError(name)

    async def call(self, callers: int = 1, **order: object) -> list[str]:
        """Let callers use the token, check that none had a problem, and return the fingerprints of their tokens."""
        self.send(callers=callers, **order)
        report = await self.wait_for("problems")
        assert report["problems"] == []
        tokens: list[str] = report["tokens"]
        return tokens

    async def result_or_killed(self) -> Any:  # noqa: ANN401 - as `wait_for`
        """Return the report on the calls that were ordered; None if it was killed instead."""
        try:
            return await self.wait_for("problems")
        except EndedError:
            assert await self.exit_code() == -signal.SIGKILL
            return None

    async def set_offset(self, offset: float) -> None:
        """Set how far its clocks are ahead, and wait until they are."""
        self.send(offset=offset)
        await self.wait_for("offset", str(offset))

    async def wait_until_stopped(self) -> None:
        """Return once the kernel has stopped it."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        async with asyncio.timeout(30):
            while stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "T":  # noqa: ASYNC110, ASYNC240 - no disk, no event
                await asyncio.sleep(0.01)  # the kernel has no event that asyncio could wait for

    async def exit_code(self) -> int | None:
        """Return its exit code once it has ended."""
        async with asyncio.timeout(60):
            await self._ended.wait()
        return self.process.exitcode

    async def kill(self) -> None:
        """Send SIGKILL, and wait until it has ended."""
        self.process.kill()
        await self.exit_code()

    def close(self) -> None:
        """Close the pipes to a worker that has ended."""
        self._orders.close()
        self._messages.close()
        self._transport.close()
        self.process.close()


class Fleet:
    """Workers, the store that they share and the server that they ask; one offset moves the clocks of all."""

    def __init__(self, url: str, *, strict: bool) -> None:
        self.url = url
        self.worker_url: str | None = None
        """Another address of the same store, for the workers."""
        self.offset = 0.0
        self.fake = FakeBitbucket(lambda: time.time() + self.offset, strict=strict)
        self.store = open_store(url)
        self.site: Site
        self.workers: list[Worker] = []

    async def sign_in(self) -> Token:
        """Sign a person in."""
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
        """Start a worker and wait until it is ready; the numbers are fields of Timing."""
        timing = {"lease": lease, "request": lease / 2, "store": store, "deadline": deadline}
        settings = {
            "authorization_endpoint": self.site.server.authorization_endpoint,
            "token_endpoint": self.site.server.token_endpoint,
            "base_url": self.site.base_url,
            "reuse_grace": self.fake.rules.reuse_grace,
            "client_id": self.fake.client.client_id,
            "client_secret": self.fake.client.client_secret,
            "store": self.url if self.worker_url is None else self.worker_url,
            "bot": bot,
            "timing": {**timing, "refresh_ahead": refresh_ahead},
        }
        worker = Worker(settings)
        self.workers.append(worker)
        await worker.connect()
        worker.send(offset=self.offset)
        return worker

    def expire(self) -> float:
        """Let the current access token expire: for the server now, for workers with their next order."""
        return self.advance(3600.0)

    def advance(self, seconds: float) -> float:
        """Move the clocks ahead and return their offset: for the server now, for workers with their next order."""
        self.offset += seconds
        return self.offset

    async def record(self) -> Record:
        """Return the stored record."""
        found = await self.store.load("alice")
        assert found is not None
        return found.record

    async def claim_owner(self) -> Worker:
        """Return the worker whose claim is in the store."""
        claim = (await self.record()).claim
        assert claim is not None
        pid = (claim.process or "").partition("@")[0]
        [worker] = [worker for worker in self.workers if str(worker.process.pid) == pid]
        return worker

    async def assert_intact(self) -> Token:
        """Check that the store holds a valid access token with an unspent refresh token, and return it."""
        record = await self.record()
        assert record.claim is None
        assert record.token is not None
        assert record.token.refresh_token is not None
        assert self.fake.is_live(record.token.access_token)
        assert self.fake.is_spendable(record.token.refresh_token)
        assert self.fake.spends(record.token.refresh_token) == 0
        return record.token

    async def stop(self) -> None:
        """Kill all workers and close the store."""
        await self.store.aclose()
        for worker in self.workers:
            if worker.process.exitcode is None:
                await worker.kill()
            worker.close()
