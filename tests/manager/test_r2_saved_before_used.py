"""R2: a renewed token reaches callers only after the store has it, and no received token is dropped."""

import asyncio

import pytest

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError, StoreError
from bitbucket_auth_async.oauth2.grants import AuthorizationCode, ClientCredentials
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.telemetry.events import EventKind
from tests.support.manager_world import FaultyStore, World


async def test_r2_a_renewed_token_is_stored_before_any_caller_has_it(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    store = world.stores[manager]
    world.transport.after_response = store.close_gate
    caller = asyncio.create_task(manager.get_token())
    await store.waiting.wait()
    await world.clock.settle()
    assert world.fake.token_requests == 1
    assert not caller.done()
    store.open_gate()
    assert (await caller) == await world.token()


async def test_r2_no_refresh_token_is_spent_unless_the_claim_could_be_written(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    world.stores[manager].down = True
    with pytest.raises(StoreError) as caught:
        await manager.get_token()
    assert caught.value.retryable
    assert world.fake.token_requests == 0
    world.stores[manager].down = False
    await world.clock.advance(2)
    assert world.fake.is_live((await manager.get_token()).access_token)


async def test_r2_a_claim_whose_confirmation_was_lost_is_claimed_again_and_spent_once(
    world: World,
) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    world.stores[manager].confirmations_to_lose = 1
    with pytest.raises(StoreError):
        await manager.get_token()
    assert world.fake.token_requests == 0
    await world.clock.advance(2)
    await manager.get_token()
    assert world.fake.token_requests == 1
    assert EventKind.REPEATED not in world.event_kinds()


async def test_r2_a_token_that_could_not_be_saved_is_handed_out_and_saved_when_the_store_is_back(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    store = world.stores[manager]
    world.transport.after_response = lambda: setattr(store, "down", True)
    token = await manager.get_token()
    assert world.fake.is_live(token.access_token)
    assert await world.token() != token
    assert EventKind.SAVE_FAILED in world.event_kinds()
    await world.clock.advance(30)
    assert (await manager.get_token()) == token
    store.down = False
    await world.clock.advance(76)  # the longest backoff, jitter included
    assert await world.token() == token
    assert (await world.record()).claim is None
    assert EventKind.SAVED_LATE in world.event_kinds()
    assert world.fake.token_requests == 1


async def test_r2_a_save_whose_confirmation_was_lost_is_recognised(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    store = world.stores[manager]
    world.transport.after_response = lambda: setattr(store, "confirmations_to_lose", 1)
    token = await manager.get_token()
    await world.clock.advance(5)
    record = await world.record()
    assert record.token == token
    assert record.spares == ()


async def test_r2_an_unsaved_token_is_saved_by_closing(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    store = world.stores[manager]
    world.transport.after_response = lambda: setattr(store, "down", True)
    token = await manager.get_token()
    store.down = False
    await manager.aclose()
    assert await world.token() == token


@pytest.mark.parametrize("closes", [False, True])
async def test_r2_a_token_is_handed_out_and_saved_later_whatever_the_store_raises(
    world: World, *, closes: bool
) -> None:
    class Moody(FaultyStore):
        closed = False

        async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
            if self.closed:
                msg = "This store is closed; make another one."
                raise ConfigurationError(msg)
            return await super().swap(key, record, expected=expected)

    store = Moody(world.shared_store)
    manager = world.manager(store=store)
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    world.transport.after_response = lambda: setattr(store, "closed", True)
    token = await manager.get_token()
    assert EventKind.SAVE_FAILED in world.event_kinds()
    closing = asyncio.create_task(manager.aclose()) if closes else None
    await world.clock.advance(10)
    assert EventKind.STORE_FAILED in world.event_kinds()
    store.closed = False
    await world.clock.advance(20)
    assert await world.token() == token
    if closing is not None:
        await closing


async def test_r2_a_bot_with_a_failing_store_closes_after_one_more_try(world: World) -> None:
    manager = world.manager(grant=ClientCredentials())
    world.stores[manager].down = True
    await manager.get_token()
    tried = world.event_kinds().count(EventKind.STORE_FAILED)
    before = world.clock.boot()
    await manager.aclose()
    assert world.clock.boot() == before, "a bot can get another token, so closing does not wait for the store"
    assert world.event_kinds().count(EventKind.STORE_FAILED) == tried + 1


async def test_r2_a_code_is_not_spent_while_the_store_is_down(world: World) -> None:
    manager = world.manager()
    world.stores[manager].down = True
    with pytest.raises(StoreError):
        await manager.exchange(AuthorizationCode("code"))
    assert world.fake.token_requests == 0


async def test_r2_a_replayable_grant_renews_while_the_store_is_down(world: World) -> None:
    manager = world.manager(grant=ClientCredentials())
    world.stores[manager].down = True
    token = await manager.get_token()
    assert world.fake.is_live(token.access_token)
    await world.expire()
    assert world.fake.is_live((await manager.get_token()).access_token)
    world.stores[manager].down = False
    await world.clock.advance(76)  # the longest backoff, jitter included
    assert await world.token() == await manager.get_token()


async def test_r2_a_replayable_grant_renews_on_a_store_that_can_be_read_but_not_written(world: World) -> None:
    manager = world.manager(grant=ClientCredentials())
    world.stores[manager].read_only = True
    token = await manager.get_token()
    assert world.fake.is_live(token.access_token)
    await world.clock.advance(300)
    assert (await manager.get_token()) == token
    assert world.fake.token_requests == 1


async def test_r2_a_401_does_not_replay_a_grant_while_the_store_is_down(world: World) -> None:
    manager = world.manager(grant=ClientCredentials())
    token = await manager.get_token()
    await world.clock.advance(100)
    world.stores[manager].down = True
    with pytest.raises(StoreError):
        await manager.get_token(rejected=token)
    assert world.fake.token_requests == 1


async def test_r2_without_a_refresh_token_nothing_can_be_renewed_and_the_error_says_so(world: World) -> None:
    manager = world.manager()
    with pytest.raises(LoginRequiredError, match="No one has signed in"):
        await manager.get_token()
