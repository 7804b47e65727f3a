"""SQLiteStore: records in one SQLite database, shared by all processes of a machine."""

import asyncio
import os
import random
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bitbucket_auth_async.codecs.json import JsonCodec, checked_codec
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.threads import Threads
from bitbucket_auth_async.stores._key_checks import check_key

with extra("sqlite"):
    import aiosqlite

_JSON = JsonCodec()
_TABLE = "bitbucket_auth_async_records"
_CREATE = (
    f"CREATE TABLE IF NOT EXISTS {_TABLE} "
    "(key TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, record BLOB NOT NULL)"
)
_LOAD = f"SELECT version, record FROM {_TABLE} WHERE key = ?"  # noqa: S608  - a constant
_KEYS = f"SELECT key FROM {_TABLE} ORDER BY key"  # noqa: S608  - a constant
_UPDATE = f"UPDATE {_TABLE} SET version = ?, record = ? WHERE key = ? AND version = ?"  # noqa: S608  - a constant
_INSERT = f"INSERT INTO {_TABLE} (version, record, key) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"  # noqa: S608  - a constant
_THREADS = 4

# What to do, and whether a later call may succeed without that.
_ADVICE = {
    sqlite3.SQLITE_FULL: ("The disk is full. Free some space.", True),
    sqlite3.SQLITE_READONLY: ("Let the user that runs this program own the file and its directory.", False),
    sqlite3.SQLITE_CANTOPEN: ("Let the user that runs this program own the file and its directory.", False),
    sqlite3.SQLITE_PERM: ("Let the user that runs this program own the file and its directory.", False),
    sqlite3.SQLITE_IOERR: ("The disk fails, or the file was removed. Check the disk and the path.", True),
    sqlite3.SQLITE_BUSY: ("Another process has locked it. Look for one that hangs in a transaction.", True),
    sqlite3.SQLITE_LOCKED: ("Another process has locked it. Look for one that hangs in a transaction.", True),
}
_NOT_A_DATABASE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SQLiteStore:
    """Keeps each record in a row of one database, for thousands of identities and any number of processes.

    A swap is one statement, and it is on the disk when it returns (WAL, `synchronous=FULL`). Each call opens and closes
    the database, so there is nothing to close at the end and nothing that a fork could share. A new file has mode 0600,
    and so have SQLite's files next to it. It must be on a local disk, because WAL needs memory that all processes
    share. Restore a backup only while no process uses the database.

    Args:
        path: The database file; `~` is the home directory. It may hold other programs' tables too.
        codec: Turns records into bytes; an encrypting one hides the tokens from anyone who can read the file.
        timeout: Seconds that one call may take, including the wait for other writers.

    Raises:
        ConfigurationError: No file can have that name, or *codec* is not a codec.
    """

    def __init__(self, path: str | os.PathLike[str], *, codec: Codec = _JSON, timeout: float = 5.0) -> None:
        """Open nothing yet."""
        text = os.fspath(path)
        if not text or "\0" in text or text == ":memory:":
            msg = f"path {text!r} can't name a file. Give another one, or use MemoryStore."
            raise ConfigurationError(msg)
        # Made absolute now: the program may change its working directory.
        self._path = os.path.abspath(Path(text).expanduser())  # noqa: PTH100  - Path.absolute() leaves '..' in
        self._codec = checked_codec(codec)
        self._timeout = timeout
        self._created = False
        self._threads = Threads(_THREADS)

    def __repr__(self) -> str:
        """Show the path."""
        return f"SQLiteStore({self._path!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return the record under *key*, or None.

        Raises:
            StoreError: The database could not be read.
            RecordError: The file is not a database, or the record is damaged; it is left unchanged.
        """
        check_key(key)
        _, rows = await self._run(_LOAD, (key,), "read")
        if not rows:
            return None
        [(version, data)] = rows
        if not isinstance(version, int) or version <= 0 or not isinstance(data, bytes):
            msg = f"{self._path}: the row of {key!r} is damaged; it is left unchanged. Restore a backup, or delete it."
            raise RecordError(msg)
        return Versioned(self._codec.decode(key, data), version)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Replace version *expected* by *record*; return the new version, or 0 if another writer was first.

        Once started, it runs to its end even if the caller is cancelled.

        Raises:
            StoreError: The database could not be written; after a timeout, the write may still succeed.
            RecordError: The file is not a database; it is left unchanged.
        """
        check_key(key)
        data, version = self._codec.encode(key, record), new_version()
        if expected:
            changed, _ = await self._run(_UPDATE, (version, data, key, expected), "written")
        else:
            changed, _ = await self._run(_INSERT, (version, data, key), "written")
        return version if changed else 0

    async def keys(self) -> list[str]:
        """Return all stored keys, sorted.

        Raises:
            StoreError: The database could not be read.
        """
        _, rows = await self._run(_KEYS, (), "listed")
        return [key for (key,) in rows]

    async def aclose(self) -> None:
        """Do nothing: nothing stays open."""

    async def __aenter__(self) -> Self:
        """Return the store."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do nothing: nothing stays open."""

    async def _run(self, statement: str, values: tuple[object, ...], doing: str) -> tuple[int, list[Any]]:
        """Return the number of changed rows, and the selected rows."""
        try:
            async with asyncio.timeout(self._timeout):
                # Runs to its end: an abandoned call would leave its thread and lock to the garbage collector.
                return await self._threads.finish(lambda: self._with_retries(statement, values))
        except TimeoutError:
            msg = (
                f"{self._path} was not {doing} within {self._timeout:g} s: it is locked, or the disk hangs. "
                "Look for a process that hangs in a transaction, or choose a local disk."
            )
            failure: Exception = StoreError(msg)
        except OSError as error:
            raise private_file.store_error(self._path, doing, error) from error
        except sqlite3.Error as error:
            failure = self._store_error(error, doing)
        raise failure  # outside the handler, so that the caught error does not stay attached

    async def _with_retries(self, statement: str, values: tuple[object, ...]) -> tuple[int, list[Any]]:
        end = asyncio.get_running_loop().time() + self._timeout
        while True:
            try:
                return await self._execute(statement, values)
            except sqlite3.OperationalError as error:
                if self._created and _was_removed(error):
                    self._created = False
                    continue
                # SQLite waits for locks itself, except while another process opens or closes the write-ahead log.
                if _code(error) not in _BUSY or asyncio.get_running_loop().time() >= end:
                    raise
            await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311  - jitter, no secret

    async def _execute(self, statement: str, values: Iterable[object]) -> tuple[int, list[Any]]:
        if not self._created:
            self._create_file()
        # mode=rw: SQLite must not create the file itself, because others could then read it.
        uri = f"{Path(self._path).as_uri()}?mode=rw"
        async with aiosqlite.connect(uri, uri=True, timeout=self._timeout, isolation_level=None) as database:
            if not self._created:
                await database.execute("PRAGMA journal_mode=WAL")
                await database.execute(_CREATE)
                self._created = True
            await database.execute("PRAGMA synchronous=FULL")
            async with database.execute(statement, values) as cursor:
                rows = list(await cursor.fetchall())
                return cursor.rowcount, rows

    def _create_file(self) -> None:
        """Create the file, private from its first byte; SQLite gives its files next to it the same mode."""
        path = Path(os.path.realpath(self._path))
        private_file.make_private(path.parent)
        with suppress(FileExistsError):
            os.close(private_file.create(path))

    def _store_error(self, error: sqlite3.Error, doing: str) -> StoreError:
        code = _code(error)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if code in _NOT_A_DATABASE:
            return RecordError(
                f"{self._path} is not a SQLite database, or is damaged ({name}); it is left unchanged. "
                "Restore a backup, or choose another path."
            )
        advice, retryable = _ADVICE.get(code, (f"SQLite said {type(error).__name__}.", True))
        failure = StoreError(f"{self._path} could not be {doing} ({name}). {advice}")
        failure.retryable = retryable
        return failure


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits hold the extended code


def _was_removed(error: sqlite3.Error) -> bool:
    """Tell whether the file, or the table in it, was removed."""
    return _code(error) == sqlite3.SQLITE_CANTOPEN or "no such table" in str(error)
