"""What does each store add to a renewal, against the same renewal with the token in memory alone?"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import side_by_side, tell
from benchmarks.world import LIFETIME, SERVER, CountingServer
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
    """Open a store of this kind, on a real server where it has one."""
    if kind == "file":
        yield FileStore(folder / "tokens.json")
    elif kind == "file, encrypted":
        yield FileStore(folder / "tokens.json", codec=EncryptedCodec([EncryptionKey.new()]))
    elif kind == "sqlite":
        yield SQLiteStore(folder / "tokens.db")
    elif kind == "keyring":  # what is ours of it: the backend is a dict
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


async def renewing(store: TokenStore) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what renews one sign-in some times over; connections are open by then."""
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
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # where the keyring's lock lies
    with asyncio.Runner() as runner:
        opening = opened(kind, tmp_path / "data")
        store = runner.run(opening.__aenter__())
        in_memory, in_store = runner.run(renewing(MemoryStore())), runner.run(renewing(store))
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(in_memory()),
            candidate=lambda: runner.run(in_store()),
            rounds=ROUNDS,
        )
        runner.run(opening.__aexit__(None, None, None))
    tell(
        benchmark,
        f"a renewal with its token in {kind}, against one in memory",
        ratio=f"{result.ratio:.1f}",
        in_memory_ms=f"{result.baseline.times(1e3 / RENEWALS):.2f}",
        added_ms=f"{result.added.times(1e3 / RENEWALS):.2f}",
    )
