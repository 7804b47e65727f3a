"""Ledger: one key of a store, what was seen of it, and since when."""

import asyncio
from dataclasses import replace

import pytest

from bitbucket_auth_async.errors import RecordError, StoreError
from bitbucket_auth_async.manager.stored_record import Ledger
from bitbucket_auth_async.renewal.record import Record
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


@pytest.fixture
def ledger(store: FaultyStore, clock: FakeClock) -> Ledger:
    return Ledger(store, "alice", clock=clock, limit=10.0)


def another(store: FaultyStore, clock: FakeClock) -> Ledger:
    return Ledger(FaultyStore(store.inner), "alice", clock=clock, limit=10.0)


async def test_nothing_is_known_before_the_first_look_and_nothing_is_found_in_an_empty_store(ledger: Ledger) -> None:
    assert ledger.record is None
    assert await ledger.load() is None
    assert ledger.record is None


async def test_what_was_swapped_in_is_known_without_another_look(ledger: Ledger, store: FaultyStore) -> None:
    assert await ledger.swap(record())
    assert ledger.record == record()
    assert await ledger.swap(record(B))
    assert store.log == ["swap", "swap"]
    assert await ledger.load() == record(B)


async def test_who_saw_an_older_version_swaps_nothing(ledger: Ledger, store: FaultyStore, clock: FakeClock) -> None:
    await ledger.swap(record())
    assert not await another(store, clock).swap(record(B))
    late = another(store, clock)
    await late.load()
    await ledger.swap(record(B))
    assert not await late.swap(record())
    assert late.record == record(), "it knows what it saw, until it looks again"
    assert await late.load() == record(B)
    assert await late.swap(record())


class Unwilling(MemoryStore):
    """Whatever is swapped in, someone was first; and yet nobody changes anything."""

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        del key, record, expected
        await asyncio.sleep(0)
        return 0


@pytest.mark.parametrize("before", [None, record()])
async def test_a_store_that_never_swaps_is_told_from_one_in_which_others_are_first(
    clock: FakeClock, before: Record | None
) -> None:
    store = Unwilling()
    if before is not None:
        await MemoryStore.swap(store, "alice", before, expected=0)
    ledger = Ledger(store, "alice", clock=clock, limit=10.0)
    await ledger.load()
    for _ in range(2):  # each time anew, since it may have been mended
        with pytest.raises(StoreError, match="Unwilling does not replace a record that nobody changed"):
            await asyncio.wait_for(ledger.change(lambda _: record(B)), 5)


async def test_who_loses_against_others_again_and_again_gets_in_at_last(
    ledger: Ledger, store: FaultyStore, clock: FakeClock
) -> None:
    await ledger.load()
    others = another(store, clock)
    await others.load()
    for _ in range(30):
        assert await others.swap(record(B))
        assert not await ledger.swap(record(A))
        await ledger.load()
    assert await ledger.swap(record(A))


async def test_another_key_is_another_record(ledger: Ledger, store: FaultyStore, clock: FakeClock) -> None:
    await ledger.swap(record())
    assert await Ledger(store, "bob", clock=clock, limit=10.0).load() is None


async def test_r1_time_counts_from_when_a_version_was_first_seen(
    ledger: Ledger, store: FaultyStore, clock: FakeClock
) -> None:
    await another(store, clock).swap(record())
    await ledger.load()
    assert ledger.seen_for() == 0.0
    await clock.advance(40)
    await ledger.load()
    clock.step_wall(-1e6)
    assert ledger.seen_for() == 40.0
    owner = another(store, clock)
    await owner.load()
    await owner.swap(record())  # the same again, and yet it was written anew
    await ledger.load()
    assert ledger.seen_for() == 0.0
    clock.suspend(3.0)
    assert ledger.seen_for() == 3.0
    await ledger.swap(record(B))
    assert ledger.seen_for() == 0.0


async def test_an_emptied_store_begins_anew(ledger: Ledger, store: FaultyStore, clock: FakeClock) -> None:
    await ledger.swap(record())
    await clock.advance(5)
    store.inner = MemoryStore()
    assert await ledger.load() is None
    assert ledger.seen_for() == 0.0
    await clock.advance(5)
    await ledger.load()
    assert ledger.seen_for() == 0.0, "nothing there is nobody's claim"
    assert await ledger.swap(record(B))


async def test_a_change_is_applied_to_what_others_wrote_meanwhile(
    ledger: Ledger, store: FaultyStore, clock: FakeClock
) -> None:
    await ledger.swap(record(forced=1))
    other = another(store, clock)
    await other.load()
    await other.swap(record(forced=5))

    def change(found: Record | None) -> Record:
        assert found is not None
        return replace(found, forced=found.forced + 1)

    await ledger.change(change)
    assert await other.load() == record(forced=6)


async def test_a_change_that_finds_nothing_to_change_writes_nothing(ledger: Ledger, store: FaultyStore) -> None:
    await ledger.swap(record())
    store.log.clear()
    await ledger.change(lambda _: None)
    assert store.log == []


@pytest.mark.parametrize("verb", ["read", "write"])
async def test_a_store_that_does_not_answer_is_given_up(
    ledger: Ledger, store: FaultyStore, clock: FakeClock, verb: str
) -> None:
    store.close_gate()
    work = asyncio.ensure_future(ledger.load() if verb == "read" else ledger.swap(record()))
    await clock.advance(9.9)
    assert not work.done()
    await clock.advance(0.1)
    with pytest.raises(StoreError, match=rf"^FaultyStore could not {verb} within 10 s\.$") as caught:
        await work
    assert caught.value.retryable


@pytest.mark.parametrize("verb", ["read", "write"])
async def test_whatever_a_store_raises_is_a_store_error_without_its_words(
    ledger: Ledger, store: FaultyStore, verb: str
) -> None:
    store.down = True
    with pytest.raises(StoreError, match=rf"^FaultyStore could not {verb}: ConnectionRefusedError\.$") as caught:
        await (ledger.load() if verb == "read" else ledger.swap(record()))
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_store_error_of_a_store_keeps_its_kind_and_its_words(clock: FakeClock) -> None:
    class Foreign(MemoryStore):
        async def load(self, key: str, /) -> None:
            msg = "This is no record."
            raise RecordError(msg)

    with pytest.raises(RecordError, match="This is no record") as caught:
        await Ledger(Foreign(), "alice", clock=clock, limit=10.0).load()
    assert not caught.value.retryable


async def test_after_a_failed_look_the_last_one_still_counts(ledger: Ledger, store: FaultyStore) -> None:
    await ledger.swap(record(A))
    store.down = True
    with pytest.raises(StoreError):
        await ledger.load()
    assert ledger.record == record(A)
    store.down = False
    assert await ledger.swap(record(B))


async def test_a_cancelled_caller_leaves_no_timer_behind(ledger: Ledger, store: FaultyStore, clock: FakeClock) -> None:
    store.close_gate()
    work = asyncio.ensure_future(ledger.load())
    await store.waiting.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert clock.timers == 0
