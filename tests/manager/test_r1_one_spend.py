"""R1: no two live holders spend one refresh token, whoever shares the store."""

import asyncio

from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.world import World


async def test_r1_ten_thousand_callers_at_expiry_make_one_token_request(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    tokens = await asyncio.gather(*(manager.get_token() for _ in range(10_000)))
    assert world.fake.token_requests == 1
    assert len({token.access_token for token in tokens}) == 1
    assert world.fake.is_live(tokens[0].access_token)


async def test_r1_eight_managers_on_one_store_spend_each_generation_once(world: World) -> None:
    managers = [world.manager() for _ in range(8)]
    await managers[0].adopt(world.fake.sign_in())
    for _ in range(10):
        await world.expire()
        callers = [asyncio.create_task(manager.get_token()) for manager in managers for _ in range(50)]
        await world.clock.advance(5)
        tokens = await asyncio.gather(*callers)
        assert len({token.access_token for token in tokens}) == 1
    assert world.fake.token_requests == 10
    assert world.fake.second_spends == []


async def test_r1_a_waiter_does_not_spend_while_the_claim_of_another_is_live(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    await second.get_token()
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        one = asyncio.create_task(first.get_token())
        await held.reached.wait()
        other = asyncio.create_task(second.get_token())
        await world.clock.advance(20)
        assert world.fake.token_requests == 1
        assert not other.done()
    await world.clock.advance(2)
    assert (await one).access_token == (await other).access_token
    assert world.fake.token_requests == 1


async def test_r1_a_second_spend_after_a_lapsed_claim_is_reported(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        one = asyncio.create_task(first.get_token())
        await held.reached.wait()
        await world.crash(first)
    one.cancel()
    other = asyncio.create_task(second.get_token())
    await world.clock.advance(59)
    assert not other.done()
    await world.clock.advance(3)
    assert world.fake.is_live((await other).access_token)
    assert EventKind.REPEATED in world.kinds()
    assert len(world.fake.second_spends) == 1
