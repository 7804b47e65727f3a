"""The medium of each kind of store: what a thief would read on it, and how an attacker could swap two records."""

import base64
import binascii
import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import redis as blocking

from bitbucket_auth_async.protocols import Codec
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.keyring import KeyringStore
from bitbucket_auth_async.stores.open_store import OpenStore
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.stores.sqlite import SQLiteStore
from tests.support.keyrings import MemoryKeyring
from tests.support.store_servers import PostgresServer, RedisServer

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{40,}={0,2}")
_HEX = re.compile(rb"(?:[0-9a-f]{2}){40,}")


class Medium(Protocol):
    """A medium with an empty store."""

    def store(self, codec: Codec) -> OpenStore:
        """Return the store with this codec."""
        ...

    async def dump(self) -> bytes:
        """Return all bytes on the medium, and those of a backup."""
        ...

    async def swap_records(self, one: str, other: str) -> None:
        """Swap two records without the store."""
        ...


def decoded_views(dump: bytes) -> Iterator[bytes]:
    """Yield a dump, and whatever in it is base64 or hexadecimal, decoded."""
    yield dump
    for found in _HEX.findall(dump):
        yield bytes.fromhex(found.decode())
    for found in _BASE64.findall(dump):
        try:
            yield base64.b64decode(found, altchars=b"-_" if re.search(rb"[-_]", found) else b"+/")
        except binascii.Error:
            continue  # it only looked like base64


class FileMedium:
    """A JSON file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tokens.json"

    def store(self, codec: Codec) -> OpenStore:
        return FileStore(self._path, codec=codec)

    async def dump(self) -> bytes:
        return _all_in(self._path.parent)

    async def swap_records(self, one: str, other: str) -> None:
        text = self._path.read_text(encoding="utf-8")
        for old, new in ((one, "?"), (other, one), ("?", other)):
            text = text.replace(f'"{old}"', f'"{new}"')
        self._path.write_text(text, encoding="utf-8")


class SQLiteMedium:
    """A database in a file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tokens.db"

    def store(self, codec: Codec) -> OpenStore:
        return SQLiteStore(self._path, codec=codec)

    async def dump(self) -> bytes:
        with closing(sqlite3.connect(self._path)) as database:
            return _all_in(self._path.parent) + "\n".join(database.iterdump()).encode().lower()

    async def swap_records(self, one: str, other: str) -> None:
        with closing(sqlite3.connect(self._path)) as database, database:
            for old, new in ((one, "?"), (other, one), ("?", other)):
                database.execute("UPDATE bitbucket_auth_async_records SET key = ? WHERE key = ?", (new, old))


class KeyringMedium:
    """A keyring whose entries are as small as those of Windows."""

    def __init__(self, folder: Path) -> None:
        self._ring = MemoryKeyring()

    def store(self, codec: Codec) -> OpenStore:
        return KeyringStore(backend=self._ring, part=1_200, codec=codec)

    async def dump(self) -> bytes:
        # The length of each part is a multiple of four characters, so each can be decoded alone.
        return "\n".join(text for _, text in sorted(self._ring.entries.items())).encode()

    async def swap_records(self, one: str, other: str) -> None:
        digests = [hashlib.sha256(name.encode()).hexdigest()[:32] for name in (one, other)]
        there = {digests[0]: digests[1], digests[1]: digests[0]}
        moved: dict[tuple[str, str], str] = {}
        for (service, user), text in self._ring.entries.items():
            program, digest, what = service.split("/")
            moved[f"{program}/{there[digest]}/{what}", user] = text
        self._ring.entries = moved


class RedisMedium:
    """A Redis that writes both of its files."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._admin: Any = blocking.Redis(port=server.port)
        self._admin.flushall()
        self._admin.bgrewriteaof()

    def store(self, codec: Codec) -> OpenStore:
        return RedisStore(self._server.url, codec=codec)

    async def dump(self) -> bytes:
        self._admin.config_set("rdbcompression", "no")
        self._admin.save()
        return _all_in(self._server.folder)

    async def swap_records(self, one: str, other: str) -> None:
        for old, new in ((one, "?"), (other, one), ("?", other)):
            self._admin.rename(f"bitbucket_auth_async:{old}", f"bitbucket_auth_async:{new}")


class PostgresMedium:
    """A PostgreSQL: its files, its write-ahead log and the output of pg_dump."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    async def clear(self) -> None:
        """Create the table again."""
        await self._execute("DROP TABLE IF EXISTS bitbucket_auth_async_records")
        async with PostgresStore(self._server.url) as store:
            await store.create_schema()

    def store(self, codec: Codec) -> OpenStore:
        return PostgresStore(self._server.url, codec=codec)

    async def dump(self) -> bytes:
        await self._execute("CHECKPOINT")
        return self._server.dump() + _all_in(self._server.folder / "data")

    async def swap_records(self, one: str, other: str) -> None:
        for old, new in ((one, "?"), (other, one), ("?", other)):
            await self._execute(f"UPDATE bitbucket_auth_async_records SET key = '{new}' WHERE key = '{old}'")  # noqa: S608 - names of our own

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _all_in(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
