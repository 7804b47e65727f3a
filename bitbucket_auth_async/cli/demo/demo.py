"""`demo`: two processes share one sign-in at a fake Bitbucket that rotates tokens, through a kill and an outage."""

import asyncio
import signal
import tempfile
import time
from pathlib import Path

from bitbucket_auth_async.cli.demo.display import Display, Snapshot
from bitbucket_auth_async.cli.demo.narrator import Narrator
from bitbucket_auth_async.cli.demo.results import Results
from bitbucket_auth_async.cli.demo.worker_processes import WorkerProcess, WorkerProcesses
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import Site, serve

_KEY = "demo"
_LIFETIME = 8.0
_OUTAGE = 2.0
_LATENCY = 0.5
"""Seconds that a token request takes; without a claim, the renewals of two processes would overlap."""
_OVERTIME = 60.0
"""Seconds beyond the planned duration after which the demo gives up."""


class DemoAbortedError(Exception):
    """The demo can't continue."""


class Demo:
    """One run."""

    def __init__(self, site: Site, fake: FakeBitbucket, folder: Path, *, seconds: float, callers: int) -> None:
        """Prepare the run; nothing is started."""
        self._site = site
        self._fake = fake
        self._seconds = seconds
        self._callers = callers
        self._store = FileStore(folder / "tokens.json")
        settings = {
            "authorization_endpoint": site.server.authorization_endpoint,
            "token_endpoint": site.server.token_endpoint,
            "base_url": site.base_url,
            "reuse_grace": site.server.reuse_grace,
            "client_id": fake.client.client_id,
            "client_secret": fake.client.client_secret,
            "store": str(folder / "tokens.json"),
            "key": _KEY,
            "callers": callers,
        }
        self._workers = WorkerProcesses(folder, settings)
        self._display = Display(f"One sign-in, two processes, {2 * callers} coroutines")
        self._narrator = Narrator()
        self._endpoint = "up"
        self._requests_in_outage = 0
        self._spent_by_killed: str | None = None
        """Fingerprint of the refresh token that the killed process had sent."""
        self._aborted_because: tuple[str, ...] = ()

    async def run(self) -> Results:
        """Run the demo and return its results."""
        async with self._manager() as manager:
            await manager.adopt(self._fake.sign_in())
        with self._display.shown():
            text = f"a user signed in; access tokens expire after {_LIFETIME:g} s, refresh tokens rotate"
            self._display.print_event("demo", text)
            try:
                await self._play_watched()
            finally:
                await self._workers.stop()
                self._update()
        results = self._results(await self._lost_sign_ins())
        self._display.conclude(results)
        return results

    def _manager(self) -> TokenManager:
        return TokenManager(self._fake.client, store=self._store, key=_KEY, server=self._site.server)

    async def _play_watched(self) -> None:
        try:
            async with asyncio.timeout(self._seconds + _OVERTIME), asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch())
                await self._play()
                watching.cancel()
        except* DemoAbortedError as group:
            self._aborted_because = tuple(str(error) for error in group.exceptions)
        except* TimeoutError:
            self._aborted_because = ("an expected event did not happen in time",)

    async def _play(self) -> None:
        self._fake.inject(faults.latency(_LATENCY), times=None, when=lambda _: self._endpoint == "up")
        for name in ("process A", "process B"):
            await self._start(name)
        await self._wait_until(self._seconds / 3)
        victim = await self._kill_one_mid_renewal()
        await asyncio.sleep(1.0)
        await self._start(victim.name)
        await self._wait_until(self._seconds * 2 / 3)
        await self._wait_for_next_renewal()
        await self._have_outage()
        await self._wait_until(max(self._seconds, self._display.elapsed + _LIFETIME / 2))

    async def _wait_until(self, elapsed: float) -> None:
        await asyncio.sleep(max(elapsed - self._display.elapsed, 0.0))

    async def _start(self, name: str) -> None:
        self._narrator.started(name)
        await self._workers.start(name)
        self._display.print_event(name, f"starts with {self._callers} coroutines")

    async def _kill_one_mid_renewal(self) -> WorkerProcess:
        """Hold the answer to the next renewal, and kill the process that waits for it."""
        with self._fake.inject(faults.hold()) as held:
            self._endpoint = "holding its next answer"
            self._display.print_event("Bitbucket", "holds the answer to the next renewal")
            await held.reached.wait()
            found = await self._store.load(_KEY)
            claim = None if found is None else found.record.claim
            pid = 0 if claim is None or claim.process is None else int(claim.process.partition("@")[0])
            victim = next((worker for worker in self._workers.processes if worker.process.pid == pid), None)
            if claim is None or victim is None:
                msg = "a renewal was in progress without a claim in the store"
                raise DemoAbortedError(msg)
            self._spent_by_killed = claim.spends
            await self._workers.kill(victim)
            self._narrator.killed(victim.name, time.time())
            text = "was killed (SIGKILL): its refresh token was sent, and the answer is lost"
            self._display.print_event(victim.name, text)
        self._endpoint = "up"
        return victim

    async def _wait_for_next_renewal(self) -> None:
        """Wait until the token is almost stale: at this lifetime, 45 % of it before a renewal at 50 to 60 %."""
        while True:
            found = await self._store.load(_KEY)
            token = None if found is None else found.record.token
            left = 0.0 if token is None else token.issued_at + 0.45 * _LIFETIME - time.time()
            if left > 0:
                await asyncio.sleep(left)
                return
            await asyncio.sleep(0.1)

    async def _have_outage(self) -> None:
        with self._fake.inject(faults.status(503), times=None) as outage:
            self._endpoint = "down"
            self._display.print_event("Bitbucket", f"the token endpoint is down for {_OUTAGE:g} s")
            await asyncio.sleep(_OUTAGE)
            self._requests_in_outage = outage.hits
        self._endpoint = "up"
        text = f"the token endpoint is back; token requests during the outage: {outage.hits}"
        self._display.print_event("Bitbucket", text)

    async def _watch(self) -> None:
        while True:
            self._update()
            failures = self._workers.failures()
            if failures:
                raise DemoAbortedError("; ".join(failures))
            await asyncio.sleep(0.2)

    def _update(self) -> None:
        for event in self._workers.read_journals():
            for sentence in self._narrator.tell(event):
                self._display.print_event(event.worker, sentence, at=event.at)
        snapshot = Snapshot(
            elapsed=self._display.elapsed,
            seconds=self._seconds,
            workers=[
                (worker.name, worker.state, worker.counts["requests"], worker.counts["failed"])
                for worker in self._workers.processes
            ],
            endpoint=self._endpoint,
            results=self._results(0),
        )
        self._display.update(snapshot)

    def _results(self, lost_sign_ins: int) -> Results:
        total = self._workers.total()
        spent_again = [entry.presented for entry in self._fake.second_spends]
        repairs = sum(spent == self._spent_by_killed for spent in spent_again)
        return Results(
            requests=total["requests"],
            failed=total["failed"],
            token_requests=self._fake.token_requests,
            token_requests_in_outage=self._requests_in_outage,
            spent_twice=len(spent_again) - repairs,
            repairs=repairs,
            lost_sign_ins=max(lost_sign_ins, int(total["login_required"] > 0)),
            aborted_because=self._aborted_because or self._workers.failures(),
        )

    async def _lost_sign_ins(self) -> int:
        """Return 0 if the stored token is valid and its refresh token is still unused, else 1."""
        try:
            async with self._manager() as manager:
                token = await manager.get_token()
        except BitbucketAuthError as error:
            self._display.print_event("demo", f"no token is available any more: {error}")
            return 1
        found = await self._store.load(_KEY)
        stored = None if found is None or found.record.token is None else found.record.token.refresh_token
        if stored is None or not self._fake.is_live(token.access_token):
            return 1
        return 0 if self._fake.is_spendable(stored) and self._fake.spends(stored) == 0 else 1


async def _run(seconds: float, callers: int) -> int:
    main = asyncio.current_task()
    if main is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
    fake = FakeBitbucket(lifetime=_LIFETIME)
    with tempfile.TemporaryDirectory(prefix="bitbucket-auth-demo-") as folder:
        async with serve(fake) as site:
            results = await Demo(site, fake, Path(folder), seconds=seconds, callers=callers).run()
    return 1 if results.problems() else 0


def run_demo(seconds: float, callers: int) -> int:
    """Run the demo and return the exit code: 0 if nothing went wrong."""
    try:
        return asyncio.run(_run(seconds, callers))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
