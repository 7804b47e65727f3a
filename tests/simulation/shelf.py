"""The way of one process to the store: messages that are late or lost, and that arrive although the sender is gone."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.runtime.clocks import sleep

if TYPE_CHECKING:
    from tests.simulation.process import Process

_GONE = "0@0"
"""The name of a process that there is none of."""
_NOW_AND_THEN = 0.3


class Shelf:
    """The store, as one process reaches it."""

    def __init__(self, process: "Process") -> None:
        """Begin without misfortune."""
        self._process = process
        self.down = 0
        """How many outages keep it away."""
        self.slow = 0
        self.swaps_to_lose = 0
        self.swaps_to_delay: list[float] = []
        self.confirmations_to_lose = 0

    async def load(self, key: str, /) -> Versioned | None:
        """Load, late or not at all."""
        process = self._process
        await process.wait("load asked")
        await self._reach(process.name)
        found = await process.fleet.records.load(key)
        await self._reach(process.name)
        await process.wait("load answered")
        return self._seen(found)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Swap, late or not at all, or without hearing of it."""
        process = self._process
        what = self._what(record)
        await process.wait(f"{what} asked")
        await self._reach(process.name)
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.swaps_to_lose:
            self.swaps_to_lose -= 1
            self._tell(f"the {what} is lost on its way")
        else:
            _ = process.fleet.begin(self._arrive(key, record, expected, confirmed))
        version = await confirmed
        await process.wait(f"{what} answered")
        await self._reach(process.name)
        return version

    async def _arrive(self, key: str, record: Record, expected: int, confirmed: asyncio.Future[int]) -> None:
        """Be a message: once it has left, nobody holds it back."""
        process, fleet = self._process, self._process.fleet
        if self.swaps_to_delay:
            await sleep(fleet.clock, self.swaps_to_delay.pop())
        before = await fleet.records.load(key)
        version = await fleet.records.swap(key, record, expected=expected)
        if version:
            fleet.judge.records.swapped(process, before, record)
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

    async def _reach(self, name: str) -> None:
        process = self._process
        if self.slow:
            await sleep(process.fleet.clock, process.chance.uniform(0, 12))
        elif process.chance.random() < _NOW_AND_THEN:
            await sleep(process.fleet.clock, process.chance.uniform(0, 0.05))
        await process.alive()
        if self.down:
            msg = f"{name} does not reach the store."
            raise ConnectionRefusedError(msg)

    def _what(self, record: Record) -> str:
        """Tell a claim from what came of it."""
        claims = self._process.fleet.judge.records
        return "claim" if record.claim is not None and claims.is_new(record.claim) else "save"

    def _seen(self, found: Versioned | None) -> Versioned | None:
        """On one host, let it be seen that the owner of a claim is gone."""
        fleet = self._process.fleet
        if found is None or found.record.claim is None or not fleet.setting.one_host:
            return found
        owner = fleet.judge.records.owners.get(found.record.claim.owner)
        if owner is None or not owner.dead:
            return found
        return found._replace(record=replace(found.record, claim=replace(found.record.claim, process=_GONE)))

    def _tell(self, what: str) -> None:
        self._process.fleet.tell(f"{self._process.name}: {what}")
