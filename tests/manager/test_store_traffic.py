"""A renewal's messages to a store's server, counted on the wire, and the connections it holds."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest
import redis as blocking
from redis.asyncio import BlockingConnectionPool, Redis

from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from tests.support.clocks import ShiftedClock
from tests.support.manager_world import FaultyStore
from tests.support.store_servers import PostgresServer, RedisServer
from tests.support.tcp_proxies import transaction_pooler

RENEWALS = 5
Untyped = Any
"""The client of redis-py, half of whose types are unknown."""


class Renewals:
    """One sign-in, renewed as often as a test likes."""

    def __init__(self, store: TokenStore) -> None:
        self.clock = ShiftedClock()
        self.fake = FakeBitbucket(self.clock, strict=True)
        self.manager = TokenManager(self.fake.client, store=store, key="alice", transport=self.fake, clock=self.clock)

    async def begin(self) -> None:
        """Sign in and renew once, so that connections are open and scripts are loaded."""
        await self.manager.adopt(self.fake.sign_in())
        await self.renew()

    async def renew(self) -> None:
        before = self.fake.token_requests
        self.clock.advance(3600)
        await self.manager.get_token()
        assert self.fake.token_requests == before + 1


@pytest.fixture
async def pool(postgres: PostgresServer) -> AsyncGenerator["asyncpg.Pool[Any]"]:
    """Yield a program's pool with one connection, and a table."""
    async with asyncpg.create_pool(postgres.url, min_size=1, max_size=1) as pool:
        await PostgresStore(pool).create_schema()
        yield pool


async def test_a_renewal_calls_the_store_twice() -> None:
    store = FaultyStore(MemoryStore())
    renewals = Renewals(store)
    await renewals.begin()
    store.log.clear()
    for _ in range(RENEWALS):
        await renewals.renew()
    assert store.log == ["swap", "swap"] * RENEWALS


async def test_a_renewal_is_two_commands_to_redis(valkey: RedisServer) -> None:
    async with RedisStore(valkey.url) as store:
        renewals = Renewals(store)
        await renewals.begin()
        admin: Untyped = blocking.Redis(port=valkey.port)
        with admin, admin.monitor() as monitor:
            for _ in range(RENEWALS):
                await renewals.renew()
            admin.echo("all")
            seen = list[str]()
            while not seen or seen[-1] != "ECHO":
                told = monitor.next_command()
                if told["client_type"] != "lua":  # commands inside the script do not cross the wire
                    seen.append(told["command"].split()[0].upper())
    assert [word for word in seen if word not in {"CLIENT", "HELLO", "ECHO"}] == ["EVALSHA", "EVALSHA"] * RENEWALS


async def test_a_renewal_is_two_messages_to_postgresql(postgres: PostgresServer, pool: "asyncpg.Pool[Any]") -> None:
    async with (
        transaction_pooler(postgres.port) as pooler,
        PostgresStore(f"postgresql://postgres@127.0.0.1:{pooler.port}/postgres") as store,
    ):
        renewals = Renewals(store)
        await renewals.begin()
        before = pooler.statements
        for _ in range(RENEWALS):
            await renewals.renew()
        assert pooler.statements - before == 2 * RENEWALS
        assert pooler.kinds == {b"Q"}  # each is a message and its answer


async def test_postgres_store_holds_no_connection_while_the_token_endpoint_is_asked(
    postgres: PostgresServer, pool: "asyncpg.Pool[Any]"
) -> None:
    renewals = Renewals(PostgresStore(pool))
    await renewals.begin()
    pid = await pool.fetchval("SELECT pg_backend_pid()")
    admin = await asyncpg.connect(postgres.url)
    with renewals.fake.inject(faults.hold()) as held:
        renewing = asyncio.create_task(renewals.renew())
        await held.reached.wait()
        assert pool.get_idle_size() == pool.get_size() == 1
        [state] = await admin.fetch("SELECT state, xact_start FROM pg_stat_activity WHERE pid = $1", pid)
        assert tuple(state) == ("idle", None)
        assert not await admin.fetch("SELECT 1 FROM pg_locks WHERE pid = $1", pid)
        async with asyncio.timeout(5):
            assert await pool.fetchval("SELECT count(*) FROM bitbucket_auth_async_records") == 1
    await renewing
    await admin.close()


async def test_redis_store_holds_no_connection_while_the_token_endpoint_is_asked(valkey: RedisServer) -> None:
    only: Untyped = BlockingConnectionPool.from_url(valkey.url, max_connections=1, timeout=5)  # pyright: ignore[reportUnknownMemberType] - as above
    async with Redis(connection_pool=only) as client:
        renewals = Renewals(RedisStore(client))
        await renewals.begin()
        with renewals.fake.inject(faults.hold()) as held:
            renewing = asyncio.create_task(renewals.renew())
            await held.reached.wait()
            assert await client.exists("bitbucket_auth_async:alice") == 1
        await renewing
    await only.aclose()
