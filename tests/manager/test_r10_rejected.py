"""R10: a 401 is a compare-and-swap."""

import asyncio

import pytest

from bitbucket_auth_async.errors import LoginRequiredError
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World


async def test_r10_fifty_requests_refused_with_one_token_cause_one_renewal(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(100)
    tokens = await asyncio.gather(*(manager.get_token(rejected=old) for _ in range(50)))
    assert {token.access_token for token in tokens} == {(await world.token()).access_token}
    assert tokens[0] != old
    assert world.fake.token_requests == 1


async def test_r10_a_late_401_for_an_older_token_causes_no_renewal(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(100)
    new = await manager.get_token(rejected=old)
    assert (await manager.get_token(rejected=old)) == new
    assert world.fake.token_requests == 1


async def test_r10_a_newer_token_in_the_store_is_adopted_first(world: World) -> None:
    first, second = world.manager(), world.manager()
    old = await first.adopt(world.fake.sign_in())
    await second.get_token()
    await world.clock.advance(100)
    new = await first.get_token(rejected=old)
    assert (await second.get_token(rejected=old)) == new
    assert world.fake.token_requests == 1


async def test_r10_a_401_does_not_force_the_renewal_of_a_very_young_token(world: World) -> None:
    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(59)
    assert (await manager.get_token(rejected=token)) == token
    assert world.fake.token_requests == 0
    assert [event.detail for event in world.events if event.kind is EventKind.NOT_FORCED] == [
        (
            "The API refused a token that is 59 s old; no renewal is forced before 60 s. "
            "The endpoint may not accept this kind of token."
        )
    ]
    await world.clock.advance(1)
    assert (await manager.get_token(rejected=token)) != token
    assert [event.kind for event in world.events].count(EventKind.NOT_FORCED) == 1


async def test_r10_a_401_does_not_force_the_renewal_of_a_token_that_a_later_request_used(world: World) -> None:
    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(100)
    assert (await manager.get_token(rejected=token, still_accepted=True)) == token
    assert world.fake.token_requests == 0


async def test_r10_forced_renewals_back_off(world: World) -> None:
    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    for _ in range(200):  # an endpoint that refuses every token for 2000 s
        await world.clock.advance(10)
        token = await manager.get_token(rejected=token)
    assert 4 <= world.fake.token_requests <= 6


async def test_r10_a_regular_renewal_ends_the_backoff(world: World) -> None:
    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(100)
    token = await manager.get_token(rejected=token)
    assert (await world.record()).forced == 1
    await world.clock.advance(3600)
    await manager.get_token()
    assert (await world.record()).forced == 0


async def test_r10_a_rejected_token_with_a_dead_refresh_token_asks_for_a_login(world: World) -> None:
    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    world.fake.revoke()
    await world.clock.advance(100)
    with pytest.raises(LoginRequiredError):
        await manager.get_token(rejected=token)


async def test_r10_callers_without_a_401_do_not_wait_for_a_forced_renewal(world: World) -> None:

    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(100)
    with world.fake.inject(faults.hold()) as held:
        refused = asyncio.create_task(manager.get_token(rejected=token))
        await held.reached.wait()
        assert (await manager.get_token()) == token
    assert (await refused) != token
