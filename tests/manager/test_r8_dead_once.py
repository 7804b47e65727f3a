"""R8: a refused refresh token is sent once; spares and own grants come next, and no identity is mixed up."""

import asyncio

import pytest

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.grants import ClientCredentials, RefreshToken
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.telemetry.events import EventKind
from tests.support.manager_world import World


async def _dead(world: World, manager: TokenManager) -> str:
    token = await manager.adopt(world.fake.sign_in())
    assert token.refresh_token is not None
    world.fake.kill_refresh_token(token.refresh_token)
    return token.refresh_token


async def test_r8_a_refused_refresh_token_requires_a_login_and_no_process_sends_it_again(world: World) -> None:
    first, second = world.manager(), world.manager()
    dead = await _dead(world, first)
    await world.expire()
    for manager in (first, second, first, second):
        for _ in range(5):
            with pytest.raises(LoginRequiredError, match="sign in again"):
                await manager.get_token()
            await world.clock.advance(10)
    assert world.fake.token_requests == 1
    assert (await world.record()).refused == fingerprint(dead)
    assert world.event_kinds().count(EventKind.REFUSED) == 1


async def test_r8_the_access_token_is_used_until_it_expires_although_its_refresh_token_is_dead(world: World) -> None:
    manager = world.manager()
    token = await manager.adopt(world.fake.sign_in())
    world.fake.kill_refresh_token(token.refresh_token or "")
    await world.clock.advance(3600 - 200)
    for _ in range(10):
        assert (await manager.get_token()) == token
        await world.clock.advance(10)
    assert world.fake.token_requests == 1


async def test_r8_a_new_sign_in_clears_the_refusal_for_all_processes(world: World) -> None:
    first, second = world.manager(), world.manager()
    await _dead(world, first)
    await world.expire()
    with pytest.raises(LoginRequiredError):
        await first.get_token()
    with pytest.raises(LoginRequiredError):
        await second.get_token()
    token = await second.adopt(world.fake.sign_in())
    await world.clock.advance(1.1)
    assert (await first.get_token()) == token
    assert (await world.record()).refused is None


async def test_r8_a_token_that_another_process_saved_outranks_a_refusal(world: World) -> None:
    first, second = world.manager(), world.manager()
    await _dead(world, first)
    await world.expire()
    store = world.stores[first]
    world.transport.after_response = store.close_gate
    one = asyncio.create_task(first.get_token())
    await world.clock.settle()
    world.transport.after_response = None
    newer = await second.adopt(world.fake.sign_in())
    store.open_gate()
    assert (await one) == newer
    assert (await world.record()).refused is None


async def test_r8_a_replayable_grant_replaces_only_tokens_of_its_own(world: World) -> None:
    person = world.manager()
    await _dead(world, person)
    await world.expire()
    bot = world.manager(grant=ClientCredentials())
    with pytest.raises(ConfigurationError, match="one identity into another"):
        await bot.get_token()
    assert world.fake.token_requests == 0


async def test_r8_a_refused_refresh_token_of_a_replayable_grant_is_replaced_by_replaying(world: World) -> None:
    world.fake.rules.legacy = True  # client credentials that come with a refresh token, as before May 2026
    bot = world.manager(grant=ClientCredentials())
    token = await bot.get_token()
    assert token.refresh_token is not None
    world.fake.kill_refresh_token(token.refresh_token)
    await world.clock.advance(7200)
    assert world.fake.is_live((await bot.get_token()).access_token)
    assert [entry.grant_type for entry in world.fake.log] == [
        "client_credentials",
        "refresh_token",
        "client_credentials",
    ]


async def test_r8_a_bot_that_signs_out_can_get_a_new_token(world: World) -> None:
    bot = world.manager(grant=ClientCredentials())
    first = await bot.get_token()
    await bot.logout()
    assert (await bot.get_token()) != first


@pytest.mark.parametrize("verb", ["exchange", "adopt"])
async def test_r8_a_manager_with_a_grant_takes_no_second_identity(world: World, verb: str) -> None:
    bot = world.manager(grant=ClientCredentials())
    what = RefreshToken("r") if verb == "exchange" else world.fake.sign_in()
    with pytest.raises(ConfigurationError, match="second identity"):
        await getattr(bot, verb)(what)


async def test_r8_an_adopted_refresh_token_is_saved_before_it_is_spent(world: World) -> None:
    manager = world.manager()
    token = await manager.exchange(RefreshToken(world.fake.sign_in().refresh_token or ""))
    assert world.fake.is_live(token.access_token)
    assert await world.token() == token
    assert world.fake.token_requests == 1


@pytest.mark.parametrize(
    "access,refresh",
    [("a\n", None), ("a b", "r"), ("ä", "r"), ("a", "r\n"), ("", "r\r\n"), ("", None), ("", "")],
)
async def test_r11_a_token_that_no_header_can_hold_is_refused(world: World, access: str, refresh: str | None) -> None:
    manager = world.manager()
    with pytest.raises(ConfigurationError, match="Copy it again") as caught:
        await manager.adopt(Token(access_token=access, refresh_token=refresh, issued_at=world.clock.wall()))
    assert repr(access) not in str(caught.value)
    assert await world.shared_store.load("alice") is None
    with pytest.raises(ConfigurationError, match="Copy it again"):
        await manager.exchange(RefreshToken("r\n"))
