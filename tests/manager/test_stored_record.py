"""StoredRecord: loads and swaps one key, and knows since when its record is unchanged."""

import asyncio
from dataclasses import replace

import pytest

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import RecordError, StoreError
from bitbucket_auth_async.manager.shared import SharedResources
from bitbucket_auth_async.manager.stored_record import StoredRecord
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_clock import FakeClock
from tests.support.manager_world import FaultyStore
from tests.support.record_values import A, B, record


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore())


def resources(store: TokenStore, clock: FakeClock) -> SharedResources:
    return SharedResources(
        Client("id"),
        grant=None,
        store=store,
        server=BITBUCKET_CLOUD,
        transport=None,
        timing=Timing(store=10.0),
        on_event=None,
        clock=clock,
    )


def alices_record(store: TokenStore, clock: FakeClock) -> StoredRecord:
    return StoredRecord(resources(store, clock), "alice")


@pytest.fixture
def stored(store: FaultyStore, clock: FakeClock) -> StoredRecord:
    return alices_record(store, clock)


def another(store: FaultyStore, clock: FakeClock) -> StoredRecord:
    return alices_record(FaultyStore(store.inner), clock)


async def test_the_record_is_none_before_the_first_load_and_in_an_empty_store(
    stored: StoredRecord,
) -> None:
    assert stored.record is None
    assert await stored.load() is None
    assert stored.record is None


async def test_a_swapped_record_is_known_without_a_load(stored: StoredRecord, store: FaultyStore) -> None:
    assert await stored.swap(record())
    assert stored.record == record()
    assert await stored.swap(record(B))
    assert store.log == ["swap", "swap"]
    assert await stored.load() == record(B)


async def test_a_swap_over_an_older_version_fails(stored: StoredRecord, store: FaultyStore, clock: FakeClock) -> None:
    await stored.swap(record())
    assert not await another(store, clock).swap(record(B))
    late = another(store, clock)
    await late.load()
    await stored.swap(record(B))
    assert not await late.swap(record())
    assert late.record == record(), "it knows what it saw, until it looks again"
    assert await late.load() == record(B)
    assert await late.swap(record())


class Unwilling(MemoryStore):
    """Refuses every swap although no other process changes the record."""

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        del key, record, expected
        await asyncio.sleep(0)
        return 0


@pytest.mark.parametrize("before", [None, record()])
async def test_a_store_that_never_swaps_is_reported(clock: FakeClock, before: Record | None) -> None:
    store = Unwilling()
    if before is not None:
        await MemoryStore.swap(store, "alice", before, expected=0)
    stored = alices_record(store, clock)
    await stored.load()
    for _ in range(2):  # a second time, since the store may work again
        stored.keep_pending(lambda _: record(B))
        with pytest.raises(StoreError, match="Unwilling does not replace a record that no other process changed"):
            await asyncio.wait_for(stored.write_pending(), 5)


async def test_swaps_lost_to_other_processes_are_not_the_stores_fault(
    stored: StoredRecord, store: FaultyStore, clock: FakeClock
) -> None:
    await stored.load()
    others = another(store, clock)
    await others.load()
    for _ in range(30):
        assert await others.swap(record(B))
        assert not await stored.swap(record(A))
        await stored.load()
    assert await stored.swap(record(A))


async def test_each_key_has_its_own_record(stored: StoredRecord, store: FaultyStore, clock: FakeClock) -> None:
    await stored.swap(record())
    assert await StoredRecord(resources(store, clock), "bob").load() is None


async def test_r1_unchanged_for_counts_boot_time_since_the_version_was_first_seen(
    stored: StoredRecord, store: FaultyStore, clock: FakeClock
) -> None:
    await another(store, clock).swap(record())
    await stored.load()
    assert stored.unchanged_for() == 0.0
    await clock.advance(40)
    await stored.load()
    clock.step_wall(-1e6)
    assert stored.unchanged_for() == 40.0
    owner = another(store, clock)
    await owner.load()
    await owner.swap(record())  # the same content in a new version
    await stored.load()
    assert stored.unchanged_for() == 0.0
    clock.suspend(3.0)
    assert stored.unchanged_for() == 3.0
    await stored.swap(record(B))
    assert stored.unchanged_for() == 0.0


async def test_an_emptied_store_starts_again_without_a_record(
    stored: StoredRecord, store: FaultyStore, clock: FakeClock
) -> None:
    await stored.swap(record())
    await clock.advance(5)
    store.inner = MemoryStore()
    assert await stored.load() is None
    assert stored.unchanged_for() == 0.0
    await clock.advance(5)
    await stored.load()
    assert stored.unchanged_for() == 0.0, "without a record there is no claim"
    assert await stored.swap(record(B))


async def test_a_pending_change_is_applied_to_the_record_of_another_process(
    stored: StoredRecord, store: FaultyStore, clock: FakeClock
) -> None:
    await stored.swap(record(forced=1))
    other = another(store, clock)
    await other.load()
    await other.swap(record(forced=5))

    def change(found: Record | None) -> Record:
        assert found is not None
        return replace(found, forced=found.forced + 1)

    stored.keep_pending(change)
    await stored.write_pending()
    assert await other.load() == record(forced=6)


async def test_a_pending_change_that_changes_nothing_writes_nothing(stored: StoredRecord, store: FaultyStore) -> None:
    await stored.swap(record())
    store.log.clear()
    stored.keep_pending(lambda _: None)
    await stored.write_pending()
    assert not stored.unsaved
    assert store.log == []


@pytest.mark.parametrize("verb", ["read", "write"])
async def test_a_store_that_does_not_answer_in_time_raises_a_store_error(
    stored: StoredRecord, store: FaultyStore, clock: FakeClock, verb: str
) -> None:
    store.close_gate()
    work = asyncio.ensure_future(stored.load() if verb == "read" else stored.swap(record()))
    await clock.advance(9.9)
    assert not work.done()
    await clock.advance(0.1)
    with pytest.raises(StoreError, match=rf"^FaultyStore could not {verb} within 10 s\.$") as caught:
        await work
    assert caught.value.retryable


@pytest.mark.parametrize("verb", ["read", "write"])
async def test_any_error_of_a_store_becomes_a_store_error_without_its_text(
    stored: StoredRecord, store: FaultyStore, verb: str
) -> None:
    store.down = True
    with pytest.raises(StoreError, match=rf"^FaultyStore could not {verb}: ConnectionRefusedError\.$") as caught:
        await (stored.load() if verb == "read" else stored.swap(record()))
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_store_error_of_a_store_keeps_its_class_and_its_text(clock: FakeClock) -> None:
    class Foreign(MemoryStore):
        async def load(self, key: str, /) -> None:
            msg = "This is no record."
            raise RecordError(msg)

    with pytest.raises(RecordError, match="This is no record") as caught:
        await alices_record(Foreign(), clock).load()
    assert not caught.value.retryable


async def test_after_a_failed_load_the_last_record_is_kept(stored: StoredRecord, store: FaultyStore) -> None:
    await stored.swap(record(A))
    store.down = True
    with pytest.raises(StoreError):
        await stored.load()
    assert stored.record == record(A)
    store.down = False
    assert await stored.swap(record(B))


async def test_a_cancelled_caller_leaves_no_timer_behind(
    stored: StoredRecord, store: FaultyStore, clock: FakeClock
) -> None:
    store.close_gate()
    work = asyncio.ensure_future(stored.load())
    await store.waiting.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert clock.timers == 0
