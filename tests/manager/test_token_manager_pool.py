"""TokenManagerPool: many identities that share a scheduler, a limit on requests, and outages."""

import asyncio
import gc
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from bitbucket_auth_async import (
    BitbucketAuthError,
    Client,
    ConfigurationError,
    InvalidClientError,
    LoginRequiredError,
    OutageError,
    StoreError,
    Token,
    TokenManager,
    TokenManagerPool,
    UnavailableError,
)
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from tests.support.manager_world import FaultyStore

if TYPE_CHECKING:
    from bitbucket_auth_async.oauth2.http_messages import Request, Response


class SlowTransport:
    """A slow transport that counts requests and must not be closed."""

    def __init__(self, fake: FakeBitbucket, clock: FakeClock) -> None:
        self.fake = fake
        self.clock = clock
        self.seconds = 0.0
        self.now = self.most = 0
        self.closed = False

    async def send(self, request: "Request", /, *, timeout: float) -> "Response":  # noqa: ASYNC109 - the port's own word
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if self.seconds:
                await self.clock.sleep(self.seconds)
            return await self.fake.send(request, timeout=timeout)
        finally:
            self.now -= 1

    async def aclose(self) -> None:
        self.closed = True


class PoolWorld:
    """One server, one store, one clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.fake = FakeBitbucket(self.clock, token_length=40)
        self.transport = SlowTransport(self.fake, self.clock)
        self.store = FaultyStore(MemoryStore())
        self.events: list[Event] = []

    def pool(self, **options: Any) -> TokenManagerPool:  # noqa: ANN401 - any option of the pool
        given: dict[str, Any] = {
            "store": self.store,
            "transport": self.transport,
            "clock": self.clock,
            "on_event": self.events.append,
            **options,
        }
        return TokenManagerPool(given.pop("client", self.fake.client), **given)

    async def sign_in(self, pool: TokenManagerPool, *keys: str) -> list[Token]:
        return [await pool.manager(key).adopt(self.fake.sign_in()) for key in keys]


@pytest.fixture
def world() -> PoolWorld:
    return PoolWorld()


async def test_all_callers_share_the_manager_of_an_identity(world: PoolWorld) -> None:
    async with world.pool() as pool:
        await world.sign_in(pool, "alice", "bob")
        alice, bob = pool.manager("alice"), pool.manager("bob")
        assert alice is pool.manager("alice")
        assert alice is not bob
        assert isinstance(alice, TokenManager)
        assert (await alice.get_token()) != (await bob.get_token())
        assert repr(pool) == "<TokenManagerPool of 2 identities>"
        assert repr(alice) == "<TokenManager 'alice'>"


async def test_a_key_that_is_empty_or_not_a_text_is_refused(world: PoolWorld) -> None:
    async with world.pool() as pool:
        with pytest.raises(ConfigurationError, match=r"key takes a text, such as str\(user\.id\), not int"):
            pool.manager(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(ConfigurationError, match=r"key is empty, .* Give each one, such as str\(user\.id\)\.$"):
            pool.manager("")
        assert len(pool) == 0


async def test_an_unknown_identity_needs_a_sign_in(world: PoolWorld) -> None:
    async with world.pool() as pool:
        with pytest.raises(LoginRequiredError, match="No one has signed in"):
            await pool.manager("alice").get_token()


# Memory.


async def test_the_least_recently_used_identity_is_evicted_and_loaded_again(world: PoolWorld) -> None:
    async with world.pool(max_identities=3) as pool:
        tokens = await world.sign_in(pool, "a", "b", "c")
        await world.sign_in(pool, "d")
        assert len(pool) == 3
        pool.manager("b")
        await world.sign_in(pool, "e")
        world.store.log.clear()
        assert await pool.manager("b").get_token() == tokens[1]
        assert world.store.log == []
        assert await pool.manager("a").get_token() == tokens[0]
        assert world.store.log == ["load"]
        assert world.fake.token_requests == 0


async def test_an_evicted_manager_that_a_caller_holds_is_used_again(world: PoolWorld) -> None:
    async with world.pool(max_identities=2) as pool:
        held = pool.manager("held")
        for number in range(100):
            pool.manager(f"{number}")
        assert len(pool) == 2
        assert pool.manager("held") is held


async def test_an_evicted_manager_that_no_caller_holds_is_freed(world: PoolWorld) -> None:
    async with world.pool(max_identities=2) as pool:
        await world.sign_in(pool, *(f"{number}" for number in range(20)))
        await world.clock.settle()
        gc.collect()
        alive = [each for each in gc.get_objects() if isinstance(each, TokenManager) and each.server is not None]
        assert len([manager for manager in alive if manager.key.isdecimal()]) == 2


async def test_r2_an_identity_with_an_unsaved_token_is_not_evicted(world: PoolWorld) -> None:
    async with world.pool(max_identities=2) as pool:
        await world.sign_in(pool, "alice")
        await world.clock.advance(3500)
        with world.fake.inject(faults.hold()) as held:
            asking = asyncio.create_task(pool.manager("alice").get_token())
            await held.reached.wait()
            world.store.down = True
        await asking
        await world.clock.settle()
        assert EventKind.SAVE_FAILED in {event.kind for event in world.events}
        for number in range(100):
            pool.manager(f"{number}")
        gc.collect()
        world.store.down = False
        await world.clock.advance(76)
    found = await world.store.inner.load("alice")
    assert found is not None
    assert found.record.token is not None
    assert world.fake.is_live(found.record.token.access_token)
    assert world.fake.is_spendable(found.record.token.refresh_token or "")


async def test_the_pool_grows_beyond_its_limit_while_all_identities_are_busy(world: PoolWorld) -> None:
    async with world.pool(max_identities=2) as pool:
        await world.sign_in(pool, "a", "b")
        world.store.down = True
        for key in "ab":
            with pytest.raises(StoreError):
                await pool.manager(key).logout()
        for number in range(50):
            pool.manager(f"{number}")
        assert len(pool) <= 3
        assert {"a", "b"} <= {
            *pool._young,
            *pool._old,
        }  # the loop does not keep their tasks
        world.store.down = False
        await world.clock.advance(76)
    for key in "ab":
        found = await world.store.inner.load(key)
        assert found is not None
        assert found.record.signed_out


@pytest.mark.parametrize("options", [{"max_identities": 0}, {"max_requests": 0}, {"max_requests": -1}])
def test_a_limit_of_zero_is_refused(world: PoolWorld, options: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="1 or more"):
        world.pool(**options)


# Renewal in the background.


async def test_r6_only_recently_used_identities_are_renewed_in_the_background(world: PoolWorld) -> None:
    async with world.pool() as pool:
        await world.sign_in(pool, "active", "idle")
        for _ in range(40):  # every three minutes, for two hours
            await world.clock.advance(180)
            pool.manager("active")
        assert world.fake.token_requests == 2
        active = await world.store.inner.load("active")
        assert active is not None
        assert active.record.token is not None
        assert world.fake.is_live(active.record.token.access_token)
        before = world.fake.token_requests
        assert world.fake.is_live((await pool.manager("active").get_token()).access_token)
        assert world.fake.token_requests == before
        assert world.fake.is_live((await pool.manager("idle").get_token()).access_token)
        assert world.fake.token_requests == before + 1


async def test_r6_an_identity_evicted_at_its_due_time_is_renewed_in_the_background_again(world: PoolWorld) -> None:
    async with world.pool(max_identities=1) as pool:
        await world.sign_in(pool, "held")
        held = pool.manager("held")
        for name in ("other", "another"):
            pool.manager(name)
        await world.clock.advance(600)  # only this test holds it, and the due renewal is not started
        for _ in range(20):  # for an hour
            await world.clock.advance(180)
            assert pool.manager("held") is held
        assert world.fake.token_requests == 1
        assert held.snapshot()["token"] == "good"


async def test_idle_identities_have_no_task(world: PoolWorld) -> None:
    before = asyncio.all_tasks()
    async with world.pool() as pool:
        await world.sign_in(pool, *(f"{number}" for number in range(200)))
        await world.clock.settle()
        assert len(asyncio.all_tasks() - before) == 1
    await world.clock.settle()
    assert asyncio.all_tasks() == before


async def test_r6_a_thousand_tokens_that_expire_together_are_renewed_in_time_within_the_limit(
    world: PoolWorld,
) -> None:
    keys = [f"{number}" for number in range(1000)]
    async with world.pool(max_requests=5) as pool:
        await world.sign_in(pool, *keys)
        world.transport.seconds = 0.5
        for _ in range(125):
            await world.clock.advance(30)
            tokens = [await pool.manager(key).get_token() for key in keys]
            assert all(world.fake.is_live(token.access_token) for token in tokens)
            assert all((token.expires_at or 0) > world.clock.wall() for token in tokens)
        assert world.transport.most == 5
        assert world.fake.token_requests == 1000
        assert world.fake.second_spends == []


async def test_a_dead_identity_is_not_renewed_until_a_caller_asks(world: PoolWorld) -> None:
    async with world.pool() as pool:
        (token,) = await world.sign_in(pool, "alice")
        world.fake.kill_refresh_token(token.refresh_token or "")
        await world.clock.advance(3600)
        with pytest.raises(LoginRequiredError):
            await pool.manager("alice").get_token()
        world.store.log.clear()
        await world.clock.advance(3600)
        assert world.store.log == []
        assert world.fake.is_live((await pool.manager("alice").adopt(world.fake.sign_in())).access_token)


async def test_r8_a_dead_identity_does_not_affect_others(world: PoolWorld) -> None:
    async with world.pool() as pool:
        dead, _ = await world.sign_in(pool, "dead", "well")
        world.fake.kill_refresh_token(dead.refresh_token or "")
        await world.clock.advance(3600)
        with pytest.raises(LoginRequiredError):
            await pool.manager("dead").get_token()
        assert world.fake.is_live((await pool.manager("well").get_token()).access_token)


# Outages.


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_r7_an_outage_of_the_endpoint_is_shared_by_all_identities(world: PoolWorld, status: int) -> None:
    keys = [f"{number}" for number in range(50)]
    async with world.pool() as pool:
        await world.sign_in(pool, *keys)
        await world.clock.advance(3600)
        with world.fake.inject(faults.status(status, retry_after=30), times=None) as outage:
            with pytest.raises(UnavailableError):
                await pool.manager("0").get_token()
            for key in keys[1:]:
                with pytest.raises(OutageError):
                    await pool.manager(key).get_token()
            assert outage.hits == 1
        await world.clock.advance(31)
        for key in keys:
            assert world.fake.is_live((await pool.manager(key).get_token()).access_token)
        assert [event.kind for event in world.events].count(EventKind.OUTAGE_BEGAN) == 1
        assert [event.kind for event in world.events].count(EventKind.OUTAGE_ENDED) == 1
        assert world.fake.second_spends == []


async def test_r7_a_wrong_secret_causes_one_request_for_all_identities(world: PoolWorld) -> None:
    wrong = Client(world.fake.client.client_id, "not the secret")
    async with world.pool(client=wrong) as pool:
        await world.sign_in(pool, "alice", "bob")
        await world.clock.advance(3600)
        for key in ("alice", "bob"):
            with pytest.raises(InvalidClientError):
                await pool.manager(key).get_token()
        assert world.fake.token_requests == 1
    assert world.fake.is_spendable((await _token(world, "bob")).refresh_token or "")


async def test_r9_a_renewal_claims_nothing_while_it_waits_for_a_slot(world: PoolWorld) -> None:
    async with world.pool(max_requests=1) as pool:
        await world.sign_in(pool, "alice", "bob")
        await world.clock.advance(3600)
        with world.fake.inject(faults.hold()) as held:
            first = asyncio.create_task(pool.manager("alice").get_token())
            await held.reached.wait()
            second = asyncio.create_task(pool.manager("bob").get_token())
            await world.clock.settle()
            found = await world.store.inner.load("bob")
            assert found is not None
            assert found.record.claim is None
        await asyncio.gather(first, second)


async def test_a_sign_in_is_tried_during_an_outage(world: PoolWorld) -> None:
    async with world.pool() as pool:
        await world.sign_in(pool, "alice")
        await world.clock.advance(3600)
        with world.fake.inject(faults.status(503)), pytest.raises(UnavailableError):
            await pool.manager("alice").get_token()
        assert await world.sign_in(pool, "bob")


# Loops and closing.


async def test_closing_one_manager_leaves_it_open_for_other_callers(world: PoolWorld) -> None:
    async with world.pool() as pool:
        await world.sign_in(pool, "alice")
        async with pool.manager("alice") as manager:
            await manager.get_token()
        assert await manager.get_token() == await pool.manager("alice").get_token()


async def test_r4_closing_waits_for_running_renewals_and_closes_all_managers(world: PoolWorld) -> None:
    async with world.pool() as pool:
        await world.sign_in(pool, "alice")
        await world.clock.advance(3500)
        manager = pool.manager("alice")
        with world.fake.inject(faults.hold()) as held:
            await manager.get_token()
            await held.reached.wait()
            closing = asyncio.create_task(pool.aclose())
            await world.clock.settle()
            assert not closing.done()
        await closing
        await pool.aclose()
    assert world.fake.is_spendable((await _token(world, "alice")).refresh_token or "")
    assert not world.transport.closed
    with pytest.raises(ConfigurationError, match="closed"):
        await manager.get_token()
    with pytest.raises(ConfigurationError, match="closed"):
        pool.manager("bob")
    await manager.aclose()


async def test_r4_a_second_close_waits_too_and_a_failed_renewal_opens_nothing(
    world: PoolWorld,
) -> None:
    pool = world.pool()
    await world.sign_in(pool, "alice")
    await world.clock.advance(3500)
    manager = pool.manager("alice")
    with world.fake.inject(faults.status(503)):
        world.transport.seconds = 5
        await manager.get_token()
        both = [asyncio.create_task(pool.aclose()) for _ in range(2)]
        await world.clock.settle()
        assert not any(closing.done() for closing in both)
        await world.clock.advance(5)
        await asyncio.gather(*both)
    assert EventKind.OUTAGE_BEGAN in [event.kind for event in world.events]
    with pytest.raises(ConfigurationError, match="closed"):
        await manager.get_token()


def test_a_pool_goes_on_in_the_next_loop(world: PoolWorld) -> None:
    pool = world.pool()

    async def sign_in() -> Token:
        (token,) = await world.sign_in(pool, "alice")
        await world.clock.advance(3500)
        return token

    async def go_on() -> Token:
        assert world.fake.token_requests == 0
        pool.manager("alice")
        token = await pool.manager("alice").get_token()
        await world.clock.advance(3000)
        await pool.aclose()
        return token

    assert asyncio.run(sign_in()) == asyncio.run(go_on())
    assert world.fake.token_requests == 1
    assert world.fake.second_spends == []


def test_a_pool_goes_on_in_the_next_loop_after_one_that_dropped_its_tasks(world: PoolWorld) -> None:
    pool = world.pool()

    async def be_looked_at_in_the_background() -> set["asyncio.Task[Any]"]:
        await world.sign_in(pool, "alice")
        await world.clock.advance(300)
        await world.clock.settle()
        return asyncio.all_tasks()

    async def go_on() -> None:
        token = await pool.manager("alice").get_token()
        assert world.fake.is_live(token.access_token)
        await pool.aclose()

    with closing(asyncio.new_event_loop()) as loop:
        left = loop.run_until_complete(be_looked_at_in_the_background())
    asyncio.run(go_on())
    for task in left:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


async def test_two_renewals_take_four_swaps_and_no_load(world: PoolWorld) -> None:
    async with world.pool() as pool:
        await world.sign_in(pool, "alice")
        for _ in range(2):
            await world.clock.advance(3600)
            world.store.log.clear()
            await pool.manager("alice").get_token()
            assert world.store.log == ["swap", "swap"]


async def test_an_unknown_error_of_the_store_becomes_retryable(world: PoolWorld) -> None:
    async with world.pool() as pool:
        world.store.down = True
        with pytest.raises(BitbucketAuthError) as caught:
            await pool.manager("alice").get_token()
        assert caught.value.retryable


async def _token(world: PoolWorld, key: str) -> Token:
    found = await world.store.inner.load(key)
    assert found is not None
    assert found.record.token is not None
    return found.record.token
