"""Where the command line's files are, and where they may not be."""

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


def test_the_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = paths.profiles_file().parent
    folder.mkdir(parents=True)
    assert paths.profiles_file().parent == folder
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to user"):
        paths.profiles_file()


def test_the_default_store_is_the_file_that_the_store_itself_would_take() -> None:
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
def test_a_store_in_a_file_is_found_by_its_address(address: str, path: str) -> None:
    assert paths.token_file(address) == Path(path)


@pytest.mark.parametrize(
    "address", ["file:another-app", "sqlite:///t.db", "redis://host", "environment", "file://host/t", "file://[/t"]
)
def test_of_any_other_store_there_is_no_file_to_read(address: str) -> None:
    assert paths.token_file(address) is None


def test_without_a_home_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_knows(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody_knows)
    with pytest.raises(ConfigurationError, match="Set HOME"):
        paths.profiles_file()
