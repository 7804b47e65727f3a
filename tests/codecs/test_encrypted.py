import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.reencrypt import reencrypt
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record
from tests.support.error_texts import full_text

OLD, NEW, OTHER = (EncryptionKey(bytes([number]) * 32) for number in range(3))
CODEC = EncryptedCodec([NEW, OLD])
ENCRYPTED = CODEC.encode("alice", a_record())


def refused(codec: EncryptedCodec, data: bytes, key: str = "alice") -> str:
    with pytest.raises(RecordError) as caught:
        codec.decode(key, data)
    assert not caught.value.retryable
    told = full_text(caught.value)
    for secret in (NEW, OLD, OTHER):
        assert secret.text() not in told
    assert "access-1-" not in told
    return str(caught.value)


class TestEncryptedFileStore(TokenStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FileStore:
        return FileStore(tmp_path / "tokens.json", codec=CODEC)


def test_a_record_is_read_back_unchanged_and_its_bytes_show_no_token() -> None:
    assert CODEC.decode("alice", ENCRYPTED) == a_record()
    assert b"access" not in ENCRYPTED
    assert b"refresh" not in ENCRYPTED


def test_the_same_record_is_never_encrypted_to_the_same_bytes() -> None:
    assert CODEC.encode("alice", a_record()) != CODEC.encode("alice", a_record())


def test_every_key_decrypts_and_the_newest_encrypts() -> None:
    by_old = EncryptedCodec([OLD]).encode("alice", a_record())
    assert CODEC.decode("alice", by_old) == a_record()
    assert EncryptedCodec([NEW]).decode("alice", ENCRYPTED) == a_record()


def test_a_missing_key_is_named_by_its_id_alone() -> None:
    told = refused(EncryptedCodec([OTHER]), ENCRYPTED)
    assert NEW.id.hex() in told
    assert OTHER.id.hex() in told


@given(position=st.integers(0, len(ENCRYPTED) - 1), bit=st.integers(0, 7))
def test_r11_a_record_with_any_bit_changed_is_refused(position: int, bit: int) -> None:
    changed = bytearray(ENCRYPTED)
    changed[position] ^= 1 << bit
    with pytest.raises(RecordError):
        CODEC.decode("alice", bytes(changed))


@given(length=st.integers(0, len(ENCRYPTED) - 1))
def test_r11_a_record_truncated_anywhere_is_refused(length: int) -> None:
    with pytest.raises(RecordError):
        CODEC.decode("alice", ENCRYPTED[:length])
    with pytest.raises(RecordError):
        CODEC.decode("alice", ENCRYPTED[length + 1 :])


@given(st.text().filter(lambda key: key != "alice"))
def test_r11_a_record_under_another_store_key_is_refused(key: str) -> None:
    with pytest.raises(RecordError, match="encrypted under another store key"):
        CODEC.decode(key, ENCRYPTED)


def test_another_key_under_the_same_id_is_refused() -> None:
    forged = ENCRYPTED.replace(NEW.id, OLD.id)
    assert "changed, truncated, or encrypted under another store key" in refused(CODEC, forged)


def test_a_newer_schema_asks_for_a_newer_release() -> None:
    assert "Update bitbucket-auth-async" in refused(CODEC, ENCRYPTED[:5] + b"\x00\x02" + ENCRYPTED[7:])


def test_a_forged_older_schema_is_refused() -> None:
    assert "was changed" in refused(CODEC, ENCRYPTED[:5] + b"\x00\x00" + ENCRYPTED[7:])


def test_plain_records_are_refused_unless_allow_plain_is_set() -> None:
    plain = JsonCodec().encode("alice", a_record())
    assert "allow_plain=True" in refused(CODEC, plain)
    allowing = EncryptedCodec([NEW], allow_plain=True)
    assert allowing.decode("alice", plain) == a_record()
    assert refused(allowing, ENCRYPTED[:-1])
    assert refused(allowing, b"hunter2")


async def test_plain_records_are_encrypted_when_they_are_written_again(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    version = await FileStore(path).swap("alice", a_record(), expected=0)
    store = FileStore(path, codec=EncryptedCodec([NEW], allow_plain=True))
    assert await store.load("alice") == Versioned(a_record(), version)
    assert b"access-1-" in path.read_bytes()
    version = await store.swap("alice", a_record(2), expected=version)
    assert b"access-2-" not in path.read_bytes()
    assert await FileStore(path, codec=EncryptedCodec([NEW])).load("alice") == Versioned(a_record(2), version)


async def test_an_older_record_put_back_is_not_detected_as_the_docstring_says(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    store = FileStore(path, codec=CODEC)
    version = await store.swap("alice", a_record(1), expected=0)
    backup = path.read_bytes()
    await store.swap("alice", a_record(2), expected=version)
    path.write_bytes(backup)
    found = await store.load("alice")
    assert found is not None
    assert found.record == a_record(1)
    assert "older record of the same store key" in str(EncryptedCodec.__doc__)


async def test_a_key_is_rotated_without_downtime(tmp_path: Path) -> None:
    """Each step is a deploy: processes of two neighbouring steps share the store at any moment."""
    path = tmp_path / "tokens.json"
    steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
    stores = [FileStore(path, codec=EncryptedCodec(keys)) for keys in steps]
    version = await stores[0].swap("alice", a_record(0), expected=0)
    await stores[0].swap("idle", a_record(), expected=0)
    generation = 0
    for before, after in ((0, 1), (1, 2)):
        for each in (before, after, before, after):
            generation += 1
            found = await stores[each].load("alice")
            assert found is not None
            assert found.version == version
            version = await stores[each].swap("alice", a_record(generation), expected=version)
            assert version
    with pytest.raises(StoreError):
        await stores[3].load("idle")  # not written since
    # Other processes renew during the reencryption.
    writing = asyncio.ensure_future(reencrypt(stores[2], await stores[2].keys()))
    for _ in range(5):
        while not await stores[2].swap("alice", a_record(generation + 1), expected=version):
            found = await stores[2].load("alice")
            assert found is not None
            assert found.record == a_record(generation)
            version = found.version
        generation += 1
        found = await stores[2].load("alice")
        assert found is not None
        version = found.version
    assert await writing == 2
    found = await stores[3].load("alice")
    assert found is not None
    assert found.record == a_record(generation)
    assert await stores[3].load("idle")


def test_a_key_is_read_back_from_its_text() -> None:
    key = EncryptionKey.new()
    assert EncryptionKey.from_text(f" {key.text()}\n") == key
    assert len(key.text()) == 44


def test_the_output_of_openssl_rand_is_a_valid_key() -> None:
    assert EncryptionKey.from_text("+/" * 21 + "8=").secret == EncryptionKey.from_text("-_" * 21 + "8=").secret


def test_keys_differ_and_so_do_their_ids() -> None:
    assert len({EncryptionKey.new().id for _ in range(20)}) == 20


def test_r11_the_repr_of_a_key_shows_no_secret() -> None:
    assert NEW.text() not in repr(NEW)
    assert repr(NEW.secret) not in repr(NEW)


@pytest.mark.parametrize("text", ["", "hunter2", "A" * 43, "é" * 44, NEW.text() + NEW.text()])
def test_an_invalid_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        EncryptionKey.from_text(text)
    assert not text or text not in full_text(caught.value)


def test_an_empty_list_of_keys_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one key"):
        EncryptedCodec([])
