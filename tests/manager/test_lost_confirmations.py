"""Swaps whose confirmation was lost, and changes by other processes in between; and a refused grant."""

import pytest

from bitbucket_auth_async.errors import InvalidGrantError, StoreError
from bitbucket_auth_async.oauth2.grants import Password
from bitbucket_auth_async.telemetry.events import EventKind
from tests.support.manager_world import World


@pytest.mark.parametrize("rotates", [True, False])
async def test_r2_a_sign_in_that_is_saved_twice_does_not_undo_a_renewal_in_between(
    world: World, *, rotates: bool
) -> None:
    world.fake.rules.rotates = rotates  # without rotation no token is known to be spent
    first, second = world.manager(), world.manager()
    store = world.stores[first]
    store.confirmations_to_lose = 1
    token = await first.adopt(world.fake.sign_in())
    store.down = True
    await world.clock.advance(100)
    newer = await second.get_token(rejected=token)
    store.down = False
    await world.clock.advance(76)
    assert EventKind.SAVED_LATE in world.event_kinds()
    assert newer != token
    assert await world.token() == newer


async def test_r3_a_sign_out_that_is_saved_twice_does_not_undo_a_sign_in_in_between(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    world.stores[first].confirmations_to_lose = 1
    with pytest.raises(StoreError):
        await first.logout()
    assert (await world.record()).signed_out
    newer = await second.adopt(world.fake.sign_in())
    await world.clock.advance(76)
    assert EventKind.SAVED_LATE in world.event_kinds()
    assert await world.token() == newer


async def test_r3_a_sign_out_while_the_store_is_down_is_saved_later(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    world.stores[manager].down = True
    with pytest.raises(StoreError):
        await manager.logout()
    world.stores[manager].down = False
    await world.clock.advance(76)
    assert (await world.record()).signed_out


async def test_r7_a_refused_replayable_grant_is_reported_and_rate_limited(world: World) -> None:
    def count() -> None:
        assert world.fake.token_requests <= 6, "presented again at once"

    world.fake.rules.legacy = True
    world.transport.after_response = count
    manager = world.manager(grant=Password("alice", "wrong"))
    for _ in range(30):
        with pytest.raises(InvalidGrantError):
            await manager.get_token()
        await world.clock.advance(1)
    assert world.fake.token_requests >= 4
    assert (await world.record()).claim is None
