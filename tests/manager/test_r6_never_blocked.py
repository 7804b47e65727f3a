"""R6: between "refresh ahead" and expiry callers get the present token at once while one renewal runs."""

import asyncio

from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World


async def test_r6_a_stale_token_is_handed_out_at_once_while_one_renewal_runs(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.hold()) as held:
        assert {await manager.get_token() for _ in range(100)} == {old}
        await held.reached.wait()
        assert (await manager.get_token()) == old
        assert world.fake.token_requests == 1
    await world.clock.settle()
    assert (await manager.get_token()) != old
    assert world.fake.token_requests == 1


async def test_r6_a_process_that_starts_with_a_stale_token_hands_it_out_while_one_renewal_runs(world: World) -> None:
    old = await world.manager().adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    manager = world.manager()
    with world.fake.inject(faults.hold()) as held:
        assert {await manager.get_token() for _ in range(100)} == {old}
        await held.reached.wait()
        assert world.fake.token_requests == 1
    await world.clock.settle()
    assert (await manager.get_token()) != old
    assert world.fake.token_requests == 1


async def test_r6_a_process_that_slept_uses_the_stale_token_of_another_at_once(world: World) -> None:
    sleeper, other = world.manager(), world.manager()
    await sleeper.adopt(world.fake.sign_in())
    await world.clock.advance(3600)
    newer = await other.get_token()
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.hold()) as held:
        assert await sleeper.get_token() == newer
        await held.reached.wait()


async def test_r7_a_process_that_starts_in_an_outage_uses_the_stored_stale_token(world: World) -> None:
    old = await world.manager().adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    manager = world.manager()
    with world.fake.inject(faults.status(503), times=None):
        assert await manager.get_token() == old
        await world.clock.settle()
        assert await manager.get_token() == old


async def test_r6_a_fresh_token_is_not_renewed(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 361)
    await manager.get_token()
    await world.clock.settle()
    assert world.fake.token_requests == 0


async def test_r6_an_idle_manager_that_keeps_fresh_renews_by_itself(world: World) -> None:
    async with world.manager(keep_fresh=True) as manager:
        await manager.adopt(world.fake.sign_in())
        await world.clock.advance(3600 * 10)
        assert 10 <= world.fake.token_requests <= 12
        assert world.fake.second_spends == []
        assert world.fake.is_live((await manager.get_token()).access_token)


async def test_r6_an_idle_manager_that_keeps_fresh_survives_an_outage(world: World) -> None:
    async with world.manager(keep_fresh=True) as manager:
        await manager.adopt(world.fake.sign_in())
        await world.clock.advance(3000)
        with world.fake.inject(faults.status(503), times=None):
            await world.clock.advance(7200)
        await world.clock.advance(76)  # the longest rest, jitter included
        before = world.fake.token_requests
        assert world.fake.is_live((await manager.get_token()).access_token)
        assert world.fake.token_requests == before


async def test_r6_keeping_fresh_goes_on_after_the_store_cancelled_its_own_operation(world: World) -> None:
    """Like a driver whose own task was cancelled; that must not end the renewal as if it were ours."""
    async with world.manager(keep_fresh=True) as manager:
        await manager.adopt(world.fake.sign_in())
        store = world.stores[manager]
        store.cancels = True
        await world.clock.advance(600)
        assert EventKind.STORE_FAILED in world.event_kinds()
        store.cancels = False
        await world.clock.advance(3600)
        assert world.fake.token_requests == 1
        assert manager.snapshot()["token"] == "good"


async def test_r6_keeping_fresh_still_reads_the_store_after_a_sign_in_is_dead(world: World) -> None:
    async with world.manager(keep_fresh=True) as manager:
        token = await manager.adopt(world.fake.sign_in())
        world.fake.kill_refresh_token(token.refresh_token or "")
        await world.clock.advance(3600)
        world.stores[manager].log.clear()
        await world.clock.advance(3600)
        assert world.fake.token_requests == 1
        assert len(world.stores[manager].log) < 70


async def test_r6_closing_ends_the_background_task(world: World) -> None:
    async with world.manager(keep_fresh=True) as manager:
        await manager.adopt(world.fake.sign_in())
    await world.clock.settle()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_r6_a_process_that_has_just_started_hands_out_a_stale_token_at_once_and_renews_it(world: World) -> None:
    old = await world.manager().adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    manager = world.manager()
    with world.fake.inject(faults.hold()) as held:
        assert await manager.get_token() == old
        await held.reached.wait()  # without another call
    await manager.idle()
    assert (await manager.get_token()) != old
    assert world.fake.token_requests == 1


async def test_r6_a_refused_token_is_not_handed_out_again_from_the_store(world: World) -> None:
    old = await world.manager().adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    assert await world.manager().get_token(rejected=old) != old
