"""R3: a process whose claim has lapsed never replaces the token that a later one saved."""

import asyncio

import pytest

from bitbucket_auth_async.errors import LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World


async def _late_holder(world: World) -> tuple[Token, Token, TokenManager]:
    """Return a manager that was paused between answer and save for longer than its lease, and one that renewed then."""
    late, second = world.manager(timing=Timing(store=1000.0)), world.manager()
    await late.adopt(world.fake.sign_in())
    await world.expire()
    store = world.stores[late]
    world.transport.after_response = store.close_gate
    one = asyncio.create_task(late.get_token())
    await world.clock.settle()
    world.transport.after_response = None
    other = asyncio.create_task(second.get_token())
    await world.clock.advance(62)
    newer = await other
    assert await world.token() == newer
    store.open_gate()
    return await one, newer, second


async def test_r3_a_late_token_becomes_a_spare_and_the_newer_record_stays(world: World) -> None:
    _, newer, _ = await _late_holder(world)
    record = await world.record()
    assert record.token == newer
    assert len(record.spares) == 1
    assert world.fake.is_spendable(record.spares[0].refresh_token or "")
    assert EventKind.KEPT_AS_SPARE in world.event_kinds()


async def test_r3_the_spare_saves_the_sign_in_if_the_server_revokes_the_newer_token(world: World) -> None:
    _, newer, second = await _late_holder(world)
    assert newer.refresh_token is not None
    world.fake.kill_refresh_token(newer.refresh_token)
    await world.expire()
    assert world.fake.is_live((await second.get_token()).access_token)
    assert (await world.record()).spares == ()


async def test_r3_a_renewal_never_overwrites_a_newer_sign_in(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        one = asyncio.create_task(first.get_token())
        await held.reached.wait()
        newer = await second.adopt(world.fake.sign_in())
    assert (await one) == newer
    record = await world.record()
    assert record.token == newer
    assert record.spares == ()


async def test_r3_a_renewal_never_overwrites_a_sign_out(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()) as held:
        one = asyncio.create_task(first.get_token())
        await held.reached.wait()
        await second.logout()
    with pytest.raises(LoginRequiredError, match="has signed out"):
        await one
    assert (await world.record()).token is None


async def test_r3_a_sign_out_reaches_all_processes_that_share_the_store(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    await second.get_token()
    await first.logout()
    with pytest.raises(LoginRequiredError):
        await first.get_token()
    await world.clock.advance(201)
    await second.get_token()  # the renewal that this call starts finds the tombstone
    await world.clock.settle()
    with pytest.raises(LoginRequiredError):
        await second.get_token()


async def test_r3_a_new_sign_in_replaces_a_sign_out(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    await first.logout()
    with pytest.raises(LoginRequiredError):
        await second.get_token()
    token = await first.adopt(world.fake.sign_in())
    await world.clock.advance(1.1)
    assert (await second.get_token()) == token
