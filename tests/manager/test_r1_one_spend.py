"""R1: no two live processes spend the same refresh token."""

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bitbucket_auth_async.oauth2.grants import ClientCredentials, RefreshToken
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World

if TYPE_CHECKING:
    from bitbucket_auth_async.oauth2.http_messages import Request, Response


class SameAccessToken:
    """A server that prolongs its present access token by an hour each time, as many do."""

    def __init__(self, world: World, *, rotates: bool = True) -> None:
        self._world = world
        self._rotates = rotates

    async def send(self, request: "Request", /, *, timeout: float) -> "Response":  # noqa: ASYNC109 - the port's own word
        response = await self._world.fake.send(request, timeout=timeout)
        answer: dict[str, Any] = json.loads(response.body) | {"access_token": "the-same"}
        if not self._rotates:
            answer.pop("refresh_token", None)
        return response._replace(body=json.dumps(answer).encode())

    async def aclose(self) -> None:
        """Nothing to close."""


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


async def test_r1_a_waiter_sends_nothing_while_another_claim_is_live(world: World) -> None:
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
    assert EventKind.REPEATED in world.event_kinds()
    assert len(world.fake.second_spends) == 1


@pytest.mark.parametrize("rotates", [True, False])
async def test_r1_an_unchanged_access_token_still_ends_the_renewal(
    world: World,
    rotates: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    manager = world.manager(transport=SameAccessToken(world, rotates=rotates))
    given = replace(world.fake.sign_in(), access_token="the-same")
    await manager.adopt(given)
    await world.clock.advance(3400)
    assert await manager.get_token() == given
    await world.clock.settle()
    assert world.fake.token_requests == 1
    record = await world.record()
    assert record.claim is None
    assert record.token is not None
    assert (record.token.refresh_token != given.refresh_token) is rotates
    await world.clock.advance(200)  # the old one would have expired
    assert await manager.get_token() == record.token
    assert world.fake.token_requests == 1


async def test_r1_an_unchanged_access_token_still_ends_a_bots_renewal(world: World) -> None:
    manager = world.manager(grant=ClientCredentials(), transport=SameAccessToken(world))
    first = await manager.get_token()
    await world.clock.advance(3400)
    await manager.get_token()
    await world.clock.settle()
    assert world.fake.token_requests == 2
    assert (await manager.get_token()).issued_at > first.issued_at


async def test_r1_a_token_that_another_process_prolonged_is_adopted_and_not_renewed(world: World) -> None:
    line = SameAccessToken(world)
    first, second = world.manager(transport=line), world.manager(transport=line)
    given = replace(world.fake.sign_in(), access_token="the-same")
    await first.adopt(given)
    assert await second.get_token() == given
    await world.clock.advance(3400)
    await first.get_token()
    await world.expire()
    await first.get_token()
    assert await second.get_token() == await first.get_token()
    assert world.fake.token_requests == 2


@pytest.mark.parametrize("strict", [False, True])
async def test_r1_a_refresh_token_adopted_by_two_processes_is_spent_once(strict: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The second starts before the first has stored anything, and is slow."""
    world = World(strict=strict)
    first, second = world.manager(), world.manager()
    brought = RefreshToken(str(world.fake.sign_in().refresh_token))
    slow = world.stores[second]
    slow.close_gate()
    later = asyncio.create_task(second.exchange(brought))
    await slow.waiting.wait()
    token = await first.exchange(brought)
    slow.open_gate()
    assert await later == token
    assert world.fake.token_requests == 1
    assert await world.token() == token


@pytest.mark.parametrize("strict", [False, True])
async def test_r1_a_refresh_token_adopted_while_another_process_spends_it_is_not_spent_again(
    strict: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    world = World(strict=strict)
    first, second = world.manager(), world.manager()
    signed_in = world.fake.sign_in()
    await first.adopt(signed_in)
    await world.expire()
    world.fake.inject(faults.latency(2.0, late=True))
    spending = asyncio.create_task(first.get_token())
    await world.clock.settle()
    bringing = asyncio.create_task(second.exchange(RefreshToken(str(signed_in.refresh_token))))
    await world.clock.advance(10)
    assert await bringing == await spending == await world.token()
    assert world.fake.token_requests == 1
