import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from filelock import FileLock
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordSetError

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.codecs.json import JsonCodec
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.keyring import KeyringStore
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record
from tests.support.error_texts import full_text
from tests.support.keyrings import MemoryKeyring

NARROW = 1_200


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def ring() -> MemoryKeyring:
    return MemoryKeyring()


@pytest.fixture
def store(ring: MemoryKeyring) -> KeyringStore:
    return KeyringStore(backend=ring, part=NARROW)


class TestKeyringStore(TokenStoreContract):
    @pytest.fixture
    def store(self, ring: MemoryKeyring) -> KeyringStore:
        return KeyringStore(backend=ring, part=NARROW)

    @pytest.fixture
    def other(self, ring: MemoryKeyring) -> KeyringStore:
        return KeyringStore(backend=ring, part=NARROW)


class TestEncryptedKeyringStore(TokenStoreContract):
    @pytest.fixture
    def store(self, ring: MemoryKeyring) -> KeyringStore:
        return KeyringStore(backend=ring, part=NARROW, codec=EncryptedCodec([EncryptionKey.new()]))


async def test_the_keyring_is_never_called_on_the_event_loop(store: KeyringStore, ring: MemoryKeyring) -> None:
    await store.swap("alice", a_record(), expected=0)
    await store.load("alice")
    assert ring.threads
    assert threading.get_ident() not in ring.threads


async def test_no_part_of_an_older_record_is_left(store: KeyringStore, ring: MemoryKeyring) -> None:
    version = await store.swap("alice", a_record(size=9_000), expected=0)
    assert len(ring.entries) > 40
    for number in range(2, 5):
        version = await store.swap("alice", a_record(number), expected=version)
    assert len(ring.entries) <= 3


class SlowRing(MemoryKeyring):
    """Lets other threads run between any two steps."""

    def get_password(self, service: str, username: str) -> str | None:
        time.sleep(0.0001)
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        time.sleep(0.0001)
        self.put(service, username, password)


async def test_a_reader_sees_a_complete_record_while_others_write() -> None:
    ring = SlowRing()
    writer, reader = (KeyringStore(backend=ring, part=200) for _ in range(2))
    version = await writer.swap("alice", a_record(0), expected=0)
    done = asyncio.Event()

    async def read() -> set[int]:
        seen = set[int]()
        while not done.is_set():
            found = await reader.load("alice")
            assert found is not None
            assert found.record == a_record(found.record.generation)
            seen.add(found.record.generation)
        return seen

    readers = [asyncio.ensure_future(read()) for _ in range(2)]
    for number in range(1, 40):
        version = await writer.swap("alice", a_record(number), expected=version)
    done.set()
    assert len({generation for seen in await asyncio.gather(*readers) for generation in seen}) > 3


async def test_a_reader_overtaken_by_two_writes_does_not_mix_two_records_of_one_slot() -> None:
    class Overtaken(MemoryKeyring):
        writing = False

        def get_password(self, service: str, username: str) -> str | None:
            found = super().get_password(service, username)
            if self.writing and service.endswith("/a0"):  # the reader has read the first part
                self.writing = False
                latest = version
                for number in (2, 3):
                    latest = writer._swap("alice", JsonCodec().encode("alice", a_record(number)), latest)
                assert latest
            return found

    ring = Overtaken()
    writer = KeyringStore(backend=ring, part=100)
    version = await writer.swap("alice", a_record(1), expected=0)
    ring.writing = True
    found = await writer.load("alice")
    assert found is not None
    assert found.record == a_record(3)


async def test_r9_a_crash_at_any_step_leaves_the_old_record_or_the_new_one() -> None:
    class Breaking(MemoryKeyring):
        left = -1

        def set_password(self, service: str, username: str, password: str) -> None:
            self.step()
            self.put(service, username, password)

        def delete_password(self, service: str, username: str) -> None:
            self.step()
            super().delete_password(service, username)

        def step(self) -> None:
            if not self.left:
                raise PasswordSetError
            self.left -= 1

    ring = Breaking()
    store = KeyringStore(backend=ring, part=150)
    version = await store.swap("alice", a_record(0), expected=0)
    outcomes: set[bool] = set()
    for steps in range(1, 40):
        ring.left = steps
        try:
            await store.swap("alice", a_record(steps), expected=version)
        except StoreError as error:
            assert error.retryable  # noqa: PT017  - either outcome is valid
        ring.left = -1
        found = await store.load("alice")
        assert found is not None
        outcomes.add(found.version == version)
        assert found.record == a_record(0 if found.version == version else steps)
        version = await store.swap("alice", a_record(0), expected=found.version)
        assert version
    assert outcomes == {True, False}


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring])
async def test_without_a_keyring_the_error_says_what_to_use_instead(backend: type[fail.Keyring]) -> None:
    store = KeyringStore(backend=backend())
    for call in (store.load("alice"), store.swap("alice", a_record(), expected=0)):
        with pytest.raises(ConfigurationError, match="Use FileStore with EncryptedCodec"):
            await call


@pytest.fixture
def chosen() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


async def test_the_default_is_the_keyring_that_the_library_chooses(chosen: None, ring: MemoryKeyring) -> None:
    keyring.set_keyring(ring)
    assert await KeyringStore("my-app", part=NARROW).swap("alice", a_record(), expected=0)
    assert all(service.startswith("my-app/") for service, _ in ring.entries)


async def test_records_of_two_services_are_separate(ring: MemoryKeyring) -> None:
    await KeyringStore("one", backend=ring, part=NARROW).swap("alice", a_record(), expected=0)
    assert await KeyringStore("two", backend=ring, part=NARROW).load("alice") is None


async def test_a_locked_keyring_is_a_retryable_error() -> None:
    class Locked(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise KeyringLocked(username)

    with pytest.raises(StoreError, match=r"is locked\. Unlock it") as caught:
        await KeyringStore(backend=Locked()).load("alice")
    assert caught.value.retryable


async def test_a_keyring_that_waits_for_a_password_times_out_and_never_blocks_the_event_loop() -> None:
    entered = threading.Event()

    class Asking(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            entered.wait(20)
            return None

    store = KeyringStore(backend=Asking(), timeout=0.1)
    try:
        with pytest.raises(StoreError, match=r"not read within 0.1 s: the keyring does not answer") as caught:
            await store.load("alice")
        assert caught.value.retryable
    finally:
        entered.set()


async def test_a_lock_that_stays_taken_is_a_retryable_error(ring: MemoryKeyring) -> None:
    store = KeyringStore(backend=ring, part=NARROW, timeout=0.1)
    version = await store.swap("alice", a_record(), expected=0)
    with FileLock(f"{store._lock_path}.lock"):
        with pytest.raises(StoreError, match="another process holds the lock"):
            await store.swap("alice", a_record(2), expected=version)
        assert await store.load("alice") == Versioned(a_record(), version)  # reading takes no lock


async def test_the_lock_file_is_private_and_the_only_file(store: KeyringStore) -> None:
    await store.swap("alice", a_record(), expected=0)
    folder = Path(store._lock_path).parent
    [lock] = folder.iterdir()
    assert lock.stat().st_mode & 0o777 == 0o600
    assert os.stat(folder).st_mode & 0o777 == 0o700  # noqa: PTH116  - one of two alike


async def test_a_lock_folder_that_cannot_be_created_is_named_in_the_error(home: Path, ring: MemoryKeyring) -> None:
    (home / "bitbucket_auth_async").write_text("in the way")
    with pytest.raises(StoreError, match=r"keyring-.*\.lock could not be locked"):
        await KeyringStore(backend=ring).swap("alice", a_record(), expected=0)


@pytest.mark.parametrize(
    "damage",
    [
        "hunter2",
        '{"version":0,"slot":"a","parts":1}',
        '{"version":1,"slot":"c","parts":1}',
        '{"version":1,"slot":"a","parts":99999999}',
        '{"version":1,"slot":"a"}',
        '{"version":1,"slot":"b","parts":7}',
    ],
)
async def test_a_damaged_entry_is_left_unchanged(damage: str, store: KeyringStore, ring: MemoryKeyring) -> None:
    await store.swap("alice", a_record(), expected=0)
    [index] = [name for name in ring.entries if name[0].endswith("/index")]
    ring.entries[index] = damage
    with pytest.raises(RecordError) as caught:
        await store.load("alice")
    assert "hunter2" not in full_text(caught.value)
    assert ring.entries[index] == damage


async def test_a_part_that_is_not_base64_is_an_error(store: KeyringStore, ring: MemoryKeyring) -> None:
    await store.swap("alice", a_record(), expected=0)
    [part] = [name for name in ring.entries if name[0].endswith("/a0")]
    ring.entries[part] = ring.entries[part].partition(":")[0] + ":hunter2!"
    with pytest.raises(RecordError, match="damaged") as caught:
        await store.load("alice")
    assert "hunter2" not in full_text(caught.value)


async def test_entries_of_a_keyring_that_cannot_delete_are_overwritten(ring: MemoryKeyring) -> None:
    class Keeping(MemoryKeyring):
        def delete_password(self, service: str, username: str) -> None:
            raise NotImplementedError

    store = KeyringStore(backend=Keeping(), part=100)
    version = await store.swap("alice", a_record(1, size=500), expected=0)
    for number in range(2, 6):
        version = await store.swap("alice", a_record(number, size=600 // number), expected=version)
        assert await store.load("alice") == Versioned(a_record(number, size=600 // number), version)


@pytest.mark.parametrize("service,part", [("", 100), (" ", 100), ("a\0b", 100), ("a", 0)])
def test_a_blank_service_and_a_part_below_one_are_refused(service: str, part: int) -> None:
    with pytest.raises(ConfigurationError, match="KeyringStore takes a service name"):
        KeyringStore(service, part=part)
