"""A store behind a network that is slow, truncates, refuses or drops everything: what that costs, and what it must not.

The servers and the TCP proxy are real; the clock jumps, so nothing waits for time to pass.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import pytest

from bitbucket_auth_async.errors import DeadlineError, StoreError
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.proxied_store import CALLERS, ClaimWatcher, ProxiedSignIn, proxied_sign_in
from tests.support.store_servers import PostgresServer, RedisServer
from tests.support.tcp_proxies import TcpProxy

each_failure = pytest.mark.parametrize("failure", [TcpProxy.drop_all, TcpProxy.refuse_all, TcpProxy.truncate_all])


@pytest.fixture(params=["valkey", "postgres"])
def server(request: pytest.FixtureRequest) -> RedisServer | PostgresServer:
    server: RedisServer | PostgresServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
async def proxied(server: RedisServer | PostgresServer) -> AsyncGenerator[ProxiedSignIn]:
    async with proxied_sign_in(server) as proxied:
        yield proxied


async def test_r7_a_slow_network_costs_time_and_nothing_else(proxied: ProxiedSignIn) -> None:
    proxied.advance(3600)
    proxied.proxy.delay = 0.03
    began = time.monotonic()
    await proxied.token()
    assert time.monotonic() - began > 4 * 0.03  # claim and outcome, there and back
    await proxied.assert_intact(requests=1)


async def test_r1_a_truncated_response_causes_no_second_spend(proxied: ProxiedSignIn) -> None:
    proxied.advance(3600)
    with proxied.fake.inject(faults.hold()) as held:
        proxied.proxy.responses_to_truncate = 1
        callers = asyncio.create_task(proxied.token())
        await held.reached.wait()
        assert proxied.proxy.responses_to_truncate == 0  # that was the response to the claim
        proxied.proxy.responses_to_truncate = 1
    await callers
    assert proxied.proxy.responses_to_truncate == 0  # and that the response to the outcome
    await proxied.assert_intact(requests=1)
    assert (await proxied.record()).spares == ()


@each_failure
async def test_r2_without_a_stored_claim_nothing_is_spent_and_renewals_resume_once_the_store_is_back(
    proxied: ProxiedSignIn, failure: Callable[[TcpProxy], object]
) -> None:
    proxied.advance(3600)
    proxied.fail(failure)
    errors = await proxied.errors(proxied.manager)
    assert [(type(error), error.retryable) for error in errors] == [(StoreError, True)] * CALLERS
    proxied.repair()
    proxied.advance(2)  # callers share a failure for about a second
    await proxied.token()
    await proxied.assert_intact(requests=1)


@each_failure
async def test_r2_a_token_whose_save_fails_is_handed_out_and_saved_once_the_store_is_back(
    proxied: ProxiedSignIn, failure: Callable[[TcpProxy], object]
) -> None:
    proxied.advance(3600)
    with proxied.fake.inject(faults.hold()) as held:
        callers = asyncio.create_task(proxied.token())
        await held.reached.wait()  # the claim is stored
        proxied.fail(failure)
    token = await callers
    await proxied.wait_for(EventKind.SAVE_FAILED)
    assert await proxied.token() is token
    proxied.advance(2)
    await proxied.wait_for(EventKind.STORE_FAILED)  # the save is repeated
    proxied.repair()
    await proxied.advance_until(proxied.wait_for(EventKind.SAVED_LATE))
    await proxied.assert_intact(requests=1)
    async with proxied.new_manager(proxied.direct) as other:
        assert await other.get_token() == token


@each_failure
async def test_r6_while_the_store_fails_a_valid_token_is_returned_at_once(
    proxied: ProxiedSignIn, failure: Callable[[TcpProxy], object]
) -> None:
    before = await proxied.token()
    proxied.advance(3600 - 200)  # due for renewal, and still valid
    proxied.fail(failure)
    for _ in range(2):
        async with asyncio.timeout(0.1):
            assert await proxied.manager.get_token() is before
        await proxied.wait_for(EventKind.STORE_FAILED)
        await proxied.manager.idle()
        proxied.advance(10)
    assert proxied.fake.token_requests == 0
    proxied.repair()
    assert await proxied.manager.get_token() is before
    await proxied.wait_for(EventKind.RENEWED)
    assert await proxied.token() is not before
    await proxied.assert_intact(requests=1)


async def test_r3_a_process_cut_off_from_the_store_for_longer_than_its_lease_adds_a_spare(
    proxied: ProxiedSignIn,
) -> None:
    proxied.fake.rules.reuse_grace, proxied.fake.rules.reuse_revokes = 600.0, False
    watcher = ClaimWatcher(proxied.direct)
    async with proxied.new_manager(watcher) as other:
        await other.get_token()
        proxied.advance(3600)
        with proxied.fake.inject(faults.hold()) as held:
            callers = asyncio.create_task(proxied.token())
            await held.reached.wait()  # the claim is stored
            proxied.fail(TcpProxy.drop_all)
        late = await callers
        waiting = asyncio.create_task(other.get_token())
        await watcher.claim_seen.wait()
        proxied.advance(61)
        newer = await waiting
        assert await proxied.token() == late  # both are valid
        proxied.repair()
        await proxied.advance_until(proxied.wait_for(EventKind.SAVED_LATE))
        record = await proxied.record()
        assert (record.token, record.spares) == (newer, (late,))
        assert proxied.fake.token_requests == 2
        proxied.fake.kill_refresh_token(newer.refresh_token or "")
        proxied.advance(3600)
        assert (await other.get_token()).refresh_token not in {late.refresh_token, newer.refresh_token}
        assert (await proxied.record()).spares == ()


async def test_r7_no_caller_waits_beyond_its_deadline_while_the_store_hangs(
    server: RedisServer | PostgresServer,
) -> None:
    async with (
        proxied_sign_in(server, short_timeout=30.0) as proxied,
        proxied.new_manager(proxied.store, deadline=0.2) as manager,
    ):
        proxied.advance(3600)
        proxied.fail(TcpProxy.drop_all)
        errors = await proxied.errors(manager)
        assert [(type(error), error.retryable) for error in errors] == [(DeadlineError, True)] * CALLERS
        await proxied.advance_until(manager.idle())  # past Timing.store, so the call that went on without them ends
        proxied.repair()
        proxied.advance(2)
        token = await manager.get_token()
        assert await proxied.token() == token
        await proxied.assert_intact(requests=1)
