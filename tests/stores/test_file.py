# ruff: noqa: ASYNC240  - a test looks at its own small file

import json
import os
import stat
from pathlib import Path

import platformdirs
import pytest

from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record


class TestFileStore(TokenStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> TokenStore:
        return FileStore(tmp_path / "tokens.json")

    @pytest.fixture
    def other(self, store: TokenStore, tmp_path: Path) -> TokenStore:
        return FileStore(tmp_path / "tokens.json")


class Reversing:
    """Like a codec that encrypts: its bytes are not JSON, and belong to one key."""

    def encode(self, key: str, record: Record, /) -> bytes:
        return (json.dumps(record.to_plain()) + key)[::-1].encode()

    def decode(self, key: str, data: bytes, /) -> Record:
        text = data.decode()[::-1]
        if not text.endswith(key):
            msg = "another's"
            raise RecordError(msg)
        return Record.from_plain(json.loads(text.removesuffix(key)))


class TestFileStoreWithBytes(TokenStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> TokenStore:
        return FileStore(tmp_path / "tokens.json", codec=Reversing())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_an_application_has_its_file_in_the_users_data_directory() -> None:
    place = Path(platformdirs.user_data_dir("my-app", appauthor=False), "tokens.json")
    assert repr(FileStore(app_name="my-app")) == f"FileStore({str(place)!r})"


def test_home_and_relative_paths_are_resolved_when_the_store_is_created(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/alice")
    assert repr(FileStore("a/../tokens.json")) == f"FileStore({str(tmp_path / 'tokens.json')!r})"
    assert repr(FileStore(Path("~/tokens.json"))) == "FileStore('/home/alice/tokens.json')"


@pytest.mark.parametrize("app_name", ["", " ", ".", "..", "a/b", "a\\b", "../a", "a\0b"])
def test_an_application_name_that_is_a_path_is_refused(app_name: str) -> None:
    with pytest.raises(ConfigurationError, match="must be the name of one directory"):
        FileStore(app_name=app_name)


def test_both_a_path_and_an_application_or_neither_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="either path or app_name"):
        FileStore()
    with pytest.raises(ConfigurationError, match="either path or app_name"):
        FileStore("tokens.json", app_name="my-app")


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_path_that_cannot_name_a_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="can't name a file"):
        FileStore(name)


def test_an_unknown_home_directory_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the home directory is unknown"):
        FileStore("~nobody-has-this-name/tokens.json")


async def test_a_key_that_json_cannot_hold_is_refused(path: Path) -> None:
    store = FileStore(path)
    with pytest.raises(ConfigurationError, match="half of a surrogate pair"):
        await store.swap("\ud800", a_record(), expected=0)
    with pytest.raises(ConfigurationError, match="half of a surrogate pair"):
        await store.load("\udc00")
    with pytest.raises(ConfigurationError, match="expected text, found a NoneType"):
        await store.load(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the error under test
    assert not path.exists()


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
async def test_r11_file_lock_and_directory_are_private_whatever_the_umask(path: Path, umask: int) -> None:
    path = path.parent / "made" / "by us" / "tokens.json"
    before = os.umask(umask)
    try:
        await FileStore(path).swap("alice", a_record(), expected=0)
    finally:
        os.umask(before)
    assert [mode(path), mode(path.with_name("tokens.json.lock"))] == [0o600, 0o600]
    assert [mode(path.parent), mode(path.parent.parent)] == [0o700, 0o700]
    assert names(path.parent) == ["tokens.json", "tokens.json.lock"]


async def test_r11_a_file_that_others_could_read_is_private_after_the_next_write(path: Path) -> None:
    version = await FileStore(path).swap("alice", a_record(), expected=0)
    path.chmod(0o666)
    await FileStore(path).swap("alice", a_record(2), expected=version)
    assert mode(path) == 0o600


async def test_an_existing_directory_keeps_its_mode(path: Path) -> None:
    path.parent.chmod(0o750)
    await FileStore(path).swap("alice", a_record(), expected=0)
    assert mode(path.parent) == 0o750


async def test_people_and_tools_can_read_the_file(path: Path) -> None:
    version = await FileStore(path).swap("alice", a_record(), expected=0)
    assert json.loads(path.read_bytes()) == {
        "format": "bitbucket-auth-async",
        "schema": 1,
        "records": {"alice": {"version": version, "record": a_record().to_plain()}},
    }


async def test_encrypted_bytes_are_stored_as_base64(path: Path) -> None:
    store = FileStore(path, codec=Reversing())
    await store.swap("alice", a_record(), expected=0)
    assert isinstance(json.loads(path.read_bytes())["records"]["alice"]["record"], str)
    assert b"access-1" not in path.read_bytes()


async def test_a_record_moved_to_another_key_is_an_error_that_names_the_file(path: Path) -> None:
    await FileStore(path, codec=Reversing()).swap("alice", a_record(), expected=0)
    path.write_bytes(path.read_bytes().replace(b'"alice"', b'"bob"'))
    with pytest.raises(RecordError, match=r"tokens\.json: another's"):
        await FileStore(path, codec=Reversing()).load("bob")


async def test_fields_of_a_later_release_survive_a_swap(path: Path) -> None:
    version = await FileStore(path).swap("alice", a_record(), expected=0)
    document = json.loads(path.read_bytes())
    document["later"] = [1, None]
    document["records"]["alice"]["later"] = {"a": 1.5}
    document["records"]["bob"] = {"version": 5, "record": "bm8gcmVjb3Jk", "later": True}
    path.write_text(json.dumps(document))
    version = await FileStore(path).swap("alice", a_record(2), expected=version)
    document["records"]["alice"].update(version=version, record=a_record(2).to_plain())
    assert json.loads(path.read_bytes()) == document


FOREIGN = {
    "empty": (b"", "is empty"),
    "blank": (b" \n", "is empty"),
    "no JSON": (b"hunter2", "holds no JSON object"),
    "cut off": (b'{"format":"bitbucket-auth-async","schema":1,"records":{"hunter2"', "holds no JSON object"),
    "a list": (b'["hunter2"]', "holds no JSON object"),
    "zeros": (b"\0" * 300, "holds no JSON object"),
    "a name twice": (b'{"refreshToken":"hunter2","refreshToken":"hunter2"}', "holds no JSON object"),
    "another program's": (b'{"token":"hunter2"}', "not a file of bitbucket-auth-async"),
    "more than the ancestor's": (b'{"refreshToken":"hunter2","user":1}', "not a file of bitbucket-auth-async"),
    "an ancestor's without text": (b'{"refreshToken":["hunter2"]}', "not a file of bitbucket-auth-async"),
    "a newer schema": (b'{"format":"bitbucket-auth-async","schema":2,"records":{}}', "has schema 2, newer than 1"),
    "no schema": (b'{"format":"bitbucket-auth-async","records":{}}', "is damaged"),
    "a schema that is a truth": (b'{"format":"bitbucket-auth-async","schema":true,"records":{}}', "is damaged"),
    "no records": (b'{"format":"bitbucket-auth-async","schema":1}', "is damaged"),
    "records in a list": (b'{"format":"bitbucket-auth-async","schema":1,"records":["hunter2"]}', "is damaged"),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_or_damaged_file_is_an_error_that_says_what_to_do_and_is_left_unchanged(
    path: Path, name: str
) -> None:
    content, complaint = FOREIGN[name]
    path.write_bytes(content)
    for act in (FileStore(path).load("alice"), FileStore(path).swap("alice", a_record(), expected=0)):
        with pytest.raises(RecordError, match=complaint) as caught:
            await act
        assert str(caught.value).startswith(f"{path}: ")
        assert "hunter2" not in str(caught.value)
        assert not caught.value.retryable
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "entry",
    ["17", "[]", "{}", '{"version":0,"record":{}}', '{"version":true,"record":{}}', '{"version":9223372036854775808}'],
)
async def test_a_damaged_entry_is_left_unchanged_and_does_not_affect_other_entries(path: Path, entry: str) -> None:
    path.write_text('{"format":"bitbucket-auth-async","schema":1,"records":{"alice":' + entry + "}}")
    store = FileStore(path)
    with pytest.raises(RecordError, match="entry 'alice' is damaged"):
        await store.load("alice")
    with pytest.raises(RecordError, match="entry 'alice' is damaged"):
        await store.swap("alice", a_record(), expected=0)
    assert await store.swap("bob", a_record(), expected=0)
    assert json.loads(path.read_bytes())["records"]["alice"] == json.loads(entry)


@pytest.mark.parametrize("record", ["17", "null", '"%%%"', '"bm8gcmVjb3Jk"', '"\u00e9"', "{}"])
async def test_a_damaged_record_is_an_error(path: Path, record: str) -> None:
    entry = '{"version":7,"record":' + record + "}"
    path.write_text('{"format":"bitbucket-auth-async","schema":1,"records":{"alice":' + entry + "}}")
    with pytest.raises(RecordError, match=r"\b(is|are) left "):
        await FileStore(path).load("alice")


async def test_the_npm_packages_file_is_read_once(path: Path) -> None:
    path.write_text('{"refreshToken": "r3fresh"}\n')
    store = FileStore(path)
    found = await store.load("alice")
    assert found == await FileStore(path).load("bob")
    assert found is not None
    token = found.record.token
    assert token is not None
    assert (token.access_token, token.refresh_token, token.issued_at, token.expires_at) == ("", "r3fresh", 0.0, 0.0)
    issuer = found.record.issuer
    assert (issuer.token_endpoint, issuer.client_id, issuer.grant_type) == ("", "", "")
    assert found.record.generation == 0

    assert await store.swap("alice", a_record(), expected=0) == 0
    version = await store.swap("alice", a_record(), expected=found.version)
    assert await store.load("alice") == Versioned(a_record(), version)
    assert await store.load("bob") is None
    assert await store.swap("bob", a_record(), expected=found.version) == 0


@pytest.mark.parametrize("content", ["{}", '{"refreshToken": null}', '{"refreshToken": ""}'])
async def test_an_npm_packages_file_without_a_token_counts_as_empty(path: Path, content: str) -> None:
    path.write_text(content)
    assert await FileStore(path).load("alice") is None
    assert await FileStore(path).swap("alice", a_record(), expected=0)


async def test_a_symbolic_link_is_kept_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "tokens.json"
    (tmp_path / "first").symlink_to("real/tokens.json")
    (tmp_path / "second").symlink_to(tmp_path / "first")
    version = 0
    for number, path in enumerate((tmp_path / "second", target, tmp_path / "first")):
        version = await FileStore(path).swap("alice", a_record(number), expected=version)
        assert await FileStore(target).load("alice") == Versioned(a_record(number), version)
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert names(tmp_path / "real") == ["tokens.json", "tokens.json.lock"]
    assert names(tmp_path) == ["first", "real", "second"]


@pytest.mark.parametrize("make", ["directory", "circle", "below a file", "long"])
async def test_a_path_where_no_file_can_be_is_an_error_that_says_what_to_do(tmp_path: Path, make: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").write_text("")
    path, advice = {
        "directory": ("directory", "Give the path of a file"),
        "circle": ("circle", "form a loop"),
        "below a file": ("file/tokens.json", "A part of the path is a file, not a directory"),
        "long": ("a" * 300, "Choose a shorter one"),
    }[make]
    store = FileStore(tmp_path / path)
    for act in (store.load("alice"), store.swap("alice", a_record(), expected=0)):
        with pytest.raises(StoreError, match=advice) as caught:
            await act
        assert not caught.value.retryable
        assert str(caught.value).startswith(f"{tmp_path / path} could not be ")
    assert names(tmp_path) == ["circle", "directory", "file"]
