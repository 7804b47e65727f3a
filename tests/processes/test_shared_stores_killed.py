"""Processes killed at random on each shared store, with the server's grace on.

What befalls whom is drawn from a seed; it happens at a moment of which a process or the server tells, never after a
time. `SOAK=1` makes the fleet larger: 16 processes with 100 callers each, over 20 expiries.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

import pytest

from bitbucket_auth_async.testing.fake import faults
from tests.support.worker_processes import Crew, Worker

SOAK = bool(os.environ.get("SOAK"))
PROCESSES, CALLERS, EXPIRIES = (16, 100, 20) if SOAK else (4, 25, 5)
MOMENTS = ("look", "claim", "save", "saved", "flight")
SPENT_AND_NOT_SAVED = {"save", "flight"}


class Reaper:
    """Draws who is killed when, and keeps account of it."""

    def __init__(self, fleet: Crew, seed: int) -> None:
        self.fleet = fleet
        self.chance = random.Random(seed)  # noqa: S311 - which test this is, no secret
        self.killed: list[str] = []
        """The moment of each death."""
        self.repeats_told = 0
        self._deck: list[str] = []

    async def reap(self, workers: list[Worker]) -> list[Worker]:
        """Let a token run out while some are killed, and return who lives: nobody who lives has noticed anything."""
        chance, ahead = self.chance, self.fleet.expire()
        moments = [self._moment() for _ in range(chance.randint(1, len(workers) - 2))]
        fates = dict(zip(chance.sample(workers, len(moments)), moments, strict=True))
        late = chance.random() < 0.5
        async with self._in_flight(fates, late=late) if "flight" in moments else nullcontext():
            for worker, at in fates.items():
                worker.order(callers=CALLERS, ahead=ahead, fate="" if at == "flight" else "SIGKILL", at=at)
            doomed = {worker: asyncio.create_task(worker.calls_or_dies()) for worker in fates}
            await asyncio.wait(doomed.values(), return_when=asyncio.FIRST_COMPLETED)
            others = [worker for worker in workers if worker not in doomed]
            for worker in others:
                worker.order(callers=CALLERS, ahead=ahead, fate="")
            said = dict(zip(others, await asyncio.gather(*(worker.calls_or_dies() for worker in others)), strict=True))
            said |= dict(zip(doomed, await asyncio.gather(*doomed.values()), strict=True))
        alive = [worker for worker in workers if said[worker] is not None]
        self.killed += [fates[worker] for worker in workers if said[worker] is None]
        self.repeats_told += sum(worker.events["repeated"] for worker in workers if said[worker] is None)
        assert [said[worker]["problems"] for worker in alive] == [[]] * len(alive)
        assert len({token for worker in alive for token in said[worker]["tokens"]}) == 1
        return alive

    def _moment(self) -> str:
        """Draw from a deck, so that in a short test too each moment has its turn."""
        if not self._deck:
            self._deck = self.chance.sample(MOMENTS, len(MOMENTS))
        return self._deck.pop()

    @asynccontextmanager
    async def _in_flight(self, fates: dict[Worker, str], *, late: bool) -> AsyncGenerator[None]:
        """Kill whoever sends the first request while it is under way; *late*: the server takes it up only after."""

        async def kill() -> None:
            await held.reached.wait()
            sender = await self.fleet.claimant()
            fates[sender] = "flight"
            await sender.kill()
            held.release()

        with self.fleet.fake.inject(faults.hold(late=late)) as held:
            killing = asyncio.create_task(kill())
            yield
            await killing


@pytest.mark.timeout(900 if SOAK else 120)
async def test_r9_processes_killed_at_random_cost_nobody_a_sign_in_and_each_second_spend_is_accounted_for(
    fleet: Crew,
) -> None:
    token, reaper = await fleet.sign_in(), Reaper(fleet, seed=20_260_504)
    workers: list[Worker] = []
    for _ in range(EXPIRIES):
        fresh = (fleet.start() for _ in range(PROCESSES - len(workers)))
        workers += await asyncio.gather(*fresh)
        died_before = len(reaper.killed)
        workers = await reaper.reap(workers)
        died = reaper.killed[died_before:]
        # Each who died with an answer on its way or in its hands was followed by one who presented the same again.
        repeats = sum(moment in SPENT_AND_NOT_SAVED for moment in died)
        assert fleet.fake.spends(token.refresh_token or "") == 1 + repeats
        token = await fleet.assert_whole()
    accounted = sum(moment in SPENT_AND_NOT_SAVED for moment in reaper.killed)
    assert len(fleet.fake.second_spends) == accounted > 0
    told = reaper.repeats_told + sum(worker.events["repeated"] for worker in workers)
    assert accounted <= told <= accounted + EXPIRIES  # who repeats says so, also where nothing had been spent
    print("killed:", dict(Counter(reaper.killed)), "second spends:", accounted)
