"""The demo: two processes share one sign-in on a fake Bitbucket that rotates, while everything goes wrong."""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bitbucket_auth_async.cli.demo_display import Display
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.manager import TokenManager
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import Site, serve

_KEY = "demo"
_LIFETIME = 8.0
_OUTAGE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the demo came to."""

    made: int
    failed: int
    token_requests: int
    spent_twice: int
    """Refresh tokens spent again while their first holder lived."""
    repairs: int
    lost: int

    def table(self) -> dict[str, object]:
        """Return the figures under the names that people read."""
        return {
            "requests made": f"{self.made:,}",
            "requests failed": self.failed,
            "token requests": self.token_requests,
            "refresh tokens spent twice while their first holder lived": self.spent_twice,
            "repairs after the kill": self.repairs,
            "sign-ins lost": self.lost,
        }

    def problems(self) -> list[str]:
        """Return what should not be."""
        rules = {
            "no request was made": self.made == 0,
            "requests failed": self.failed > 0,
            "a refresh token was spent twice while its first holder lived": self.spent_twice > 0,
            f"the kill was repaired {self.repairs} times, not once": self.repairs != 1,
            "the sign-in was lost": self.lost > 0,
        }
        return [problem for problem, holds in rules.items() if holds]


@dataclass(slots=True)
class _Child:
    """One life of a worker."""

    name: str
    process: Process
    journal: Path
    read: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])


class Demo:
    """One run."""

    def __init__(self, site: Site, fake: FakeBitbucket, folder: Path, *, seconds: float, callers: int) -> None:
        """Take the stage that is set."""
        self._site = site
        self._fake = fake
        self._folder = folder
        self._seconds = seconds
        self._callers = callers
        self._store = FileStore(folder / "tokens.json")
        self._display = Display()
        self._children: list[_Child] = []
        self._killed: str | None = None
        """Fingerprint of the refresh token that the killed process had spent."""
        self._repaired = False

    async def run(self) -> list[str]:
        """Play it, and return what went wrong."""
        async with self._manager() as manager:
            await manager.adopt(self._fake.sign_in())
        with self._display.shown():
            self._display.say("demo", f"a person signed in; tokens live {_LIFETIME:g} s, refresh tokens rotate")
            watching = asyncio.create_task(self._watch())
            try:
                await self._play()
            finally:
                await self._stop()
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            self._read_journals()
        lost = await self._lost()
        figures = self._figures(lost)
        problems = figures.problems()
        verdict = "All as it should be." if not problems else "Not as it should be: " + "; ".join(problems) + "."
        self._display.conclude(figures.table(), verdict)
        return problems

    def _manager(self) -> TokenManager:
        return TokenManager(self._fake.client, store=self._store, key=_KEY, server=self._site.server)

    async def _play(self) -> None:
        third = self._seconds / 3
        await self._start("process A")
        await self._start("process B")
        await asyncio.sleep(third)
        await self._kill_one_mid_renewal()
        await asyncio.sleep(third)
        await self._until_just_before_the_next_renewal()
        with self._fake.inject(faults.status(503), times=None) as outage:
            self._display.say("Bitbucket", f"the token endpoint is down for {_OUTAGE:g} s")
            await asyncio.sleep(_OUTAGE)
            self._display.say(
                "Bitbucket", f"the token endpoint is back; {outage.hits} token requests had met the outage"
            )
        await asyncio.sleep(max(third - _OUTAGE, _LIFETIME / 2))

    async def _until_just_before_the_next_renewal(self) -> None:
        """Wait until the token is nearly stale, which at this lifetime it is at half of it, or up to a tenth later."""
        while True:
            found = await self._store.load(_KEY)
            token = None if found is None else found.record.token
            left = 0.0 if token is None else token.issued_at + 0.45 * _LIFETIME - time.time()
            if left > 0:
                await asyncio.sleep(left)
                return
            await asyncio.sleep(0.1)

    async def _kill_one_mid_renewal(self) -> None:
        """Hold the answer to the next renewal back, and kill whoever waits for it."""
        with self._fake.inject(faults.hold()) as held:
            self._display.say("Bitbucket", "holds back the answer to the next renewal")
            await held.reached.wait()
            found = await self._store.load(_KEY)
            claim = None if found is None else found.record.claim
            pid = 0 if claim is None or claim.process is None else int(claim.process.partition("@")[0])
            victim = next((child for child in self._children if child.process.pid == pid), None)
            if claim is None or victim is None:
                msg = "Nobody's claim is in the store while a renewal is out."
                raise RuntimeError(msg)
            self._killed = claim.spends
            victim.process.kill()
            await victim.process.wait()
            self._display.say("demo", f"{victim.name} was killed (SIGKILL) between spending and saving")
        await asyncio.sleep(1.0)
        await self._start(victim.name)

    async def _start(self, name: str) -> None:
        journal = self._folder / f"{name}-{len(self._children)}.jsonl".replace(" ", "-")
        settings = {
            "authorization_endpoint": self._site.server.authorization_endpoint,
            "token_endpoint": self._site.server.token_endpoint,
            "base_url": self._site.base_url,
            "reuse_grace": self._site.server.reuse_grace,
            "client_id": self._fake.client.client_id,
            "client_secret": self._fake.client.client_secret,
            "store": str(self._folder / "tokens.json"),
            "journal": str(journal),
            "key": _KEY,
            "callers": self._callers,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bitbucket_auth_async.cli.demo_worker",
            json.dumps(settings),
            stdin=subprocess.PIPE,
        )
        self._children.append(_Child(name, process, journal))
        self._display.say(name, f"starts with {self._callers} coroutines")

    async def _stop(self) -> None:
        """Let every worker end as it does when the demo dies: its standard input closes."""
        for child in self._children:
            if child.process.stdin is not None:
                child.process.stdin.close()
        for child in self._children:
            with suppress(TimeoutError):
                await asyncio.wait_for(child.process.wait(), 15)
            if child.process.returncode is None:
                child.process.kill()
                await child.process.wait()

    async def _watch(self) -> None:
        while True:
            self._read_journals()
            await asyncio.sleep(0.2)

    def _read_journals(self) -> None:
        for child in self._children:
            if not child.journal.exists():
                continue
            lines = child.journal.read_text(encoding="utf-8").split("\n")[:-1]  # the last one may be half written
            for line in lines[child.read :]:
                entry: dict[str, Any] = json.loads(line)
                child.counts = Counter(entry["counts"])
                for news in entry["news"]:
                    self._display.say(child.name, news)
            child.read = len(lines)
        self._display.count(self._figures(0).table())

    def _figures(self, lost: int) -> Figures:
        total: Counter[str] = sum((child.counts for child in self._children), Counter[str]())
        again = [entry.spent for entry in self._fake.second_spends]
        repairs = sum(spent == self._killed for spent in again)
        return Figures(
            made=total["made"],
            failed=total["failed"],
            token_requests=self._fake.token_requests,
            spent_twice=len(again) - repairs,
            repairs=repairs,
            lost=lost,
        )

    async def _lost(self) -> int:
        """Ask for the token once more, and whether its refresh token is alive."""
        try:
            async with self._manager() as manager:
                token = await manager.get_token()
        except BitbucketAuthError as error:
            self._display.say("demo", f"no token is to be had any more: {error}")
            return 1
        found = await self._store.load(_KEY)
        kept = None if found is None or found.record.token is None else found.record.token.refresh_token
        alive = kept is not None and self._fake.is_spendable(kept) and self._fake.is_live(token.access_token)
        return 0 if alive else 1


async def _main(seconds: float, callers: int) -> int:
    main = asyncio.current_task()
    if main is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
    fake = FakeBitbucket(lifetime=_LIFETIME)
    with tempfile.TemporaryDirectory(prefix="bitbucket-auth-demo-") as folder:
        async with serve(fake) as site:
            demo = Demo(site, fake, Path(folder), seconds=seconds, callers=callers)
            return 1 if await demo.run() else 0


def main() -> int:
    """Run the demo; return 0 if all was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m bitbucket_auth_async.cli.demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long it takes (30; at least 12)")
    parser.add_argument("--callers", type=int, default=200, help="coroutines in each of the two processes (200)")
    options = parser.parse_args()
    if options.seconds < 12 or options.callers < 1:  # noqa: PLR2004 - a renewal, a kill and an outage take their time
        parser.error("--seconds takes 12 or more, --callers 1 or more")
    try:
        return asyncio.run(_main(options.seconds, options.callers))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
