import sys
from pathlib import Path

import pytest

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.stores.open_store import VARIABLE, open_store, store_from_env
from bitbucket_auth_async.testing.store_contract import a_record
from tests.support.error_texts import full_text


@pytest.mark.parametrize(
    "url,shown",
    [
        ("file:///srv/my%20app/tokens.json", "FileStore('/srv/my app/tokens.json')"),
        ("FILE://localhost/srv/tokens.json", "FileStore('/srv/tokens.json')"),
        ("sqlite:///srv/tokens.db", "SQLiteStore('/srv/tokens.db')"),
        ("sqlite:////srv/tokens.db", "SQLiteStore('/srv/tokens.db')"),
        ("redis://user:hunter2@host:6379/0", "RedisStore(prefix='bitbucket_auth_async:')"),
        ("rediss://user:hunter2@host:6379/0", "RedisStore(prefix='bitbucket_auth_async:')"),
        ("valkey://host", "RedisStore(prefix='bitbucket_auth_async:')"),
        ("valkeys://host", "RedisStore(prefix='bitbucket_auth_async:')"),
        ("unix:///run/redis.sock", "RedisStore(prefix='bitbucket_auth_async:')"),
        ("postgresql://user:hunter2@host/db", "PostgresStore(table='bitbucket_auth_async_records')"),
        ("postgres://user:hunter2@host/db", "PostgresStore(table='bitbucket_auth_async_records')"),
        ("keyring://my-app", "KeyringStore('my-app')"),
        ("keyring://my%20app", "KeyringStore('my app')"),
    ],
)
async def test_each_url_gives_its_store_and_no_repr_shows_a_password(url: str, shown: str) -> None:
    async with open_store(url) as store:
        assert repr(store) == shown


def test_a_file_url_may_name_an_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert repr(open_store("file:my-app")) == f"FileStore('{tmp_path}/my-app/tokens.json')"


@pytest.mark.parametrize("scheme", ["file", "sqlite"])
async def test_the_given_codec_encodes_the_records(scheme: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    async with open_store(f"{scheme}://{path}", codec=EncryptedCodec([EncryptionKey.new()])) as store:
        await store.swap("alice", a_record(), expected=0)
        assert await store.load("alice")
    assert b"access-1-" not in path.read_bytes()


@pytest.mark.parametrize(
    "url,told",
    [
        ("mongodb://user:hunter2@host", "no store for mongodb: URLs. Use one of these: file:///path"),
        ("hunter2", "not the URL of a store"),
        ("", "not the URL of a store"),
        ("postgresql://user:hunter2@[host/db", "not the URL of a store"),
        ("file://host/hunter2", "take an absolute path"),
        ("file:", "must be the name of one directory"),
        ("sqlite:relative.db", "take an absolute path"),
        ("sqlite://hunter2.db", "take an absolute path"),
        ("sqlite:///a.db?hunter2", "take an absolute path"),
        ("keyring://", "take the name of a service"),
        ("keyring://app?hunter2", "take the name of a service"),
        ("redis://host:hunter2", "redis-py can't parse"),
    ],
)
def test_an_invalid_url_is_refused_and_not_shown(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        open_store(url)
    assert "hunter2" not in full_text(caught.value)


@pytest.mark.parametrize(
    "url,library,extra",
    [
        ("redis://host", "redis", "redis"),
        ("postgresql://host", "asyncpg", "postgres"),
        ("sqlite:///x", "aiosqlite", "sqlite"),
        ("keyring://x", "keyring", "keyring"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(
    url: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"bitbucket_auth_async.stores.{extra}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(library), *sys.meta_path])
    with pytest.raises(ConfigurationError, match=rf"pip install 'bitbucket-auth-async\[{extra}\]'"):
        open_store(url)


class Without:
    """An import hook that makes one library missing."""

    def __init__(self, library: str) -> None:
        self.library = library

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.library:
            raise ModuleNotFoundError(name, name=self.library)


def test_the_environment_can_name_the_store(tmp_path: Path) -> None:
    assert repr(store_from_env({VARIABLE: "sqlite:///srv/tokens.db"})) == "SQLiteStore('/srv/tokens.db')"
    (tmp_path / "url").write_text("sqlite:///srv/tokens.db\n")
    assert repr(store_from_env({f"{VARIABLE}_FILE": str(tmp_path / "url")})) == "SQLiteStore('/srv/tokens.db')"
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} is not set"):
        store_from_env({})
