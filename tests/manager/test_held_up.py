"""A renewal that is delayed at the worst moment; and calls that must cost nothing."""

import asyncio
import json

import pytest

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import FaultyStore, HookedTransport, World


class SlowToConfirm(FaultyStore):
    """Confirms a write long after it happened."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner)
        self.slow: asyncio.Event | None = None
        self.written = asyncio.Event()

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        version = await super().swap(key, record, expected=expected)
        if self.slow is not None:
            self.written.set()
            await self.slow.wait()
        return version


async def test_r1_a_renewal_delayed_between_claim_and_request_claims_again(world: World) -> None:
    store = SlowToConfirm(world.shared_store)
    first, second = world.manager(store=store, timing=Timing(store=1000.0)), world.manager()
    await first.adopt(world.fake.sign_in())
    await second.get_token()
    await world.expire()
    store.slow = asyncio.Event()
    one = asyncio.create_task(first.get_token())
    await store.written.wait()  # the claim is stored, but its owner does not know it yet
    other = asyncio.create_task(second.get_token())
    await world.clock.advance(50)
    assert world.fake.token_requests == 0
    with world.fake.inject(faults.latency(25)):  # under the old claim, this answer would come after the lease
        store.slow.set()
        store.slow = None
        await world.clock.advance(26)
    await world.clock.advance(5)
    assert (await one).access_token == (await other).access_token
    assert world.fake.token_requests == 1
    assert world.fake.second_spends == []


async def test_r1_all_callers_share_one_task(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.hold()) as held:
        await asyncio.gather(*(manager.get_token() for _ in range(100)))
        await held.reached.wait()
        await asyncio.gather(*(manager.get_token() for _ in range(100)))
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert names.count("renewal of alice") == 1


async def test_r2_an_answer_without_a_refresh_token_costs_no_sign_in(world: World) -> None:
    """RFC 6749 section 6: the server may omit it, and the old refresh token stays valid."""

    class Terse(HookedTransport):
        async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
            response = await super().send(request, timeout=timeout)
            answer = json.loads(response.body)
            del answer["refresh_token"]
            return response._replace(body=json.dumps(answer).encode())

    world.fake.rules.rotates = False
    manager = world.manager(transport=Terse(world.fake))
    first = await manager.adopt(world.fake.sign_in())
    for _ in range(3):
        await world.expire()
        token = await manager.get_token()
        assert token.refresh_token == first.refresh_token
    assert world.fake.token_requests == 3
    assert (await world.record()).spares == ()


async def test_r3_a_sign_out_waits_for_the_running_renewal(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.hold()) as held:
        await manager.get_token()
        await held.reached.wait()
        leaving = asyncio.create_task(manager.logout())
        await world.clock.settle()
        assert not leaving.done()
    await leaving
    assert (await world.record()).signed_out


async def test_r5_a_slow_answer_does_not_make_a_token_last_longer(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.latency(20)):
        caller = asyncio.create_task(manager.get_token())
        await world.clock.advance(20)
    token = await caller
    with world.fake.inject(faults.unreachable(), times=None):
        await world.clock.advance(3600 - 20 - 31)
        assert (await manager.get_token()) == token
        await world.clock.advance(1.5)
        with pytest.raises(BitbucketAuthError) as caught:
            await manager.get_token()
    assert caught.value.retryable


async def test_r10_a_newer_token_is_found_by_a_load_and_not_by_a_claim(world: World) -> None:
    first, second = world.manager(), world.manager()
    old = await first.adopt(world.fake.sign_in())
    await second.get_token()
    await world.clock.advance(100)
    new = await first.get_token(rejected=old)
    world.stores[second].log.clear()
    assert (await second.get_token(rejected=old)) == new
    assert world.stores[second].log == ["load"]


async def test_r10_a_late_401_does_not_read_the_store(world: World) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(100)
    new = await manager.get_token(rejected=old)
    world.stores[manager].log.clear()
    assert (await manager.get_token(rejected=old)) == new
    assert world.stores[manager].log == []
