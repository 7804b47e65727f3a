"""move_records: no sign-in is lost and no token is spent twice, whatever other programs do during the move."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Claim, Record
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.stores.move_records import MoveResult, move_records
from bitbucket_auth_async.stores.sqlite import SQLiteStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.store_contract import a_record, a_token
from tests.support.manager_world import STRICT, World

SETTLED = replace(a_record(), claim=None)


@pytest.fixture
async def world() -> World:
    return World(strict=True)


async def held(store: TokenStore, key: str = "alice") -> Record:
    found = await store.load(key)
    assert found is not None
    return found.record


class CutOff(MemoryStore):
    """A source that fails when a move is about to close a record in it."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__()
        self._records = inner._records

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        raise ConnectionResetError


async def test_a_move_leaves_the_record_in_the_target_and_a_tombstone_in_the_source() -> None:
    source, target = MemoryStore(), MemoryStore()
    await source.swap("alice", SETTLED, expected=0)
    assert await move_records(source, target, ["alice", "unknown"]) == MoveResult(moved=("alice",), absent=("unknown",))
    assert await held(target) == SETTLED
    assert await held(source) == Record(issuer=SETTLED.issuer, generation=SETTLED.generation + 1, signed_out=True)


async def test_a_second_move_moves_nothing() -> None:
    source, target = MemoryStore(), MemoryStore()
    await source.swap("alice", SETTLED, expected=0)
    await move_records(source, target, ["alice"])
    before = await target.load("alice")
    assert await move_records(source, target, ["alice"]) == MoveResult(moved=(), absent=("alice",))
    assert await target.load("alice") == before


async def test_moving_there_and_back_restores_the_record() -> None:
    source, target = MemoryStore(), MemoryStore()
    await source.swap("alice", SETTLED, expected=0)
    await move_records(source, target, ["alice"])
    await move_records(target, source, ["alice"])
    assert (await held(source)).token == SETTLED.token
    assert (await held(target)).signed_out
    # A process that was suspended during the moves has an older generation, and its save is refused.
    assert (await held(source)).generation > SETTLED.generation + 1


async def test_r3_repeating_an_interrupted_move_does_not_undo_a_sign_out_in_the_target(
    world: World,
) -> None:
    before, target = world.shared_store, MemoryStore()
    await world.manager().adopt(world.fake.sign_in())
    with pytest.raises(ConnectionResetError):
        await move_records(CutOff(before), target, ["alice"], clock=world.clock)
    assert (await held(target)).token == (await held(before)).token
    await world.clock.advance(1)
    await world.manager(store=target).logout()
    assert await move_records(before, target, ["alice"]) == MoveResult(moved=(), absent=("alice",))
    assert (await held(target)).signed_out
    assert (await held(before)).signed_out
    await world.manager(store=target).adopt(world.fake.sign_in())  # an ordinary sign-in


async def test_r3_repeating_an_interrupted_move_carries_a_sign_out_in_the_source_to_the_target(
    world: World,
) -> None:
    source, target, manager = world.shared_store, MemoryStore(), world.manager()
    await manager.adopt(world.fake.sign_in())
    with pytest.raises(ConnectionResetError):
        await move_records(CutOff(source), target, ["alice"])
    await world.clock.advance(1)
    await manager.logout()
    assert await move_records(source, target, ["alice"]) == MoveResult(moved=(), absent=("alice",))
    with pytest.raises(LoginRequiredError, match="signed out"):
        await world.manager(store=target).get_token()


async def test_r3_a_moves_tombstone_does_not_sign_anyone_out(world: World) -> None:
    source, target, elsewhere = world.shared_store, MemoryStore(), MemoryStore()
    await world.manager().adopt(world.fake.sign_in())
    await move_records(source, target, ["alice"])
    moved = await held(target)
    theirs = replace(moved, issuer=moved.issuer._replace(client_id="another"), generation=0)
    await elsewhere.swap("alice", theirs, expected=0)
    for store in (target, elsewhere):
        assert await move_records(source, store, ["alice"]) == MoveResult(moved=(), absent=("alice",))
    assert await held(target) == moved
    assert await held(elsewhere) == theirs


@pytest.mark.parametrize("later", ["source", "target"])
async def test_r3_the_later_of_two_sign_ins_counts_whatever_its_tokens_age(world: World, later: str) -> None:
    source, target = world.shared_store, MemoryStore()
    await world.manager().adopt(world.fake.sign_in())
    with pytest.raises(ConnectionResetError):
        await move_records(CutOff(source), target, ["alice"])
    await world.clock.advance(1)
    store = source if later == "source" else target
    first = await store.load("alice")
    assert first is not None
    # A sign-in with a refresh token alone, not renewed yet.
    token = replace(a_token(9), issued_at=0.0, expires_at=0.0)
    bare = replace(first.record, token=token, generation=first.record.generation + 1_000_000)
    await store.swap("alice", bare, expected=first.version)
    assert await move_records(source, target, ["alice"]) == MoveResult(moved=("alice",), absent=())
    assert await held(target) == bare, "and the token of the first is no spare of the second"


async def test_a_copy_leaves_the_source_unchanged() -> None:
    source, target = MemoryStore(), MemoryStore()
    version = await source.swap("alice", SETTLED, expected=0)
    await move_records(source, target, ["alice"], leave_copy=True)
    assert await source.load("alice") == Versioned(SETTLED, version)
    assert await held(target) == SETTLED


class Busy(MemoryStore):
    """A store in which another program renews a few times between two steps."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        if self.times and record.signed_out:
            self.times -= 1
            found = await self.load(key)
            assert found is not None
            token = a_token(10 + self.times)
            token = replace(token, issued_at=token.issued_at + 10 - self.times)
            newer = replace(found.record, token=token, spares=())
            await super().swap(key, newer, expected=found.version)
        return await super().swap(key, record, expected=expected)


async def test_a_record_that_changed_during_the_move_is_copied_again() -> None:
    source, target = Busy(3), MemoryStore()
    await source.swap("alice", replace(SETTLED, spares=()), expected=0)
    await move_records(source, target, ["alice"])
    record = await held(target)
    assert record.token is not None
    assert record.token.access_token == a_token(10).access_token
    assert (await held(source)).signed_out
    assert {spare.access_token for spare in record.spares} == {a_token(number).access_token for number in (1, 11, 12)}


async def test_tokens_of_the_same_sign_in_in_the_target_are_kept() -> None:
    younger, older = a_token(5), replace(a_token(6), issued_at=a_token().issued_at - 10)
    younger = replace(younger, issued_at=younger.issued_at + 10)
    there = SETTLED.generation + 2  # as two moves leave it
    for first, second in ((younger, older), (older, younger)):
        source, target = MemoryStore(), MemoryStore()
        await source.swap("alice", replace(SETTLED, token=first, spares=()), expected=0)
        await target.swap("alice", replace(SETTLED, token=second, spares=(a_token(7),), generation=there), expected=0)
        await move_records(source, target, ["alice"])
        record = await held(target)
        assert record.token == younger
        assert set(record.spares) == {older, a_token(7)}
        assert record.generation == there


async def test_another_clients_record_in_the_target_is_not_changed() -> None:
    source, target = MemoryStore(), MemoryStore()
    await source.swap("alice", SETTLED, expected=0)
    other = replace(SETTLED, issuer=SETTLED.issuer._replace(client_id="other"))
    await target.swap("alice", other, expected=0)
    with pytest.raises(ConfigurationError, match="to another client or server"):
        await move_records(source, target, ["alice"])
    assert await held(target) == other
    assert await held(source) == SETTLED


async def test_an_unfinished_renewal_is_waited_for_one_lease_and_its_claim_moves_too() -> None:
    source, target, clock = MemoryStore(), MemoryStore(), FakeClock()
    claim = Claim(owner="elsewhere", host="another", process="1@2", since=clock.wall(), spends="ab")
    await source.swap("alice", replace(SETTLED, claim=claim), expected=0)
    moving = asyncio.ensure_future(move_records(source, target, ["alice"], clock=clock, lease=60))
    await clock.advance(59)
    assert await target.load("alice") is None
    await clock.advance(2)
    assert await moving == MoveResult(moved=("alice",), absent=())
    assert (await held(target)).claim == claim


async def test_r1_programs_that_renew_during_a_move_spend_each_token_once_and_stay_signed_in(
    world: World,
) -> None:
    old, new = world.manager(), MemoryStore()
    await old.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held_up:
        call = asyncio.ensure_future(old.get_token())
        await held_up.reached.wait()  # the claim is written, and the request is sent
        moving = asyncio.ensure_future(move_records(world.shared_store, new, ["alice"], clock=world.clock))
        await world.clock.advance(1)
        assert await new.load("alice") is None
        held_up.release()
        token = await call
        await world.clock.advance(1)
    await moving
    assert (await held(new)).token == token
    # In the old store, login is required once the token expires; the new store works for every program.
    moved = TokenManager(
        world.fake.client, store=new, key="alice", server=STRICT, transport=world.transport, clock=world.clock
    )
    assert await moved.get_token() == token
    await world.expire()
    with pytest.raises(LoginRequiredError):
        await old.get_token()
    assert await moved.get_token() != token
    assert world.fake.second_spends == []


async def test_records_move_from_a_plain_file_to_an_encrypted_database(tmp_path: Path) -> None:
    source = FileStore(tmp_path / "tokens.json")
    target = SQLiteStore(tmp_path / "tokens.db", codec=EncryptedCodec([EncryptionKey.new()]))
    for number, key in enumerate(("alice", "bob")):
        await source.swap(key, replace(a_record(number), claim=None), expected=0)
    keys = await source.keys()
    assert await move_records(source, target, keys) == MoveResult(moved=("alice", "bob"), absent=())
    assert await target.keys() == ["alice", "bob"]
    assert (await held(target, "bob")).token == a_token(1)
    assert b"refresh-" not in (tmp_path / "tokens.db").read_bytes()
    assert b"refresh-" not in (tmp_path / "tokens.json").read_bytes()


async def test_one_text_instead_of_a_list_of_keys_is_refused() -> None:
    store = MemoryStore()
    await store.swap("alice", SETTLED, expected=0)
    with pytest.raises(ConfigurationError, match=r"keys takes a list of keys, such as \['alice'\], not one text"):
        await move_records(store, MemoryStore(), "alice")
    assert (await held(store)).token == SETTLED.token
