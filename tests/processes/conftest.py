"""A fleet of processes on each of the stores that processes share."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keyring
import pytest

from bitbucket_auth_async.stores.postgres import PostgresStore
from bitbucket_auth_async.testing.server import serve
from tests.support.keyrings import FolderKeyring
from tests.support.worker_processes import Fleet

if TYPE_CHECKING:
    from tests.support.store_servers import PostgresServer, RedisServer


@pytest.fixture
def folder_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give this process and its children a keyring that they share."""
    (tmp_path / "ring").mkdir()
    monkeypatch.setenv("KEYRING_FOLDER", str(tmp_path / "ring"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.support.keyrings.FolderKeyring")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    before = keyring.get_keyring()
    keyring.set_keyring(FolderKeyring())
    yield
    keyring.set_keyring(before)


@pytest.fixture(params=["valkey", "postgres", "sqlite", "keyring"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store of each kind that processes share."""
    if request.param == "sqlite":
        return (tmp_path / "tokens.db").as_uri().replace("file:", "sqlite:")
    if request.param == "keyring":
        request.getfixturevalue("folder_keyring")
        return "keyring://tests"
    server: RedisServer | PostgresServer = request.getfixturevalue(request.param)
    return server.url


@pytest.fixture
async def fleet(request: pytest.FixtureRequest, store_url: str) -> AsyncGenerator[Fleet]:
    """Give a fleet; with the parameter True its server is strict."""
    if store_url.startswith("postgresql"):
        async with PostgresStore(store_url) as store:
            await store.create_schema()
    fleet = Fleet(store_url, strict=getattr(request, "param", False))
    async with serve(fleet.fake) as site:
        fleet.site = site
        yield fleet
        await fleet.stop()
