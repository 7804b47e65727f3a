"""R5: no token is handed out within the leeway of its expiry, even if clocks change."""

import asyncio
from dataclasses import replace

import pytest

from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World


async def test_r5_a_token_is_not_handed_out_within_the_leeway_of_its_expiry(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 30)
    assert (await manager.get_token()) != old


async def test_r5_a_token_is_handed_out_until_the_leeway_begins(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 31)
    assert (await manager.get_token()) == old


async def test_r5_a_suspended_machine_does_not_hand_out_an_expired_token(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    world.clock.suspend(3600)
    assert (await manager.get_token()) != old


@pytest.mark.parametrize("step", [86_400, -86_400])
async def test_r5_a_change_of_the_wall_clock_does_not_affect_a_cached_token(world: World, step: int) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    world.clock.step_wall(step)
    await world.clock.advance(250)  # past R9's check of the store
    assert (await manager.get_token()) == old
    await world.clock.settle()
    assert (await manager.get_token()) == old
    assert world.fake.token_requests == 0
    await world.clock.advance(3600 - 250 - 30)
    assert (await manager.get_token()) != old
    assert world.fake.token_requests == 1


@pytest.mark.parametrize("step", [86_400, -86_400])
async def test_r5_after_a_change_of_the_wall_clock_another_process_renews(world: World, step: int) -> None:
    first, second = world.manager(), world.manager()
    old = await first.adopt(world.fake.sign_in())
    world.clock.step_wall(step)
    assert (await second.get_token()) != old
    assert world.fake.token_requests == 1


async def test_r5_expiry_counts_from_the_request_and_not_from_the_answer(world: World) -> None:

    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.latency(20)):
        caller = asyncio.create_task(manager.get_token())
        await world.clock.advance(20)
    token = await caller
    await world.clock.advance(3600 - 20 - 31)
    assert (await manager.get_token()) == token
    await world.clock.advance(1.5)
    assert (await manager.get_token()) != token


async def test_r5_expiry_survives_a_restart(world: World) -> None:
    first = world.manager()
    old = await first.adopt(world.fake.sign_in())
    await world.clock.advance(3000)
    second = world.manager()
    assert (await second.get_token()) == old
    await world.clock.advance(571)
    assert (await second.get_token()) != old


async def test_r5_a_token_without_an_expiry_is_used_until_it_is_rejected(world: World) -> None:
    manager = world.manager()
    endless = replace(world.fake.sign_in(), expires_at=None)
    await manager.adopt(endless)
    await world.clock.advance(86_400)
    assert (await manager.get_token()) == endless
    assert (await manager.get_token(rejected=endless)) != endless
