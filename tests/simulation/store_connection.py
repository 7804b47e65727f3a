"""The connection of one process to the store: messages may be late or lost, and outlive their sender."""

import asyncio
from dataclasses import replace

from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import sleep
from tests.simulation.checks.judge import Judge
from tests.simulation.process import Process
from tests.simulation.world import World

_DEAD_PROCESS = "0@0"
"""The identity of a process that does not exist."""
_DELAY_SHARE = 0.3


class StoreConnection:
    """A `TokenStore` on top of the shared store."""

    def __init__(self, world: World, judge: Judge, process: Process) -> None:
        """Start without faults."""
        self._world = world
        self._judge = judge
        self._process = process
        self.down = 0
        """How many outages keep it from the store now."""
        self.slow = 0
        self.swaps_to_lose = 0
        self.swaps_to_delay: list[float] = []
        self.confirmations_to_lose = 0

    def heal(self) -> None:
        """End all faults."""
        self.down = self.slow = self.swaps_to_lose = self.confirmations_to_lose = 0
        self.swaps_to_delay.clear()

    async def load(self, key: str, /) -> Versioned | None:
        """Load the record, perhaps late, or fail."""
        await self._process.reach("load asked")
        await self._travel()
        found = await self._world.store.load(key)
        await self._travel()
        await self._process.reach("load answered")
        return self._with_dead_owner(found)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Swap the record, perhaps late, or fail, or lose the confirmation."""
        what = (
            "claim" if record.claim is not None and self._judge.evidence.stored.is_new_claim(record.claim) else "save"
        )
        await self._process.reach(f"{what} asked")
        await self._travel()
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.swaps_to_lose:
            self.swaps_to_lose -= 1
            self._tell(f"the {what} is lost on the way")
        else:
            _ = self._world.start(self._arrive(key, record, expected, confirmed))
        version = await confirmed
        await self._process.reach(f"{what} answered")
        await self._travel()
        return version

    async def _arrive(self, key: str, record: Record, expected: int, confirmed: asyncio.Future[int]) -> None:
        """Let a swap arrive at the store: once sent, it arrives even if its sender dies."""
        if self.swaps_to_delay:
            await sleep(self._world.clock, self.swaps_to_delay.pop())
        before = await self._world.store.load(key)
        version = await self._world.store.swap(key, record, expected=expected)
        if version:
            self._judge.records.swapped(self._process, before, record)
        lost = bool(version) and self.confirmations_to_lose > 0
        if lost:
            self.confirmations_to_lose -= 1
            self._tell("the confirmation is lost")
        if confirmed.done():
            return
        if lost:
            confirmed.set_exception(ConnectionResetError())
        else:
            confirmed.set_result(version)

    async def _travel(self) -> None:
        """Wait as long as a message takes to the store or back."""
        rng = self._process.rng
        if self.slow:
            await sleep(self._world.clock, rng.uniform(0, 12))
        elif rng.random() < _DELAY_SHARE:
            await sleep(self._world.clock, rng.uniform(0, 0.05))
        await self._process.until_running()
        if self.down:
            msg = f"{self._process.name} cannot reach the store."
            raise ConnectionRefusedError(msg)

    def _with_dead_owner(self, found: Versioned | None) -> Versioned | None:
        """On one host, show that the owner of a claim is dead."""
        if found is None or found.record.claim is None or not self._world.rules.one_host:
            return found
        owner = self._judge.evidence.stored.owners.get(found.record.claim.owner)
        if owner is None or not owner.dead:
            return found
        claim = found.record.claim._replace(process=_DEAD_PROCESS)
        return found._replace(record=replace(found.record, claim=claim))

    def _tell(self, what: str) -> None:
        self._world.journal.tell(f"{self._process.name}: {what}")
