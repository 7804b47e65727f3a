"""A crew for each test: on a file, or as a fleet on each of the stores that are shared."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import keyring
import pytest
from redis.asyncio import Redis

from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.testing.server import serve
from tests.support.keyrings import FolderRing
from tests.support.store_servers import DURABLE, PostgresServer, RedisServer, postgres_server, redis_server
from tests.support.worker_processes import Crew


@pytest.fixture(params=[False])
async def crew(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Crew]:
    crew = Crew((tmp_path / "tokens.json").as_uri(), strict=request.param)
    async with serve(crew.fake) as site:
        crew.site = site
        yield crew
        await crew.stop()


@pytest.fixture(scope="session")
def valkey() -> Iterator[RedisServer]:
    with redis_server("valkey", *DURABLE) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a keyring that processes share, in this process too, whatever keyring it had before."""
    (tmp_path / "ring").mkdir()
    monkeypatch.setenv("RING_FOLDER", str(tmp_path / "ring"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.support.keyrings.FolderRing")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    before = keyring.get_keyring()
    keyring.set_keyring(FolderRing())
    yield
    keyring.set_keyring(before)


@pytest.fixture(params=["valkey", "postgres", "sqlite", "keyring"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of an empty store that processes share, of each kind, and what they need in order to use it."""
    if request.param == "sqlite":
        return (tmp_path / "tokens.db").as_uri().replace("file:", "sqlite:")
    if request.param == "keyring":
        request.getfixturevalue("ring")
        return "keyring://tests"
    server: RedisServer | PostgresServer = request.getfixturevalue(request.param)
    return server.url


async def emptied(url: str) -> None:
    """Let a server's store be as new."""
    if url.startswith("redis"):
        client: Any = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType] - redis-py leaves half of its types unknown
        await client.flushall()
        await client.aclose()
    elif url.startswith("postgresql"):
        connection = await asyncpg.connect(url)
        await connection.execute("DROP TABLE IF EXISTS bitbucket_auth_async_records")
        await connection.close()
        async with PostgresStore(url) as store:
            await store.create_schema()


@pytest.fixture
async def fleet(request: pytest.FixtureRequest, shared: str) -> AsyncGenerator[Crew]:
    """Give a crew on a store that processes share; with the parameter True, at a strict server."""
    await emptied(shared)
    crew = Crew(shared, strict=getattr(request, "param", False))
    async with serve(crew.fake) as site:
        crew.site = site
        yield crew
        await crew.stop()
