"""Processes killed at random on each shared store, with the server's grace on.

A seed decides who is killed and when; each kill waits for a message of a process or the server, never for a time.
`SOAK=1` makes the fleet larger: 16 processes with 100 callers each, over 20 expiries.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

import pytest

from bitbucket_auth_async.testing.fake import faults
from tests.support.worker_processes import Fleet, Worker

SOAK = bool(os.environ.get("SOAK"))
PROCESSES, CALLERS, EXPIRIES = (16, 100, 20) if SOAK else (4, 25, 5)
MOMENTS = ("look", "claim", "save", "saved", "flight")
SPENT_AND_NOT_SAVED = {"save", "flight"}


class RandomKiller:
    """Decides who is killed when, and records it."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.fleet = fleet
        self.chance = random.Random(seed)  # noqa: S311 - picks the victims of this test, no secret
        self.killed: list[str] = []
        """The moment of each kill."""
        self.repeats_reported = 0
        self._deck: list[str] = []

    async def renew_and_kill(self, workers: list[Worker]) -> list[Worker]:
        """Let the token expire, kill some workers meanwhile, check that the others had no problem, and return those."""
        chance, offset = self.chance, self.fleet.expire()
        moments = [self._moment() for _ in range(chance.randint(1, len(workers) - 2))]
        victims = dict(zip(chance.sample(workers, len(moments)), moments, strict=True))
        late = chance.random() < 0.5
        async with self._in_flight(victims, late=late) if "flight" in moments else nullcontext():
            for worker, at in victims.items():
                worker.send(callers=CALLERS, offset=offset, fault="" if at == "flight" else "SIGKILL", at=at)
            pending = {worker: asyncio.create_task(worker.result_or_killed()) for worker in victims}
            await asyncio.wait(pending.values(), return_when=asyncio.FIRST_COMPLETED)
            others = [worker for worker in workers if worker not in pending]
            for worker in others:
                worker.send(callers=CALLERS, offset=offset, fault="")
            pending |= {worker: asyncio.create_task(worker.result_or_killed()) for worker in others}
            reports = dict(zip(pending, await asyncio.gather(*pending.values()), strict=True))
        alive = [worker for worker in workers if reports[worker] is not None]
        self.killed += [victims[worker] for worker in workers if reports[worker] is None]
        self.repeats_reported += sum(worker.events["repeated"] for worker in workers if reports[worker] is None)
        assert [reports[worker]["problems"] for worker in alive] == [[]] * len(alive)
        assert len({token for worker in alive for token in reports[worker]["tokens"]}) == 1
        return alive

    def _moment(self) -> str:
        """Draw from a shuffled deck, so that each moment has its turn in a short test too."""
        if not self._deck:
            self._deck = self.chance.sample(MOMENTS, len(MOMENTS))
        return self._deck.pop()

    @asynccontextmanager
    async def _in_flight(self, victims: dict[Worker, str], *, late: bool) -> AsyncGenerator[None]:
        """Kill the sender of the first request while it is in flight; with *late* the server handles it afterwards."""

        async def kill() -> None:
            await held.reached.wait()
            owner = await self.fleet.claim_owner()
            victims[owner] = "flight"
            await owner.kill()
            held.release()

        with self.fleet.fake.inject(faults.hold(late=late)) as held:
            killing = asyncio.create_task(kill())
            yield
            await killing


@pytest.mark.timeout(900 if SOAK else 120)
async def test_r9_processes_killed_at_random_lose_no_sign_in_and_explain_each_second_spend(
    fleet: Fleet,
) -> None:
    token, killer = await fleet.sign_in(), RandomKiller(fleet, seed=20_260_504)
    workers: list[Worker] = []
    for _ in range(EXPIRIES):
        fresh = (fleet.start() for _ in range(PROCESSES - len(workers)))
        workers += await asyncio.gather(*fresh)
        died_before = len(killer.killed)
        workers = await killer.renew_and_kill(workers)
        moments = killer.killed[died_before:]
        # Each process killed between request and save was followed by one that repeated the request.
        repeats = sum(moment in SPENT_AND_NOT_SAVED for moment in moments)
        assert fleet.fake.spends(token.refresh_token or "") == 1 + repeats
        token = await fleet.assert_intact()
    accounted = sum(moment in SPENT_AND_NOT_SAVED for moment in killer.killed)
    assert len(fleet.fake.second_spends) == accounted > 0
    reported = killer.repeats_reported + sum(worker.events["repeated"] for worker in workers)
    assert accounted <= reported <= accounted + EXPIRIES  # a repeat is reported even if nothing had been spent
    print("killed:", dict(Counter(killer.killed)), "second spends:", accounted)
