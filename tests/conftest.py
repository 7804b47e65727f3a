"""Store servers for the whole suite: each worker starts one when its first test asks for it."""

from collections.abc import Iterator

import pytest

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
    running_valkey.flush()
    return running_valkey


@pytest.fixture
def postgres(running_postgres: PostgresServer) -> PostgresServer:
    """Return this worker's PostgreSQL, without the default table."""
    running_postgres.execute("DROP TABLE IF EXISTS bitbucket_auth_async_records")
    return running_postgres
