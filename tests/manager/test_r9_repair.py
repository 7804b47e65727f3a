"""R9: if a process is killed between spending and saving, the next one repairs the sign-in."""

import asyncio
from dataclasses import replace

import pytest

from bitbucket_auth_async.errors import DeadlineError, LoginRequiredError, StoreError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World


async def _killed(world: World) -> TokenManager:
    """Kill a process after the server has rotated its refresh token, so its claim stays; return another manager."""
    victim, survivor = world.manager(), world.manager()
    await victim.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.hold()) as held:
        await victim.get_token()
        await held.reached.wait()
        await world.crash(victim)
    assert world.fake.token_requests == 1
    return survivor


async def _killed_as_a_401_forces(world: World, victim: TokenManager, rejected: Token) -> None:
    """Kill a process during a forced renewal, so that its claim stays."""
    await world.clock.advance(61)
    with world.fake.inject(faults.hold()) as held:
        forced = asyncio.create_task(victim.get_token(rejected=rejected))
        await held.reached.wait()
        await world.crash(victim)
    forced.cancel()


async def test_r9_the_claim_of_a_dead_owner_is_repeated_at_once(world: World) -> None:
    survivor = await _killed(world)
    found = await world.shared_store.load("alice")
    assert found is not None
    assert found.record.claim is not None
    dead = found.record.claim._replace(process="999999999@1")
    await world.shared_store.swap("alice", replace(found.record, claim=dead), expected=found.version)
    await survivor.get_token()
    await world.clock.settle()
    assert world.fake.is_live((await survivor.get_token()).access_token)
    assert world.fake.token_requests == 2
    assert (await world.record()).claim is None
    assert EventKind.REPEATED in world.event_kinds()


async def test_r9_a_claim_from_another_host_is_repeated_after_one_lease_and_within_the_grace(world: World) -> None:
    survivor = await _killed(world)
    old = await survivor.get_token()
    await world.clock.settle()
    await world.clock.advance(58)
    assert (await survivor.get_token()) == old
    await world.clock.settle()
    assert world.fake.token_requests == 1
    await world.clock.advance(3)
    await survivor.get_token()
    await world.clock.settle()
    assert (await survivor.get_token()) != old
    assert world.fake.token_requests == 2


async def test_r9_a_manager_with_a_fresh_token_reads_the_store_every_third_of_the_grace(world: World) -> None:
    survivor, victim = world.manager(), world.manager()
    old = await survivor.adopt(world.fake.sign_in())
    await victim.get_token()
    await _killed_as_a_401_forces(world, victim, old)
    for _ in range(22):
        await survivor.get_token()
        await world.clock.advance(10)
    assert world.fake.token_requests == 2
    assert (await survivor.get_token()) != old
    assert (await world.record()).claim is None


async def test_r9_a_manager_without_a_refresh_token_looks_for_a_newer_sign_in(world: World) -> None:
    survivor, victim = world.manager(), world.manager()
    old = await survivor.adopt(replace(world.fake.sign_in(), refresh_token=None))
    await world.clock.advance(61)
    new = await victim.adopt(world.fake.sign_in())
    await _killed_as_a_401_forces(world, victim, new)
    for _ in range(30):
        await survivor.get_token()
        await world.clock.advance(10)
    assert world.fake.token_requests == 2
    assert (await survivor.get_token()) not in (old, new)
    assert (await world.record()).claim is None


async def test_r9_nothing_is_repeated_while_the_claims_owner_may_be_alive(world: World) -> None:
    survivor = await _killed(world)
    for _ in range(5):
        await survivor.get_token()
        await world.clock.advance(10)
    assert world.fake.token_requests == 1


async def test_r9_a_strict_server_gets_a_repeat_only_when_the_present_token_has_expired(strict_world: World) -> None:
    world = strict_world
    survivor = await _killed(world)
    old = await survivor.get_token()
    for _ in range(16):
        await world.clock.advance(10)
        assert (await survivor.get_token()) == old
    assert world.fake.token_requests == 1
    await world.clock.advance(20)
    with pytest.raises(LoginRequiredError):  # the answer was lost, and this server does not repeat it
        await survivor.get_token()
    assert world.fake.token_requests == 2


async def test_r9_a_claim_without_a_request_does_no_harm_at_a_strict_server(strict_world: World) -> None:
    world = strict_world
    victim, survivor = world.manager(), world.manager()
    await victim.adopt(world.fake.sign_in())
    await world.expire()
    store = world.stores[victim]
    store.confirmations_to_lose = 1
    with pytest.raises(StoreError, match="could not write"):
        await victim.get_token()
    await world.crash(victim)
    other = asyncio.create_task(survivor.get_token())
    await world.clock.advance(62)
    assert world.fake.is_live((await other).access_token)


async def test_r9_a_claim_whose_confirmation_was_lost_still_belongs_to_its_owner(world: World) -> None:
    class Torn(MemoryStore):
        """Writes the first claim, and cancels its renewal at that moment."""

        torn = False

        async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
            version = await super().swap(key, record, expected=expected)
            if record.claim is not None and not self.torn:
                self.torn = True
                (renewal,) = (task for task in asyncio.all_tasks() if task.get_name() == "renewal of alice")
                renewal.cancel()
                await asyncio.sleep(0)
            return version

    manager = world.manager(store=Torn())
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with pytest.raises(DeadlineError):
        await manager.get_token()
    before = world.clock.boot()
    assert world.fake.is_live((await manager.get_token()).access_token)
    assert world.clock.boot() == before, "an owner does not wait for its own lease"
    assert world.fake.token_requests == 1
