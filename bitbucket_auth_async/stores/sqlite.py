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

from bitbucket_auth_async.codecs.json import JsonCodec, codec_of
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Codec, Versioned
from bitbucket_auth_async.renewal.record import Record, new_version
from bitbucket_auth_async.runtime import private_file
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.runtime.threads import Threads
from bitbucket_auth_async.stores._json_document import check_key

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
_AT_ONCE = 4

# What to do, and whether it may heal without anybody's help.
_ADVICE = {
    sqlite3.SQLITE_FULL: ("The disk is full. Free some space.", True),
    sqlite3.SQLITE_READONLY: ("Let the user that runs this program own the file and its directory.", False),
    sqlite3.SQLITE_CANTOPEN: ("Let the user that runs this program own the file and its directory.", False),
    sqlite3.SQLITE_PERM: ("Let the user that runs this program own the file and its directory.", False),
    sqlite3.SQLITE_IOERR: ("The disk fails, or the file was taken away.", True),
    sqlite3.SQLITE_BUSY: ("Another process has it locked. Look for one that hangs in a transaction.", True),
    sqlite3.SQLITE_LOCKED: ("Another process has it locked. Look for one that hangs in a transaction.", True),
}
_FOREIGN = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class SQLiteStore:
    """Keeps each record in a row of one database, for thousands of identities and any number of processes.

    A swap is one statement that is on the disk when it is confirmed (WAL, `synchronous=FULL`). Each call opens the
    database and closes it again, so there is nothing to close at the end and nothing that a fork could share. A new
    file has mode 0600, and what SQLite keeps beside it has the same. It must be on a local disk: WAL needs memory that
    all processes share. Put a backup in its place only while nobody uses it.

    Args:
        path: The database; `~` is the home directory. It may hold tables of others too.
        codec: What makes bytes of a record; one that encrypts keeps secrets from whoever can read the file.
        timeout: Seconds that one call may take, the wait for other writers included.

    Raises:
        ConfigurationError: No file can have that name, or *codec* is none.
    """

    def __init__(self, path: str | os.PathLike[str], *, codec: Codec = _JSON, timeout: float = 5.0) -> None:
        """Open nothing yet."""
        text = os.fspath(path)
        if not text or "\0" in text or text == ":memory:":
            msg = f"path {text!r} can't name a file; for memory there is MemoryStore."
            raise ConfigurationError(msg)
        # Made whole now: a program may change its directory.
        self._path = os.path.abspath(Path(text).expanduser())  # noqa: PTH100  - Path.absolute() leaves '..' in
        self._codec = codec_of(codec)
        self._timeout = timeout
        self._made = False
        self._threads = Threads(_AT_ONCE)

    def __repr__(self) -> str:
        """Show the path."""
        return f"SQLiteStore({self._path!r})"

    async def load(self, key: str, /) -> Versioned | None:
        """Return what is stored under *key*; None means that nothing is.

        Raises:
            StoreError: The database could not be read.
            RecordError: It is none, or the record is damaged; it is left as it is.
        """
        check_key(key)
        _, rows = await self._run(_LOAD, (key,), "read")
        if not rows:
            return None
        [(version, data)] = rows
        if not isinstance(version, int) or version <= 0 or not isinstance(data, bytes):
            msg = f"The row of {key!r} is damaged; it is left as it is."
            raise RecordError(msg)
        return Versioned(self._codec.decode(key, data), version)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Put *record* in the place of version *expected*; return its new version, or 0 if someone was first.

        Once begun, it ends even if the caller is cancelled.

        Raises:
            StoreError: It could not be written; after the time ran out, it may still be.
            RecordError: It is no database; it is left as it is.
        """
        check_key(key)
        data, version = self._codec.encode(key, record), new_version()
        if expected:
            changed, _ = await self._run(_UPDATE, (version, data, key, expected), "written")
        else:
            changed, _ = await self._run(_INSERT, (version, data, key), "written")
        return version if changed else 0

    async def keys(self) -> list[str]:
        """Return the names of all that is stored.

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
        """Return how many rows were changed, and those that were found."""
        try:
            async with asyncio.timeout(self._timeout):
                # To its end: one that is left halfway would leave its thread and its lock to the garbage collector.
                return await self._threads.finish(lambda: self._once(statement, values))
        except TimeoutError:
            msg = f"{self._path} was not {doing} within {self._timeout:g} s: it is locked, or the disk hangs."
            problem: Exception = StoreError(msg)
        except OSError as error:
            raise private_file.store_error(self._path, doing, error) from error
        except sqlite3.Error as error:
            problem = self._problem(error, doing)
        raise problem  # out here, or what was caught would stay attached

    async def _once(self, statement: str, values: tuple[object, ...]) -> tuple[int, list[Any]]:
        end = asyncio.get_running_loop().time() + self._timeout
        while True:
            try:
                return await self._on_a_connection(statement, values)
            except sqlite3.OperationalError as error:
                if self._made and _is_gone(error):
                    self._made = False
                    continue
                # SQLite waits for locks, but not while another process opens or closes the write-ahead log.
                if _code(error) not in _BUSY or asyncio.get_running_loop().time() >= end:
                    raise
            await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311  - jitter, no secret

    async def _on_a_connection(self, statement: str, values: Iterable[object]) -> tuple[int, list[Any]]:
        if not self._made:
            self._make()
        # SQLite itself must make no file: it would be readable by others.
        uri = f"{Path(self._path).as_uri()}?mode=rw"
        async with aiosqlite.connect(uri, uri=True, timeout=self._timeout, isolation_level=None) as database:
            if not self._made:
                await database.execute("PRAGMA journal_mode=WAL")
                await database.execute(_CREATE)
                self._made = True
            await database.execute("PRAGMA synchronous=FULL")
            async with database.execute(statement, values) as cursor:
                rows = list(await cursor.fetchall())
                return cursor.rowcount, rows

    def _make(self) -> None:
        """Make the file, private from its first byte; what SQLite keeps beside it takes its mode over."""
        path = Path(os.path.realpath(self._path))
        private_file.make_private(path.parent)
        with suppress(FileExistsError):
            os.close(private_file.create(path))

    def _problem(self, error: sqlite3.Error, doing: str) -> StoreError:
        code = _code(error)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if code in _FOREIGN:
            return RecordError(f"{self._path} is no good SQLite database ({name}); it is left as it is.")
        advice, heals = _ADVICE.get(code, (f"SQLite said {type(error).__name__}.", True))
        told = StoreError(f"{self._path} could not be {doing} ({name}). {advice}")
        told.retryable = heals
        return told


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the bits say it in more detail


def _is_gone(error: sqlite3.Error) -> bool:
    """Tell whether the file, or the table in it, was taken away."""
    return _code(error) == sqlite3.SQLITE_CANTOPEN or "no such table" in str(error)
