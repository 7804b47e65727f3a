"""PostgresStore: records in a table of PostgreSQL, shared by all hosts, behind any pooler."""

import asyncio
import random
import re
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from bitbucket_auth_async.codecs.json import JsonCodec, codec_of
from bitbucket_auth_async.errors import BitbucketAuthError, ConfigurationError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.per_loop import PerLoop
from bitbucket_auth_async.stores._json_document import check_key
from bitbucket_auth_async.stores._server_address import named, unreached

with extra("postgres"):
    import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncpg.pool import PoolConnectionProxy

    _Plain = asyncpg.Connection[Any]
else:
    _Plain = asyncpg.Connection  # only its stubs know that it is generic

_T = TypeVar("_T")
_JSON = JsonCodec()
_CONNECTIONS = 8
_IDLE = 60.0
_TRIES = 3
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
# What may go away by itself, by SQLSTATE: connection, too many, shut down, serialization and deadlock; and a standby.
_PASSING = ("08", "53", "57", "40", "25006")
# The third comes of a connection that the server closed while it was idle.
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_ADVICE = {
    "42P01": "There is no such table. Call create_schema() once, or run PostgresStore.schema.",
    "42501": "This role may not. Grant it SELECT, INSERT and UPDATE on the table.",
    "28P01": "The password is wrong.",
    "28000": "The server does not let this role in.",
    "3D000": "There is no such database.",
}


class PostgresStore:
    """Keeps each record in a row of one table, whose layout is `schema`.

    A swap is one statement, and each statement is one message of the simple query protocol, with one answer: nothing
    is prepared, no transaction stays open, and no connection is held in between, so a pooler may hand each to another
    server process. It is as durable as the server: with `synchronous_commit` on, what was confirmed stays; a standby
    that copies asynchronously and is promoted may not have the last swaps.

    Use it as an asynchronous context manager, or call `aclose` at the end; a pool that was given stays open.

    Args:
        pool: A DSN (`postgresql://…`), or a pool of asyncpg.
        table: The table's name, `schema.table` if it is not on the search path; lower-case letters, digits and `_`.
        codec: What makes bytes of a record; one that encrypts keeps secrets from whoever can read the database.
        timeout: Seconds that one call may take, with further tries on other connections.

    Raises:
        ConfigurationError: The table can't have that name, or the DSN or *codec* is none.
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
        if not _NAME.fullmatch(table):
            msg = (
                f"{table!r} can't name the table: it takes lower-case letters, digits and _, with or without a schema."
            )
            raise ConfigurationError(msg)
        self._pools: PerLoop[asyncio.Future[asyncpg.Pool[Any]]] | None = None
        self._given: asyncpg.Pool[Any] | None = None
        self._server = "PostgreSQL"
        if isinstance(pool, str):
            dsn = pool
            if not dsn.startswith(("postgresql://", "postgres://")):
                msg = "PostgresStore takes a DSN that begins with postgresql://, or a pool of asyncpg."
                raise ConfigurationError(msg)
            self._server = named("PostgreSQL", dsn)
            self._pools = PerLoop("PostgresStore", lambda: asyncio.ensure_future(_opened(dsn, timeout)), _closed)
        else:
            self._given = pool
        self._name = table
        self._table = ".".join(f'"{part}"' for part in table.split("."))
        self._codec = codec_of(codec)
        self._timeout = timeout

    def __repr__(self) -> str:
        """Show the table; the DSN may hold a password."""
        return f"PostgresStore(table={self._name!r})"

    @property
    def schema(self) -> str:
        """The SQL that makes the table, for whoever keeps migrations."""
        return (
            f"CREATE TABLE IF NOT EXISTS {self._table} (\n"
            "    key bytea PRIMARY KEY,  -- the name in UTF-8: convert_from(key, 'UTF8')\n"
            "    version bigint NOT NULL CHECK (version > 0),\n"
            "    record bytea NOT NULL,\n"
            "    changed_at timestamptz NOT NULL DEFAULT now()\n"
            ")"
        )

    async def create_schema(self) -> None:
        """Make the table if it is not there; many may do so at once.

        Raises:
            StoreError: The database could not be asked, or the role may not.
        """

        async def create(connection: "PoolConnectionProxy[Any]") -> None:
            for _ in range(_TRIES):  # those who make it at once may all find nothing, and then all but one trip
                with suppress(asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.DuplicateTableError):
                    await connection.execute(self.schema)
                    return

        await self._run(create, "made")

    async def load(self, key: str, /) -> Versioned | None:
        """Return what is stored under *key*; None means that nothing is.

        Raises:
            StoreError: The database could not be asked.
            RecordError: What is there can't be read; it is left as it is.
        """
        found = await self._select(
            f"SELECT version, encode(record, 'hex') FROM {self._table} WHERE key = {_name(key)}",  # noqa: S608  - hex digits
            "read",
        )
        if not found:
            return None
        version, data = found.decode("ascii").split()
        return Versioned(self._codec.decode(key, bytes.fromhex(data)), int(version))

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first.

        Raises:
            StoreError: The database could not be asked, or did not answer: then it may have been written.
        """
        name, data, version = _name(key), _hex(self._codec.encode(key, record)), new_version()
        # A version of our own in its place means that we were here before, and that only the answer was lost.
        if expected:
            statement = (
                f"UPDATE {self._table} SET version = {version}, record = {data}, changed_at = now() "  # noqa: S608  - hex digits
                f"WHERE key = {name} AND version IN ({int(expected)}, {version})"
            )
        else:
            statement = (
                f"INSERT INTO {self._table} AS there (key, version, record) VALUES ({name}, {version}, {data}) "  # noqa: S608  - hex digits
                f"ON CONFLICT (key) DO UPDATE SET changed_at = now() WHERE there.version = {version}"
            )

        async def swap(connection: "PoolConnectionProxy[Any]") -> str:
            return await connection.execute(statement)

        return version if (await self._run(swap, "written")).endswith(" 1") else 0

    async def keys(self) -> list[str]:
        """Return the names of all that is stored.

        Raises:
            StoreError: The database could not be asked.
        """
        found = await self._select(f"SELECT encode(key, 'hex') FROM {self._table}", "listed")  # noqa: S608  - a name that was checked
        return sorted(bytes.fromhex(line).decode("utf-8") for line in found.decode("ascii").split("\n")[:-1])

    async def aclose(self) -> None:
        """Close what this store opened itself."""
        if self._pools is not None:
            await self._pools.aclose()

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    async def _select(self, query: str, doing: str) -> bytes:
        """Return the rows as COPY writes them: asyncpg fetches rows by two messages, and COPY takes one."""

        async def select(connection: "PoolConnectionProxy[Any]") -> bytes:
            rows: list[bytes] = []

            async def keep(row: bytes) -> None:
                rows.append(row)

            await connection.copy_from_query(query, output=keep)
            return b"".join(rows)

        return await self._run(select, doing)

    async def _run(self, work: "Callable[[PoolConnectionProxy[Any]], Awaitable[_T]]", doing: str) -> _T:
        """Do *work* on a connection, and again on another where the first one failed, as long as there is time."""
        try:
            async with asyncio.timeout(self._timeout):
                pool = self._given if self._given is not None else await self._own_pool()
                for attempt in range(1, _TRIES):
                    try:
                        return await _on_a_connection(pool, work)
                    except _FAILURES as error:
                        if not _passing(error):
                            raise
                    await asyncio.sleep(0.02 * 3**attempt * random.random())  # noqa: S311  - jitter, no secret
                return await _on_a_connection(pool, work)
        except TimeoutError:
            problem: BitbucketAuthError = StoreError(f"{self._server} did not answer within {self._timeout:g} s.")
        except ValueError:
            problem = ConfigurationError("The DSN is none that asyncpg takes: postgresql://user:password@host:port/db")
        except _FAILURES as error:
            problem = _problem(error, doing, self._server)
        raise problem  # out here, or what was caught would stay attached, and it may quote the record

    async def _own_pool(self) -> "asyncpg.Pool[Any]":
        return await asyncio.shield(cast("PerLoop[asyncio.Future[asyncpg.Pool[Any]]]", self._pools).get())


class _Connection(_Plain):
    """A connection that leaves nothing behind, so that giving it back takes no message."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


async def _opened(dsn: str, timeout: float) -> "asyncpg.Pool[Any]":  # noqa: ASYNC109  - that of later calls
    return await asyncpg.create_pool(
        dsn,
        min_size=0,  # nothing is opened yet, so nothing can fail
        max_size=_CONNECTIONS,
        max_inactive_connection_lifetime=_IDLE,
        timeout=timeout / 2,  # to connect, so that there is time for a second try
        connection_class=_Connection,
        statement_cache_size=0,
    )


async def _closed(opening: "asyncio.Future[asyncpg.Pool[Any]]") -> None:
    pool = await opening
    try:
        async with asyncio.timeout(1.0):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _on_a_connection(
    pool: "asyncpg.Pool[Any]", work: "Callable[[PoolConnectionProxy[Any]], Awaitable[_T]]"
) -> _T:
    connection = await pool.acquire()
    try:
        return await work(connection)
    except BaseException as error:
        # One that is left in the middle, or that the server is closing, or that leads to a standby, is of no more use,
        # and to part from it in a friendly way would take an answer that may never come.
        if not isinstance(error, asyncpg.PostgresError) or _passing(error):
            connection.terminate()
        raise
    finally:
        await pool.release(connection)


def _name(key: str) -> str:
    check_key(key)
    return _hex(key.encode("utf-8"))


def _hex(data: bytes) -> str:
    """Write bytes into a statement: hex digits alone, so nothing in them can end the literal."""
    return f"decode('{data.hex()}', 'hex')"


def _passing(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_PASSING)
    return not isinstance(error, ValueError)  # which a DSN gives that is none


def _problem(error: Exception, doing: str, server: str) -> StoreError:
    if isinstance(error, OSError):
        told = StoreError(f"The record could not be {doing}: {unreached(server, error)}")
    else:
        state = (error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""
        said = f"{type(error).__name__}{f' ({state})' if state else ''}"
        told = StoreError(f"The record could not be {doing}: {server} said {said}. {_ADVICE.get(state, '')}".rstrip())
    told.retryable = _passing(error)
    return told
