"""R4: a cancelled caller never interrupts a renewal; closing waits for it, with a time limit."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest

from bitbucket_auth_async.errors import ConfigurationError, DeadlineError
from bitbucket_auth_async.oauth2.grants import AuthorizationCode
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World


async def test_r4_a_cancelled_caller_does_not_lose_the_rotated_refresh_token(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        caller = asyncio.create_task(manager.get_token())
        await held.reached.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    await world.clock.settle()
    token = await world.token()
    assert token is not None
    assert token.refresh_token != old.refresh_token
    assert (await manager.get_token()) == token
    assert world.fake.token_requests == 1


async def test_r4_one_of_many_waiters_is_cancelled_and_the_others_get_the_token(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        callers = [asyncio.create_task(manager.get_token()) for _ in range(10)]
        await held.reached.wait()
        for caller in callers[::2]:
            caller.cancel()
        await world.clock.settle()
    tokens = await asyncio.gather(*callers[1::2])
    assert {token.access_token for token in tokens} == {(await world.token()).access_token}


async def test_r4_a_caller_with_a_deadline_gets_a_retryable_error_and_the_renewal_goes_on(world: World) -> None:
    manager = world.manager(timing=Timing(deadline=5))
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        caller = asyncio.create_task(manager.get_token())
        await held.reached.wait()
        await world.clock.advance(5)
        with pytest.raises(DeadlineError) as caught:
            await caller
        assert caught.value.retryable
    await world.clock.settle()
    assert world.fake.is_live((await manager.get_token()).access_token)
    assert world.fake.token_requests == 1


async def test_r4_a_cancelled_exchange_still_saves_the_token(world: World) -> None:
    manager = world.manager()
    code = _code(world)
    with world.fake.inject(faults.hold()) as held:
        caller = asyncio.create_task(manager.exchange(code))
        await held.reached.wait()
        caller.cancel()
        await world.clock.settle()
    await world.clock.settle()
    assert world.fake.is_live((await manager.get_token()).access_token)


async def test_r4_closing_waits_for_the_renewal(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        caller = asyncio.create_task(manager.get_token())
        await held.reached.wait()
        closing = asyncio.create_task(manager.aclose())
        await world.clock.settle()
        assert not closing.done()
    await closing
    assert (await caller) == await world.token()


async def test_r4_a_second_close_waits_for_the_renewal_too(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        caller = asyncio.create_task(manager.get_token())
        await held.reached.wait()
        both = [asyncio.create_task(manager.aclose()) for _ in range(2)]
        await world.clock.settle()
        assert not any(closing.done() for closing in both)
        assert sum(task.get_name().startswith("closing of") for task in asyncio.all_tasks()) == 1, "they wait for one"
    await asyncio.gather(*both)
    assert (await caller) == await world.token()


async def test_r4_closing_does_not_wait_for_the_claim_of_another_process(world: World) -> None:
    other, manager = world.manager(), world.manager()
    await other.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        renewal = asyncio.create_task(other.get_token())
        await held.reached.wait()
        caller = asyncio.create_task(manager.get_token())
        await world.clock.settle()
        assert EventKind.CLAIM_WAITED in {event.kind for event in world.events}
        closing = asyncio.create_task(manager.aclose())
        await world.clock.advance(2)
        assert closing.done()
        with pytest.raises(ConfigurationError, match="closed"):
            await caller
        assert not renewal.done()
    assert (await renewal) == await world.token()


async def test_r4_closing_has_a_time_limit_and_reports_what_is_unfinished(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    world.transport.after_response = lambda: setattr(world.stores[manager], "down", True)
    await manager.get_token()
    closing = asyncio.create_task(manager.aclose())
    await world.clock.advance(34)
    assert not closing.done()
    await world.clock.advance(2)
    await closing
    assert world.event_kinds()[-1] is EventKind.SAVE_FAILED


async def test_r4_a_closed_manager_hands_out_nothing(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await manager.aclose()
    await manager.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await manager.get_token()


async def test_r4_a_closed_manager_hands_out_nothing_although_its_last_renewal_failed(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3500)
    with world.fake.inject(faults.latency(5, then=faults.status(503))):
        await manager.get_token()
        closing = asyncio.create_task(manager.aclose())
        await world.clock.settle()
        assert not closing.done()
        await world.clock.advance(5)
        await closing
    assert EventKind.OUTAGE_BEGAN in world.event_kinds()
    with pytest.raises(ConfigurationError, match="closed"):
        await manager.get_token()


async def test_r4_a_cancelled_renewal_is_not_restarted_when_the_loop_ends(world: World) -> None:
    old = await world.manager().adopt(world.fake.sign_in())
    await world.clock.advance(3500)
    manager = world.manager()
    with world.fake.inject(faults.hold(), times=None) as held:
        assert await manager.get_token() == old  # found in the store, and renewed in the background
        await held.reached.wait()
        asked = world.fake.token_requests
        for task in asyncio.all_tasks():
            if task.get_name().startswith("renewal"):
                task.cancel()
        await world.clock.settle()
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("renewal")] == []
    assert world.fake.token_requests == asked


async def test_r4_a_cancelled_renewal_is_recorded_and_repeated(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        caller = asyncio.create_task(manager.get_token())
        await held.reached.wait()
        for task in asyncio.all_tasks():
            if task.get_name().startswith("renewal"):
                task.cancel()
        with pytest.raises(DeadlineError):
            await caller
    token = await manager.get_token()
    assert world.fake.is_live(token.access_token)
    assert await world.token() == token
    assert EventKind.REPEATED in world.event_kinds()


def _code(world: World) -> AuthorizationCode:
    query = {"client_id": world.fake.client.client_id, "response_type": "code"}
    callback = world.fake.authorize(query)
    return AuthorizationCode(parse_qs(urlsplit(callback).query)["code"][0])
