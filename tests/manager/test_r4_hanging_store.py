"""R4: closing ends within its limit, even if the store or the token endpoint never answers."""

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from bitbucket_auth_async import ClientCredentials, TokenManager
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.server import serve
from tests.support.manager_world import World


class StuckStore(MemoryStore):
    """A store on a hanging disk: a call neither ends nor can be cancelled, like a thread in the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self._stuck: asyncio.Event | None = None

    @contextmanager
    def hanging(self) -> Generator[None]:
        """Let it hang until the block ends."""
        self._stuck = asyncio.Event()
        try:
            yield
        finally:
            self._stuck.set()

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        await self._hang()
        return await super().swap(key, record, expected=expected)

    async def load(self, key: str, /) -> Versioned | None:
        await self._hang()
        return await super().load(key)

    async def _hang(self) -> None:
        while self._stuck is not None and not self._stuck.is_set():
            with suppress(asyncio.CancelledError):
                await self._stuck.wait()


async def test_r4_closing_ends_in_time_even_if_the_store_hangs(world: World) -> None:
    store = StuckStore()
    manager = world.manager(store=store)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with store.hanging():
        caller = asyncio.create_task(manager.get_token())
        await world.clock.settle()
        closing = asyncio.create_task(manager.aclose())
        await world.clock.advance(40)
        assert closing.done()
        assert world.event_kinds()[-1] is EventKind.SAVE_FAILED
    await closing
    assert world.fake.is_live((await caller).access_token), "what was done in spite of us is not lost"


async def test_r4_the_last_save_ends_in_time_even_if_the_store_hangs(world: World) -> None:
    store = StuckStore()
    manager = world.manager(store=store)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with ExitStack() as stack:
        world.transport.after_response = lambda: stack.enter_context(store.hanging())
        caller = asyncio.create_task(manager.get_token())
        await world.clock.advance(1)
        closing = asyncio.create_task(manager.aclose())
        await world.clock.advance(40)
        assert closing.done()
    await closing
    token = await caller
    kept = await store.load("alice")
    assert kept is not None
    assert kept.record.token == token


async def test_r4_closing_ends_in_time_even_if_the_server_never_answers() -> None:
    fake = FakeBitbucket()
    async with serve(fake) as site:
        timing = Timing(closing=0.05)
        manager = TokenManager(fake.client, grant=ClientCredentials(), server=site.server, timing=timing)
        with fake.inject(faults.hold()) as held:
            caller = asyncio.create_task(manager.get_token())
            await held.reached.wait()
            async with asyncio.timeout(5):
                await manager.aclose()
        with pytest.raises(Exception, match=r"cancelled|closed"):
            await caller
