"""The paths of the command line's files, and refused ones."""

import os
import pwd
from pathlib import Path
from typing import NoReturn

import pytest

from bitbucket_auth_async.cli.profiles import paths
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.stores.file import FileStore


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_another_users_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = paths.profiles_file().parent
    folder.mkdir(parents=True)
    assert paths.profiles_file().parent == folder
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to user"):
        paths.profiles_file()


def test_the_default_store_is_the_file_that_the_store_itself_would_use() -> None:
    store = FileStore(app_name=paths.DEFAULT_STORE.removeprefix("file:"))
    assert repr(store) == f"FileStore({str(paths.token_file(paths.DEFAULT_STORE))!r})"


@pytest.mark.parametrize(
    "address, path",
    [
        ("file:///srv/tokens.json", "/srv/tokens.json"),
        ("file:///srv/my%20tokens.json", "/srv/my tokens.json"),
        ("file://localhost/srv/t", "/srv/t"),
    ],
)
def test_the_url_of_a_file_store_gives_its_path(address: str, path: str) -> None:
    assert paths.token_file(address) == Path(path)


@pytest.mark.parametrize(
    "address", ["file:another-app", "sqlite:///t.db", "redis://host", "environment", "file://host/t", "file://[/t"]
)
def test_other_stores_have_no_path(address: str) -> None:
    assert paths.token_file(address) is None


def test_without_a_home_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_user(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", no_such_user)
    with pytest.raises(ConfigurationError, match="Set HOME"):
        paths.profiles_file()
