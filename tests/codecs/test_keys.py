from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail
from keyring.errors import KeyringLocked

from bitbucket_auth_async.codecs.encrypted import EncryptionKey
from bitbucket_auth_async.codecs.keys import VARIABLE, keys_from_env, keys_from_file, keys_from_keyring
from bitbucket_auth_async.errors import ConfigurationError, StoreError
from tests.support.error_texts import full_text
from tests.support.keyrings import MemoryKeyring

NEW, OLD = EncryptionKey.new(), EncryptionKey.new()


@pytest.mark.parametrize("between", [" ", ",", "\n", ", "])
def test_a_variable_holds_several_keys_newest_first(between: str) -> None:
    assert keys_from_env({VARIABLE: f"{NEW.text()}{between}{OLD.text()}"}) == [NEW, OLD]


def test_the_variable_may_have_another_name() -> None:
    assert keys_from_env({"MINE": NEW.text()}, name="MINE") == [NEW]


def test_the_process_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, NEW.text())
    assert keys_from_env() == [NEW]


def test_a_file_holds_one_key_per_line(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{NEW.text()}\n{OLD.text()}\n")
    assert keys_from_file(path) == [NEW, OLD]
    assert keys_from_env({f"{VARIABLE}_FILE": str(path)}) == [NEW, OLD]


@pytest.mark.parametrize(
    "environ,told",
    [
        ({}, f"{VARIABLE} is not set"),
        ({VARIABLE: " "}, f"{VARIABLE} is set but empty"),
        ({VARIABLE: ","}, f"{VARIABLE} holds no encryption key"),
        ({VARIABLE: f"{NEW.text()} hunter2"}, f"{VARIABLE}, key 2: "),
        ({f"{VARIABLE}_FILE": "/nowhere/keys"}, r"/nowhere/keys can't be read"),
    ],
)
def test_a_variable_without_a_key_is_named(environ: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        keys_from_env(environ)
    assert "hunter2" not in full_text(caught.value)
    assert NEW.text() not in full_text(caught.value)


def test_a_file_without_a_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(ConfigurationError, match=r"keys: the encryption keys can't be read \(No such file"):
        keys_from_file(path)
    path.write_bytes(b"\xff\xfehunter2")
    with pytest.raises(ConfigurationError, match="not UTF-8 text") as caught:
        keys_from_file(path)
    assert "hunter2" not in full_text(caught.value)
    path.write_text("hunter2")
    with pytest.raises(ConfigurationError, match="keys, key 1: ") as caught:
        keys_from_file(path)
    assert "hunter2" not in full_text(caught.value)
    with pytest.raises(ConfigurationError, match="the home directory is unknown"):
        keys_from_file("~nobody-at-all/keys")


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, ring = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


async def test_the_keyring_holds_keys_as_one_password(ring: MemoryKeyring) -> None:
    ring.put("my-app", "encryption keys", f"{NEW.text()} {OLD.text()}")
    assert await keys_from_keyring("my-app") == [NEW, OLD]


async def test_a_keyring_without_a_key_is_an_error_that_says_what_to_store(ring: MemoryKeyring) -> None:
    with pytest.raises(ConfigurationError, match=r"has no entry 'encryption keys' of 'my-app'. Store"):
        await keys_from_keyring("my-app")


async def test_a_missing_keyring_and_a_locked_one_are_different_errors(ring: MemoryKeyring) -> None:
    class Locked(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise KeyringLocked

    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]  # keyring has no type for it
    with pytest.raises(ConfigurationError, match="There is no keyring here"):
        await keys_from_keyring("my-app")
    keyring.set_keyring(Locked())
    with pytest.raises(StoreError, match="Check that it is unlocked"):
        await keys_from_keyring("my-app")
