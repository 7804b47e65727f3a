"""The demo: two processes share one sign-in on a fake Bitbucket that rotates, while everything goes wrong."""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from bitbucket_auth_async.cli.demo.display import Display, Scene
from bitbucket_auth_async.cli.demo.figures import Figures
from bitbucket_auth_async.cli.demo.story import Story
from bitbucket_auth_async.cli.demo.workers import Child, Crew
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
"""Seconds that a token request takes, so that renewals of two processes would overlap if nothing kept them apart."""
_OVERTIME = 60.0
"""Seconds beyond the planned ones after which it is clear that something doesn't come."""


class CutShortError(Exception):
    """The demo can't be played to its end."""


class Demo:
    """One run."""

    def __init__(self, site: Site, fake: FakeBitbucket, folder: Path, *, seconds: float, callers: int) -> None:
        """Take the stage that is set."""
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
        self._crew = Crew(folder, settings)
        self._display = Display(f"One sign-in, two processes, {2 * callers} coroutines")
        self._story = Story()
        self._endpoint = "up"
        self._met_outage = 0
        self._killed: str | None = None
        """Fingerprint of the refresh token that the killed process had spent."""
        self._broken: tuple[str, ...] = ()

    async def run(self) -> Figures:
        """Play it, and return what it came to."""
        async with self._manager() as manager:
            await manager.adopt(self._fake.sign_in())
        with self._display.shown():
            self._display.say("demo", f"a person signed in; tokens live {_LIFETIME:g} s, refresh tokens rotate")
            try:
                await self._play_watched()
            finally:
                await self._crew.stop()
                self._look()
        lost = await self._lost()
        figures = self._figures(lost)
        self._display.conclude(figures)
        return figures

    def _manager(self) -> TokenManager:
        return TokenManager(self._fake.client, store=self._store, key=_KEY, server=self._site.server)

    async def _play_watched(self) -> None:
        try:
            async with asyncio.timeout(self._seconds + _OVERTIME), asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch())
                await self._play()
                watching.cancel()
        except* CutShortError as group:
            self._broken = tuple(str(error) for error in group.exceptions)
        except* TimeoutError:
            self._broken = ("what the demo waited for did not come",)

    async def _play(self) -> None:
        self._fake.inject(faults.latency(_LATENCY), times=None, when=lambda _: self._endpoint == "up")
        for name in ("process A", "process B"):
            await self._start(name)
        await self._until(self._seconds / 3)
        victim = await self._kill_one_mid_renewal()
        await asyncio.sleep(1.0)
        await self._start(victim.name)
        await self._until(self._seconds * 2 / 3)
        await self._until_just_before_the_next_renewal()
        await self._be_down()
        await self._until(max(self._seconds, self._display.elapsed + _LIFETIME / 2))

    async def _until(self, elapsed: float) -> None:
        await asyncio.sleep(max(elapsed - self._display.elapsed, 0.0))

    async def _start(self, name: str) -> None:
        self._story.started(name)
        await self._crew.start(name)
        self._display.say(name, f"starts with {self._callers} coroutines")

    async def _kill_one_mid_renewal(self) -> Child:
        """Hold the answer to the next renewal back, and kill whoever waits for it."""
        with self._fake.inject(faults.hold()) as held:
            self._endpoint = "holds its next answer back"
            self._display.say("Bitbucket", "holds back the answer to the next renewal")
            await held.reached.wait()
            found = await self._store.load(_KEY)
            claim = None if found is None else found.record.claim
            pid = 0 if claim is None or claim.process is None else int(claim.process.partition("@")[0])
            victim = next((child for child in self._crew.children if child.process.pid == pid), None)
            if claim is None or victim is None:
                msg = "a renewal was out, and nobody's claim was in the store"
                raise CutShortError(msg)
            self._killed = claim.spends
            await self._crew.kill(victim)
            self._story.killed(victim.name, time.time())
            self._display.say(victim.name, "was killed (SIGKILL): it had spent its refresh token, and saved nothing")
        self._endpoint = "up"
        return victim

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

    async def _be_down(self) -> None:
        with self._fake.inject(faults.status(503), times=None) as outage:
            self._endpoint = "down"
            self._display.say("Bitbucket", f"the token endpoint is down for {_OUTAGE:g} s")
            await asyncio.sleep(_OUTAGE)
            self._met_outage = outage.hits
        self._endpoint = "up"
        self._display.say("Bitbucket", f"the token endpoint is back; token requests that met the outage: {outage.hits}")

    async def _watch(self) -> None:
        while True:
            self._look()
            broken = self._crew.broken()
            if broken:
                raise CutShortError("; ".join(broken))
            await asyncio.sleep(0.2)

    def _look(self) -> None:
        for news in self._crew.read_journals():
            for sentence in self._story.tell(news):
                self._display.say(news.who, sentence, at=news.at)
        children = self._crew.children
        scene = Scene(
            elapsed=self._display.elapsed,
            seconds=self._seconds,
            workers=[(each.name, each.state, each.counts["made"], each.counts["failed"]) for each in children],
            endpoint=self._endpoint,
            figures=self._figures(0),
        )
        self._display.show(scene)

    def _figures(self, lost: int) -> Figures:
        total = self._crew.total()
        again = [entry.presented for entry in self._fake.second_spends]
        repairs = sum(spent == self._killed for spent in again)
        broken = self._broken or self._crew.broken()
        return Figures(
            made=total["made"],
            failed=total["failed"],
            token_requests=self._fake.token_requests,
            met_outage=self._met_outage,
            spent_twice=len(again) - repairs,
            repairs=repairs,
            lost=max(lost, int(total["login_required"] > 0)),
            broken=broken,
        )

    async def _lost(self) -> int:
        """Ask for the token once more, and whether its refresh token is alive and has never been used."""
        try:
            async with self._manager() as manager:
                token = await manager.get_token()
        except BitbucketAuthError as error:
            self._display.say("demo", f"no token is to be had any more: {error}")
            return 1
        found = await self._store.load(_KEY)
        kept = None if found is None or found.record.token is None else found.record.token.refresh_token
        if kept is None or not self._fake.is_live(token.access_token):
            return 1
        return 0 if self._fake.is_spendable(kept) and self._fake.spends(kept) == 0 else 1


async def _main(seconds: float, callers: int) -> int:
    main = asyncio.current_task()
    if main is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
    fake = FakeBitbucket(lifetime=_LIFETIME)
    with tempfile.TemporaryDirectory(prefix="bitbucket-auth-demo-") as folder:
        async with serve(fake) as site:
            demo = Demo(site, fake, Path(folder), seconds=seconds, callers=callers)
            figures = await demo.run()
    return 1 if figures.problems() else 0


def main() -> int:
    """Run the demo; return 0 if all was as it should be."""
    parser = argparse.ArgumentParser(prog="python -m bitbucket_auth_async.cli.demo.demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long it takes (30; at least 12)")
    parser.add_argument("--callers", type=int, default=200, help="coroutines in each of the two processes (200)")
    options = parser.parse_args()
    if not options.seconds >= 12 or options.callers < 1:  # noqa: PLR2004 - a renewal, a kill and an outage take their time
        parser.error("--seconds takes 12 or more, --callers 1 or more")
    return play(options.seconds, options.callers)


def play(seconds: float, callers: int) -> int:
    """Run the demo; return 0 if all was as it should be."""
    try:
        return asyncio.run(_main(seconds, callers))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
