"""What does each store add to a renewal, compared to the same renewal with a store in memory?"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_server import LIFETIME, SERVER, CountingServer
from benchmarks.measuring import report, side_by_side
from bitbucket_auth_async import Client, RefreshToken, TokenManager
from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.protocols import TokenStore
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.keyring import KeyringStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.stores.redis import RedisStore
from bitbucket_auth_async.stores.sqlite import SQLiteStore
from tests.support.clocks import ShiftedClock
from tests.support.keyrings import MemoryKeyring
from tests.support.store_servers import DURABLE, postgres_server, redis_server

RENEWALS = 20
ROUNDS = 10


@asynccontextmanager
async def opened(kind: str, folder: Path) -> AsyncGenerator[TokenStore]:
    """Open a store of this kind, on a real server if it needs one."""
    if kind == "file":
        yield FileStore(folder / "tokens.json")
    elif kind == "file, encrypted":
        yield FileStore(folder / "tokens.json", codec=EncryptedCodec([EncryptionKey.new()]))
    elif kind == "sqlite":
        yield SQLiteStore(folder / "tokens.db")
    elif kind == "keyring":  # our part of it alone: the backend is a dict
        yield KeyringStore(backend=MemoryKeyring(), part=1_200)
    elif kind == "postgres":
        with postgres_server(fsync=True) as database:
            async with PostgresStore(database.url) as store:
                await store.create_schema()
                yield store
    else:
        options = DURABLE if kind == "valkey, each write on the disk" else ("--appendonly", "yes")
        with redis_server("valkey", *options) as server:
            async with RedisStore(server.url) as store:
                yield store


async def renewer(store: TokenStore) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return a function that renews one sign-in several times, on open connections."""
    clock, server = ShiftedClock(), CountingServer()
    manager = TokenManager(Client("id", "secret"), server=SERVER, transport=server, clock=clock, store=store, key="a")
    await manager.exchange(RefreshToken("first"))

    async def renew() -> None:
        asked = server.requests
        for _ in range(RENEWALS):
            clock.advance(LIFETIME)
            await manager.get_token()
        assert server.requests - asked == RENEWALS

    return renew


@pytest.mark.parametrize(
    "kind",
    ["file", "file, encrypted", "keyring", "postgres", "sqlite", "valkey", "valkey, each write on the disk"],
)
def test_a_renewal(benchmark: BenchmarkFixture, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # the folder of the keyring's lock
    with asyncio.Runner() as runner:
        opening = opened(kind, tmp_path / "data")
        store = runner.run(opening.__aenter__())
        in_memory, in_store = runner.run(renewer(MemoryStore())), runner.run(renewer(store))
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(in_memory()),
            candidate=lambda: runner.run(in_store()),
            rounds=ROUNDS,
        )
        runner.run(opening.__aexit__(None, None, None))
    report(
        benchmark,
        f"a renewal with its token in {kind}, against one in memory",
        ratio=f"{result.ratio:.1f}",
        in_memory_ms=f"{result.baseline.times(1e3 / RENEWALS):.2f}",
        added_ms=f"{result.added.times(1e3 / RENEWALS):.2f}",
    )
