"""PostgresStore: records in a table of PostgreSQL, shared by all hosts, behind any pooler."""

import asyncio
import random
import re
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from bitbucket_auth_async.codecs.json import JsonCodec, checked_codec
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.stores._key_checks import check_key
from bitbucket_auth_async.stores._server_address import server_address, unreachable

with extra("postgres"):
    import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncpg.pool import PoolConnectionProxy

    _BaseConnection = asyncpg.Connection[Any]
else:
    _BaseConnection = asyncpg.Connection  # only its stubs know that it is generic

_T = TypeVar("_T")
_JSON = JsonCodec()
_CONNECTIONS = 8
_MAX_IDLE = 60.0
_ATTEMPTS = 3
_TABLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
# SQLSTATE of errors that may pass: connection, resources, shutdown, serialization and deadlock; and a standby.
_TRANSIENT = ("08", "53", "57", "40", "25006")
# asyncpg raises the third on a connection that the server closed while it was idle.
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_ADVICE = {
    "42P01": "There is no such table. Call create_schema() once, or run PostgresStore.schema.",
    "42501": "This role is not allowed to. Grant it SELECT, INSERT and UPDATE on the table.",
    "28P01": "The password is wrong. Correct it in the DSN.",
    "28000": "The server refuses this role. Check the role in the DSN, and pg_hba.conf.",
    "3D000": "There is no such database. Create it, or correct its name in the DSN.",
}


class PostgresStore:
    """Keeps each record in a row of one table, whose SQL is in `schema`.

    A swap is one statement. Each statement is one message of the simple query protocol with one answer: nothing is
    prepared, no transaction stays open, and no connection is held between calls. So a pooler may send each statement to
    another server process. Durability is the server's: with `synchronous_commit` on, a confirmed swap stays. A standby
    with asynchronous replication may lack the last swaps when it is promoted.

    Use it as an asynchronous context manager, or call `aclose` at the end; it does not close a pool of yours.

    Args:
        pool: A DSN (`postgresql://…`), or an asyncpg pool.
        table: The table's name, `schema.table` if it is not on the search path; lower-case letters, digits and `_`.
        codec: Turns records into bytes; an encrypting one hides the tokens from anyone who can read the database.
        timeout: Seconds that one call may take, including retries on other connections.

    Raises:
        ConfigurationError: The table name or the DSN is invalid, or *codec* is not a codec.
    """

    def __init__(
        self,
        pool: "str | asyncpg.Pool[Any]",
        *,
        table: str = "bitbucket_auth_async_records",
        codec: Codec = _JSON,
        timeout: float = 5.0,
    ) -> None:
        """Connect to nothing yet."""
        if not _TABLE_NAME.fullmatch(table):
            msg = (
                f"table {table!r} is not a valid name. Use lower-case letters, digits and _, with or without a schema."
            )
            raise ConfigurationError(msg)
        self._pools: PerLoop[asyncio.Future[asyncpg.Pool[Any]]] | None = None
        self._users_pool: asyncpg.Pool[Any] | None = None
        self._server = "PostgreSQL"
        if isinstance(pool, str):
            dsn = pool
            if not dsn.startswith(("postgresql://", "postgres://")):
                msg = "PostgresStore takes a DSN that begins with postgresql://, or an asyncpg pool."
                raise ConfigurationError(msg)
            self._server = server_address("PostgreSQL", dsn)
            self._pools = PerLoop("PostgresStore", lambda: asyncio.ensure_future(_open_pool(dsn, timeout)), _close_pool)
        else:
            self._users_pool = pool
        self._name = table
        self._table = ".".join(f'"{part}"' for part in table.split("."))
        self._codec = checked_codec(codec)
        self._timeout = timeout

    def __repr__(self) -> str:
        """Show the table; the DSN may hold a password."""
        return f"PostgresStore(table={self._name!r})"

    @property
    def schema(self) -> str:
        """The SQL that creates the table, for migrations."""
        return (
            f"CREATE TABLE IF NOT EXISTS {self._table} (\n"
            "    key bytea PRIMARY KEY,  -- the name in UTF-8: convert_from(key, 'UTF8')\n"
            "    version bigint NOT NULL CHECK (version > 0),\n"
            "    record bytea NOT NULL,\n"
            "    changed_at timestamptz NOT NULL DEFAULT now()\n"
            ")"
        )

    async def create_schema(self) -> None:
        """Create the table if it does not exist; several processes may do so at once.

        Raises:
            StoreError: The database could not be reached, or the role is not allowed to.
        """

        async def create(connection: "PoolConnectionProxy[Any]") -> None:
            for _ in range(_ATTEMPTS):  # of several at once, all may find no table, and then all but one fail
                with suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.DuplicateTableError):
                    await connection.execute(self.schema)
                    return

        await self._run(create, "The table could not be created")

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*, or None.

        Raises:
            StoreError: The database could not be reached.
            RecordError: The record can't be read; it is left unchanged.
        """
        found = await self._select(
            f"SELECT version, encode(record, 'hex') FROM {self._table} WHERE key = {_key_literal(key)}",  # noqa: S608  - hex digits
            "The record could not be read",
        )
        if not found:
            return None
        version, data = found.decode("ascii").split()
        return Versioned(self._codec.decode(key, bytes.fromhex(data)), int(version))

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another writer was first.

        Raises:
            StoreError: The database could not be reached, or did not answer; then the write may have succeeded.
        """
        name, data, version = _key_literal(key), _hex(self._codec.encode(key, record)), new_version()
        # If our new version is already there, an earlier attempt succeeded and only its answer was lost.
        if expected:
            statement = (
                f"UPDATE {self._table} SET version = {version}, record = {data}, changed_at = now() "  # noqa: S608  - hex digits
                f"WHERE key = {name} AND version IN ({int(expected)}, {version})"
            )
        else:
            statement = (
                f"INSERT INTO {self._table} AS stored (key, version, record) VALUES ({name}, {version}, {data}) "  # noqa: S608  - hex digits
                f"ON CONFLICT (key) DO UPDATE SET changed_at = now() WHERE stored.version = {version}"
            )

        async def swap(connection: "PoolConnectionProxy[Any]") -> str:
            return await connection.execute(statement)

        return version if (await self._run(swap, "The record could not be written")).endswith(" 1") else 0

    async def keys(self) -> list[str]:
        """Return all stored keys, sorted.

        Raises:
            StoreError: The database could not be reached.
        """
        found = await self._select(f"SELECT encode(key, 'hex') FROM {self._table}", "The keys could not be listed")  # noqa: S608  - a checked name
        return sorted(bytes.fromhex(line).decode("utf-8") for line in found.decode("ascii").split("\n")[:-1])

    async def aclose(self) -> None:
        """Close the connections that this store opened."""
        if self._pools is not None:
            await self._pools.aclose()

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        await self.aclose()

    async def _select(self, query: str, failed: str) -> bytes:
        """Return the rows as COPY text: asyncpg needs two messages for a SELECT, and one for COPY."""

        async def select(connection: "PoolConnectionProxy[Any]") -> bytes:
            rows: list[bytes] = []

            async def keep(row: bytes) -> None:
                rows.append(row)

            await connection.copy_from_query(query, output=keep)
            return b"".join(rows)

        return await self._run(select, failed)

    async def _run(self, work: "Callable[[PoolConnectionProxy[Any]], Awaitable[_T]]", failed: str) -> _T:
        """Do *work* on a connection, and again on others after transient failures, until the timeout."""
        try:
            async with asyncio.timeout(self._timeout):
                pool = self._users_pool if self._users_pool is not None else await self._own_pool()
                for attempt in range(1, _ATTEMPTS):
                    try:
                        return await _with_connection(pool, work)
                    except _FAILURES as error:
                        if not _is_transient(error):
                            raise
                    await asyncio.sleep(0.02 * 3**attempt * random.random())  # noqa: S311  - jitter, no secret
                return await _with_connection(pool, work)
        except TimeoutError:
            msg = f"{self._server} did not answer within {self._timeout:g} s. Check the server, or raise timeout."
            failure: BitbucketAuthError = StoreError(msg)
        except ValueError:
            failure = ConfigurationError("asyncpg can't parse this DSN. Use postgresql://user:password@host:port/db")
        except _FAILURES as error:
            failure = _store_error(error, failed, self._server)
        raise failure  # outside the handler, so that the caught error, which may quote the record, is not attached

    async def _own_pool(self) -> "asyncpg.Pool[Any]":
        return await asyncio.shield(cast("PerLoop[asyncio.Future[asyncpg.Pool[Any]]]", self._pools).get())


class _Connection(_BaseConnection):
    """A connection without session state, so that releasing it sends no reset message."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


async def _open_pool(dsn: str, timeout: float) -> "asyncpg.Pool[Any]":  # noqa: ASYNC109  - the timeout of later calls
    return await asyncpg.create_pool(
        dsn,
        min_size=0,  # opens no connection yet, so nothing can fail here
        max_size=_CONNECTIONS,
        max_inactive_connection_lifetime=_MAX_IDLE,
        timeout=timeout / 2,  # for connecting, so that there is time for a second attempt
        connection_class=_Connection,
        statement_cache_size=0,
    )


async def _close_pool(opening: "asyncio.Future[asyncpg.Pool[Any]]") -> None:
    pool = await opening
    try:
        async with asyncio.timeout(1.0):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _with_connection(
    pool: "asyncpg.Pool[Any]", work: "Callable[[PoolConnectionProxy[Any]], Awaitable[_T]]"
) -> _T:
    connection = await pool.acquire()
    try:
        return await work(connection)
    except BaseException as error:
        # A connection that was interrupted, is being closed by the server, or leads to a standby can't be used again.
        # An orderly close would wait for an answer that may never come.
        if not isinstance(error, asyncpg.PostgresError) or _is_transient(error):
            connection.terminate()
        raise
    finally:
        await pool.release(connection)


def _key_literal(key: str) -> str:
    check_key(key)
    return _hex(key.encode("utf-8"))


def _hex(data: bytes) -> str:
    """Return bytes as an SQL literal of hex digits, which nothing in them can end."""
    return f"decode('{data.hex()}', 'hex')"


def _is_transient(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_TRANSIENT)
    return not isinstance(error, ValueError)  # raised for an invalid DSN


def _store_error(error: Exception, failed: str, server: str) -> StoreError:
    if isinstance(error, OSError):
        failure = StoreError(f"{failed}: {unreachable(server, error)}")
    else:
        state = (error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""
        reason = f"{type(error).__name__}{f' ({state})' if state else ''}"
        failure = StoreError(f"{failed}: {server} said {reason}. {_ADVICE.get(state, '')}".rstrip())
    failure.retryable = _is_transient(error)
    return failure
