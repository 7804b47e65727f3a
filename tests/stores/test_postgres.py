import asyncio
import json
import time
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

import asyncpg
import pytest

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record
from tests.support.error_texts import full_text
from tests.support.store_servers import PostgresServer, postgres_server
from tests.support.tcp_proxies import tcp_proxy, transaction_pooler

NUMBERS = count()


@pytest.fixture
def server(running_postgres: PostgresServer) -> PostgresServer:
    return running_postgres


@pytest.fixture
def table() -> str:
    """The name of a table that no other test uses."""
    return f"records_{next(NUMBERS)}"


@pytest.fixture
async def store(server: PostgresServer, table: str) -> AsyncGenerator[PostgresStore]:
    async with PostgresStore(server.dsn, table=table) as store:
        await store.create_schema()
        yield store


@pytest.fixture
async def admin(server: PostgresServer) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    admin = await asyncpg.connect(server.dsn)
    yield admin
    await admin.close()


class TestPostgresStore(TokenStoreContract):
    @pytest.fixture
    async def store(self, server: PostgresServer, table: str) -> AsyncGenerator[PostgresStore]:
        async with PostgresStore(server.dsn, table=table) as store:
            await store.create_schema()
            yield store

    @pytest.fixture
    async def other(self, server: PostgresServer, table: str) -> AsyncGenerator[PostgresStore]:
        """A store on the program's own pool, with the strictest isolation."""
        settings = {"default_transaction_isolation": "serializable"}
        async with asyncpg.create_pool(server.dsn, min_size=0, max_size=4, server_settings=settings) as pool:
            yield PostgresStore(pool, table=table)


class TestPostgresStoreBehindAPooler(TokenStoreContract):
    """A store behind a pooler that sends each statement to another backend."""

    @pytest.fixture
    async def store(self, server: PostgresServer, table: str) -> AsyncGenerator[PostgresStore]:
        dsn = "postgresql://postgres@127.0.0.1:{}/postgres"
        async with (
            transaction_pooler(server.port) as pooler,
            PostgresStore(dsn.format(pooler.port), table=table) as store,
        ):
            await store.create_schema()
            yield store
        assert pooler.kinds == {b"Q"}


class TestEncryptedPostgresStore(TokenStoreContract):
    @pytest.fixture
    async def store(self, server: PostgresServer, table: str) -> AsyncGenerator[PostgresStore]:
        codec = EncryptedCodec([EncryptionKey.new()])
        async with PostgresStore(server.dsn, table=table, codec=codec) as store:
            await store.create_schema()
            yield store


async def test_the_pooler_of_these_tests_breaks_prepared_statements(
    server: PostgresServer,
) -> None:
    async with transaction_pooler(server.port) as pooler:
        dsn = f"postgresql://postgres@127.0.0.1:{pooler.port}/postgres"
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT $1::int", 1) == 1
        with pytest.raises(asyncpg.InvalidSQLStatementNameError):
            await connection.fetchval("SELECT $1::int", 2)
        connection.terminate()


async def test_load_and_swap_are_one_message_and_one_answer_each(server: PostgresServer, table: str) -> None:
    async with transaction_pooler(server.port) as pooler:
        dsn = f"postgresql://postgres@127.0.0.1:{pooler.port}/postgres"
        async with PostgresStore(dsn, table=table) as store:
            await store.create_schema()
            before = pooler.statements
            version = await store.swap("alice", a_record(), expected=0)
            await store.swap("alice", a_record(2), expected=version)
            await store.load("alice")
            assert pooler.statements - before == 3


async def test_several_processes_may_create_the_table_at_once(server: PostgresServer, table: str) -> None:
    async with PostgresStore(server.dsn, table=table) as store:
        await asyncio.gather(*(store.create_schema() for _ in range(8)))
        assert await store.swap("alice", a_record(), expected=0)


async def test_the_table_may_be_in_another_schema(
    server: PostgresServer, table: str, admin: "asyncpg.Connection[Any]"
) -> None:
    await admin.execute(f"CREATE SCHEMA s{table}")
    async with PostgresStore(server.dsn, table=f"s{table}.records") as store:
        await admin.execute(store.schema)  # as a migration would
        assert await store.swap("alice", a_record(), expected=0)


async def test_people_can_read_a_row(store: PostgresStore, table: str, admin: "asyncpg.Connection[Any]") -> None:
    version = await store.swap("é/1", a_record(), expected=0)
    columns = "convert_from(key, 'UTF8') AS key, version, convert_from(record, 'UTF8') AS record, changed_at"
    row = await admin.fetchrow(f"SELECT {columns} FROM {table}")  # noqa: S608  - a name of our own
    assert row is not None
    assert (row["key"], row["version"]) == ("é/1", version)
    assert json.loads(row["record"]) == a_record().to_plain()
    assert await store.keys() == ["é/1"]


async def test_no_connection_is_held_and_no_session_state_is_left(
    store: PostgresStore, admin: "asyncpg.Connection[Any]"
) -> None:
    async def states() -> list[str]:
        rows = await admin.fetch("SELECT state FROM pg_stat_activity WHERE query LIKE '%records_%' AND pid <> $1", pid)
        return [row["state"] for row in rows]

    pid = admin.get_server_pid()
    await asyncio.gather(*(store.swap(f"key {number}", a_record(), expected=0) for number in range(50)))
    found = await states()
    assert set(found) == {"idle"}
    assert len(found) <= 8
    await store.aclose()
    while await states():  # noqa: ASYNC110 - the server sets no event when it notices that a client is gone
        await asyncio.sleep(0.01)


async def test_a_lock_held_by_another_session_ends_in_a_timeout(
    server: PostgresServer, table: str, admin: "asyncpg.Connection[Any]"
) -> None:
    async with PostgresStore(server.dsn, table=table, timeout=0.3) as store:
        await store.create_schema()
        version = await store.swap("alice", a_record(), expected=0)
        async with admin.transaction():
            await admin.execute(f"UPDATE {table} SET version = version")  # noqa: S608  - a name of our own
            with pytest.raises(StoreError, match=r"PostgreSQL at .* did not answer within 0\.3 s") as caught:
                await store.swap("alice", a_record(2), expected=version)
            assert caught.value.retryable
            assert await store.load("alice") == Versioned(a_record(), version)
        found = None
        while found is None or not await store.swap("alice", a_record(3), expected=found.version):
            found = await store.load("alice")


async def test_connections_that_the_server_closed_cause_no_error(
    store: PostgresStore, table: str, admin: "asyncpg.Connection[Any]"
) -> None:
    version = await store.swap("alice", a_record(), expected=0)
    for number in range(2, 16):
        await admin.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()",
            f"%{table}%",
        )
        version = await store.swap("alice", a_record(number), expected=version)
        assert version
    assert await store.load("alice") == Versioned(a_record(15), version)


async def test_a_swap_whose_answer_was_lost_is_repeated_and_has_succeeded(server: PostgresServer, table: str) -> None:
    async with tcp_proxy(server.port) as proxy:
        dsn = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        async with PostgresStore(dsn, table=table) as store:
            await store.create_schema()
            proxy.responses_to_drop = 1
            first = await store.swap("alice", a_record(), expected=0)
            proxy.responses_to_drop = 1
            second = await store.swap("alice", a_record(2), expected=first)
            assert proxy.responses_to_drop == 0
            assert await store.load("alice") == Versioned(a_record(2), second)


async def test_a_connection_that_swallows_everything_times_out_and_delays_no_other_call(
    server: PostgresServer, table: str
) -> None:
    async with tcp_proxy(server.port) as proxy:
        dsn = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        async with PostgresStore(dsn, table=table, timeout=0.4) as store:
            await store.create_schema()
            version = await store.swap("alice", a_record(), expected=0)
            proxy.silent = True
            began = time.monotonic()
            for _ in range(2):  # on an existing connection, and on a new one
                with pytest.raises(StoreError, match="did not answer") as caught:
                    await store.load("alice")
                assert caught.value.retryable
            assert time.monotonic() - began < 2
            proxy.silent = False
            assert await store.load("alice") == Versioned(a_record(), version)


async def test_a_cancelled_call_on_a_dead_connection_ends_at_once(server: PostgresServer, table: str) -> None:
    async with tcp_proxy(server.port) as proxy:
        dsn = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        async with PostgresStore(dsn, table=table) as store:
            await store.create_schema()
            proxy.silent = True
            load = asyncio.ensure_future(store.load("alice"))
            await asyncio.wait_for(proxy.dropped.wait(), 30)
            load.cancel()
            async with asyncio.timeout(0.5):
                await asyncio.wait([load])


async def test_a_server_killed_and_restarted_has_all_confirmed_swaps() -> None:
    with postgres_server() as server:
        async with PostgresStore(server.dsn, timeout=2) as store:
            await store.create_schema()
            version = await store.swap("alice", a_record(), expected=0)
            server.kill()
            with pytest.raises(StoreError, match="could not be read") as caught:
                await store.load("alice")
            assert caught.value.retryable
            server.start()
            assert await store.load("alice") == Versioned(a_record(), version)


async def test_a_missing_table_is_an_error_that_says_how_to_create_it(server: PostgresServer, table: str) -> None:
    async with PostgresStore(server.dsn, table=table) as store:
        with pytest.raises(StoreError, match=r"Call create_schema\(\) once") as caught:
            await store.swap("alice", a_record(), expected=0)
        assert not caught.value.retryable
        assert "refresh-1" not in full_text(caught.value)
        assert b"refresh-1-".hex() not in full_text(caught.value)


async def test_a_wrong_password_is_not_retried_and_not_shown(
    server: PostgresServer, admin: "asyncpg.Connection[Any]"
) -> None:
    await admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    async with PostgresStore(f"postgresql://guarded:hunter2@127.0.0.1:{server.port}/postgres") as store:
        with pytest.raises(StoreError, match="The password is wrong") as caught:
            await store.load("alice")
        assert not caught.value.retryable
        assert "hunter2" not in full_text(caught.value) + repr(store)


async def test_a_standby_is_a_retryable_error(server: PostgresServer, table: str, store: PostgresStore) -> None:
    settings = {"default_transaction_read_only": "on"}
    async with asyncpg.create_pool(server.dsn, min_size=0, max_size=2, server_settings=settings) as pool:
        with pytest.raises(StoreError, match="25006") as caught:
            await PostgresStore(pool, table=table).swap("alice", a_record(), expected=0)
        assert caught.value.retryable


async def test_a_damaged_record_is_left_unchanged(
    store: PostgresStore, table: str, admin: "asyncpg.Connection[Any]"
) -> None:
    await store.swap("alice", a_record(), expected=0)
    await admin.execute(f"UPDATE {table} SET record = 'hunter2'")  # noqa: S608  - a name of our own
    with pytest.raises(RecordError) as caught:
        await store.load("alice")
    assert "hunter2" not in full_text(caught.value)


async def test_the_store_closes_only_a_pool_that_it_opened(
    server: PostgresServer, store: PostgresStore, table: str
) -> None:
    async with asyncpg.create_pool(server.dsn, min_size=0, max_size=2) as pool:
        async with PostgresStore(pool, table=table) as given:
            await given.load("alice")
        assert await pool.fetchval("SELECT 1") == 1
    await store.aclose()
    await store.aclose()
    with pytest.raises(ConfigurationError, match="This PostgresStore is closed"):
        await store.load("alice")


def test_one_store_serves_two_event_loops_one_after_the_other(server: PostgresServer, table: str) -> None:
    store = PostgresStore(server.dsn, table=table)

    async def use(key: str) -> int:
        await store.create_schema()
        try:
            return await store.swap(key, a_record(), expected=0)
        finally:
            pool = await store._own_pool()
            await pool.close()  # a pool left open is a warning, and warnings are errors here

    assert asyncio.run(use("alice"))
    assert asyncio.run(use("bob"))


@pytest.mark.parametrize("table", ["", "Records", "a.b.c", 'a"b', "a;b", "a b", "1a", "a" * 64, "a.", "é"])
def test_an_invalid_table_name_is_refused(table: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a valid name"):
        PostgresStore("postgresql://host/db", table=table)


@pytest.mark.parametrize("dsn", ["mysql://hunter2@host", "host=hunter2", ""])
def test_an_invalid_dsn_is_refused_and_not_shown(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match="begins with postgresql://") as caught:
        PostgresStore(dsn)
    assert "hunter2" not in full_text(caught.value)


async def test_an_unreachable_server_is_named_without_its_credentials() -> None:
    async with PostgresStore("postgresql://app:hunter2@127.0.0.1:1/db", timeout=0.3) as store:
        with pytest.raises(StoreError, match=r"could not be read: PostgreSQL at 127\.0\.0\.1:1 can't be rea") as caught:
            await store.load("alice")
    assert caught.value.retryable
    assert "hunter2" not in full_text(caught.value)


async def test_a_dsn_that_only_asyncpg_refuses_is_not_shown_either() -> None:
    async with PostgresStore("postgresql://host:hunter2/db") as store:
        with pytest.raises(ConfigurationError, match="asyncpg can't parse") as caught:
            await store.load("alice")
    assert "hunter2" not in full_text(caught.value)
