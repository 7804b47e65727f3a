"""Store servers for the whole suite: each worker starts one when its first test asks for it."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
import redis as blocking

from tests.support.store_servers import DURABLE, PostgresServer, RedisServer, postgres_server, redis_server


@pytest.fixture(scope="session")
def running_valkey() -> Iterator[RedisServer]:
    with redis_server("valkey", *DURABLE) as server:
        yield server


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def valkey(running_valkey: RedisServer) -> RedisServer:
    """Return this worker's Valkey, without keys."""
    admin: Any = blocking.Redis(port=running_valkey.port)  # redis-py leaves half of its types unknown
    with admin:
        admin.flushall()
    return running_valkey


@pytest.fixture
async def postgres(running_postgres: PostgresServer) -> PostgresServer:
    """Return this worker's PostgreSQL, without the default table."""
    connection = await asyncpg.connect(running_postgres.url)
    await connection.execute("DROP TABLE IF EXISTS bitbucket_auth_async_records")
    await connection.close()
    return running_postgres
