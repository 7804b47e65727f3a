from pathlib import Path

import pytest

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.stores.reencrypt import reencrypt
from bitbucket_auth_async.testing.store_contract import a_record

RECORD = a_record()


async def test_reencrypt_encrypts_every_record_with_the_newest_key(tmp_path: Path) -> None:
    old, new = EncryptionKey.new(), EncryptionKey.new()
    path = tmp_path / "tokens.json"
    await FileStore(path).swap("plain", RECORD, expected=0)
    await FileStore(path, codec=EncryptedCodec([old])).swap("old", RECORD, expected=0)
    store = FileStore(path, codec=EncryptedCodec([new, old], allow_plain=True))
    assert await reencrypt(store, ["plain", "old", "unknown"]) == 2
    for key in ("plain", "old"):
        found = await FileStore(path, codec=EncryptedCodec([new])).load(key)
        assert found is not None
        assert found.record == RECORD


async def test_one_text_instead_of_a_list_of_keys_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"keys takes a list of keys, such as \['alice'\], not one text"):
        await reencrypt(MemoryStore(), "alice")
