"""What someone who steals or changes a store's data learns and can do if its records are encrypted, on each store."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import ConfigurationError, RecordError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.stores.reencrypt import reencrypt
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.store_contract import a_record
from tests.support.store_media import (
    FileMedium,
    KeyringMedium,
    Medium,
    PostgresMedium,
    RedisMedium,
    SQLiteMedium,
    decoded_views,
)
from tests.support.store_servers import PostgresServer, postgres_server

OLD, NEW = EncryptionKey.new(), EncryptionKey.new()


@pytest.fixture(scope="module")
def dumped_postgres() -> Iterator[PostgresServer]:
    """Run a server that holds no tokens of other tests, since these tests search all its files."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["file", "sqlite", "keyring", "redis", "postgres"])
async def medium(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Medium:
    if request.param == "postgres":
        postgres = PostgresMedium(request.getfixturevalue("dumped_postgres"))
        await postgres.clear()
        return postgres
    if request.param == "redis":
        return RedisMedium(request.getfixturevalue("running_valkey"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # the folder of the keyring's lock
    kinds: dict[str, Callable[[Path], Medium]] = {
        "file": FileMedium,
        "sqlite": SQLiteMedium,
        "keyring": KeyringMedium,
    }
    return kinds[request.param](tmp_path / "data")


async def test_keys_given_instead_of_a_codec_are_refused(medium: Medium) -> None:
    keys: Any = [NEW]
    with pytest.raises(ConfigurationError, match=r"codec takes a codec, such as EncryptedCodec\(keys\), not list\.$"):
        async with medium.store(keys):
            pass


async def test_r11_a_dump_of_encrypted_records_shows_no_token(medium: Medium) -> None:
    async with medium.store(EncryptedCodec([NEW])) as store:
        version = await store.swap("alice", a_record(size=2_600), expected=0)
        await store.swap("alice", a_record(2, size=2_600), expected=version)
    async with medium.store(JsonCodec()) as store:
        await store.swap("bob", a_record(7), expected=0)
    seen = list(decoded_views(await medium.dump()))
    for plain in (b"access-7-", b"refresh-7-"):  # so a token would be visible here
        assert any(plain in reading for reading in seen)
    for number in (1, 2, 1_001, 1_002, 2_001, 2_002):
        for kind in ("access", "refresh"):
            assert not any(f"{kind}-{number}-".encode() in reading for reading in seen)


async def test_r11_two_swapped_records_are_detected_and_left_unchanged(medium: Medium) -> None:
    async with medium.store(EncryptedCodec([NEW])) as store:
        for number, name in enumerate(("alice", "carol")):
            await store.swap(name, a_record(number), expected=0)
        await medium.swap_records("alice", "carol")
        for name in ("alice", "carol"):
            with pytest.raises(RecordError, match="another store key"):
                await store.load(name)
        await medium.swap_records("alice", "carol")
        for number, name in enumerate(("alice", "carol")):
            found = await store.load(name)
            assert found is not None
            assert found.record == a_record(number)


async def test_r11_a_key_is_rotated_without_downtime_and_without_a_sign_in(medium: Medium) -> None:
    """Each step is a deploy: programs of two neighbouring steps share the store and take turns to renew."""
    clock = FakeClock()
    fake = FakeBitbucket(clock, strict=True)
    steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
    stores = [medium.store(EncryptedCodec(keys)) for keys in steps]
    managers = [TokenManager(fake.client, store=store, key="alice", transport=fake, clock=clock) for store in stores]
    await managers[0].adopt(fake.sign_in())
    await stores[0].swap("idle", a_record(), expected=0)
    for before, after in ((0, 1), (1, 2), (2, 3)):
        if after == 3:  # the old key is removed, so records that were not renewed are written again
            with pytest.raises(RecordError):
                await stores[3].load("idle")
            assert await reencrypt(stores[2], ["alice", "idle"]) == 2
        for first, second in ((before, after), (after, before)):
            await clock.advance(3600)
            token = await managers[first].get_token()
            assert await managers[second].get_token() == token
    assert fake.token_requests == 6
    assert fake.second_spends == []
    assert await stores[3].load("idle")
    for manager in managers:
        await manager.aclose()
    for store in stores:
        await store.aclose()
