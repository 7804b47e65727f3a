# ruff: noqa: ASYNC110, ASYNC240  - files set no event, and reading them takes no time here

import asyncio
import os
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from subprocess import Popen

import pytest

from bitbucket_auth_async.codecs.encrypted import EncryptedCodec, EncryptionKey
from bitbucket_auth_async.errors import ConfigurationError, RecordError, StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.sqlite import SQLiteStore
from bitbucket_auth_async.testing.store_contract import TokenStoreContract, a_record
from tests.support.error_texts import full_text
from tests.support.swap_counting import SIZE

INCREMENT = """
from bitbucket_auth_async.stores.sqlite import SQLiteStore
from tests.support.swap_counting import count_up
asyncio.run(count_up(SQLiteStore(sys.argv[1], timeout=20), 25))
"""


@pytest.fixture
async def path(tmp_path: Path) -> AsyncGenerator[Path]:
    yield tmp_path / "tokens.db"
    # Calls go on after their caller was cancelled or timed out, and their thread answers to the loop of the test.
    calls = asyncio.all_tasks() - {asyncio.current_task()}
    if calls:
        await asyncio.wait(calls, timeout=10)


@pytest.fixture
def store(path: Path) -> SQLiteStore:
    return SQLiteStore(path)


class TestSQLiteStore(TokenStoreContract):
    @pytest.fixture
    def store(self, path: Path) -> SQLiteStore:
        return SQLiteStore(path)

    @pytest.fixture
    def other(self, path: Path) -> SQLiteStore:
        return SQLiteStore(path)


class TestEncryptedSQLiteStore(TokenStoreContract):
    @pytest.fixture
    def store(self, path: Path) -> SQLiteStore:
        return SQLiteStore(path, codec=EncryptedCodec([EncryptionKey.new()]))


async def test_four_processes_count_to_a_hundred_and_lose_no_swap(
    start: Callable[..., Popen[str]], ended: Callable[[Popen[str]], str], path: Path
) -> None:
    for process in [start(INCREMENT, path) for _ in range(4)]:
        ended(process)
    found = await SQLiteStore(path).load("alice")
    assert found is not None
    assert found.record == a_record(100, size=SIZE)


async def test_r9_a_process_killed_at_any_moment_leaves_a_complete_record_and_no_lock(
    run: Callable[..., str], path: Path
) -> None:
    first = await SQLiteStore(path).swap("alice", a_record(1, size=3_000), expected=0)
    printed = run(
        """
        from bitbucket_auth_async.stores.sqlite import SQLiteStore
        path, version = Path(sys.argv[1]), int(sys.argv[2])
        async def write(version):
            store, number = SQLiteStore(path), 1
            while True:
                number += 1
                version = await store.swap("alice", a_record(number, size=3_000), expected=version)
                assert version, "no other process writes"
        async def look():
            found = await SQLiteStore(path).load("alice")
            assert found.record == a_record(found.record.generation, size=3_000)
            return found.version
        longest = 0.03  # adjusted until about half of the processes manage a write
        for _ in range(40):
            if not (child := os.fork()):
                asyncio.run(write(version))
            time.sleep(random.uniform(0.005, longest))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            before, version = version, asyncio.run(look())
            longest = longest * 1.1 if before == version else max(0.03, longest / 1.1)
        print(version)
        """,
        path,
        str(first),
    )
    version = int(printed)
    assert version != first
    assert await SQLiteStore(path).swap("alice", a_record(), expected=version)


async def test_r11_the_file_and_sqlites_other_files_are_private(path: Path) -> None:
    before = os.umask(0)
    try:
        store = SQLiteStore(path.parent / "new" / "folder" / path.name)
        version = await store.swap("alice", a_record(), expected=0)
        folder = path.parent / "new" / "folder"
        with sqlite3.connect(folder / path.name) as reader:  # keeps SQLite from removing its other files
            reader.execute("SELECT count(*) FROM bitbucket_auth_async_records").fetchall()
            await store.swap("alice", a_record(2), expected=version)
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
        reader.close()
    finally:
        os.umask(before)
    assert modes == {"tokens.db": 0o600, "tokens.db-wal": 0o600, "tokens.db-shm": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


async def test_the_database_has_a_write_ahead_log_that_is_synced_to_disk(store: SQLiteStore, path: Path) -> None:
    await store.swap("alice", a_record(), expected=0)
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


async def test_nothing_stays_open(store: SQLiteStore, path: Path) -> None:
    await asyncio.gather(*(store.swap(f"key {number}", a_record(), expected=0) for number in range(20)))
    held = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]  # noqa: PTH115  - gone links
    assert not [name for name in held if name.startswith(str(path))]
    await store.aclose()
    assert await store.keys() == sorted(f"key {number}" for number in range(20))


async def test_other_programs_tables_stay(store: SQLiteStore, path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (text TEXT)")
        database.execute("INSERT INTO mine VALUES ('kept')")
    database.close()
    await store.swap("alice", a_record(), expected=0)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT text FROM mine").fetchall() == [("kept",)]
    database.close()


async def test_a_lock_that_another_process_holds_ends_in_a_timeout_and_does_not_delay_readers(path: Path) -> None:
    store = SQLiteStore(path, timeout=0.3)
    version = await store.swap("alice", a_record(), expected=0)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreError, match="locked") as caught:
        await store.swap("alice", a_record(2), expected=version)
    assert time.monotonic() - began < 2
    assert caught.value.retryable
    assert await store.load("alice") == Versioned(a_record(), version)
    holder.execute("ROLLBACK")
    holder.close()
    found = await store.load("alice")
    while found is None or not await store.swap("alice", a_record(3), expected=found.version):
        found = await store.load("alice")


async def test_a_locked_database_takes_four_threads_however_many_calls_there_are(
    store: SQLiteStore, path: Path
) -> None:
    await store.swap("alice", a_record(), expected=0)
    before = threading.active_count()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        for _ in range(9):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.swap("bob", a_record(), expected=0), 0.02)
        assert threading.active_count() - before <= 4
    finally:
        other.rollback()
        other.close()
    assert await store.load("alice") is not None


async def test_a_swap_that_waits_for_the_lock_continues_as_soon_as_it_is_free(store: SQLiteStore, path: Path) -> None:
    version = await store.swap("alice", a_record(), expected=0)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    swap = asyncio.ensure_future(store.swap("alice", a_record(2), expected=version))
    await asyncio.sleep(0.05)  # SQLite does not report that it waits
    holder.execute("ROLLBACK")
    holder.close()
    assert await swap


@pytest.mark.parametrize("content", [b"hunter2 is no database, but it is long enough to be read as one" * 20])
async def test_a_file_that_is_not_a_database_is_left_unchanged(content: bytes, store: SQLiteStore, path: Path) -> None:
    path.write_bytes(content)
    for call in (store.load("alice"), store.swap("alice", a_record(), expected=0)):
        with pytest.raises(RecordError, match="not a SQLite database, or is damaged") as caught:
            await call
        assert "hunter2" not in full_text(caught.value)
    assert path.read_bytes() == content


async def test_a_damaged_row_is_left_unchanged(store: SQLiteStore, path: Path) -> None:
    await store.swap("alice", a_record(), expected=0)
    for change in ("version = 0", "version = 'x'", "record = 'hunter2'"):
        with sqlite3.connect(path) as database:
            database.execute(f"UPDATE bitbucket_auth_async_records SET {change}")  # noqa: S608  - from the line above
        database.close()
        with pytest.raises(RecordError, match="the row of 'alice' is damaged") as caught:
            await store.load("alice")
        assert "hunter2" not in full_text(caught.value)


async def test_a_removed_file_is_created_again(store: SQLiteStore, path: Path) -> None:
    await store.swap("alice", a_record(), expected=0)
    path.unlink()
    assert await store.load("alice") is None
    assert await store.swap("alice", a_record(2), expected=0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_path_that_cannot_be_written_is_an_error_that_says_what_to_do(run: Callable[..., str]) -> None:
    code = """
        from bitbucket_auth_async.stores.sqlite import SQLiteStore
        path = Path(sys.argv[1])
        async def main():
            store = SQLiteStore(path / "in" / "tokens.db")
            version = await store.swap("alice", a_record(), expected=0)
            if not os.getuid():
                os.chmod(path, 0o755)
                os.chmod(path / "in", 0o755)
                os.chmod(path / "in" / "tokens.db", 0o644)
                os.setgid(65534); os.setuid(65534)
            else:
                os.chmod(path / "in" / "tokens.db", 0o400)
            await told(store.swap("alice", a_record(2), expected=version))
        asyncio.run(main())
        """
    # Not below pytest's folders, which other users may not enter.
    with tempfile.TemporaryDirectory(prefix="bitbucket-auth-async-") as folder:
        printed = run(code, folder)
    assert printed.startswith("StoreError False")
    assert "own the file and its directory" in printed


async def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/tokens\.db could not be written"):
        await SQLiteStore(tmp_path / "file" / "tokens.db").swap("alice", a_record(), expected=0)


async def test_a_cancelled_swap_still_runs_to_its_end(store: SQLiteStore) -> None:
    swap = asyncio.ensure_future(store.swap("alice", a_record(), expected=0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    swap.cancel()
    await asyncio.wait([swap])
    while await store.load("alice") is None:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="can't name a file"):
        SQLiteStore(path)


def test_one_store_serves_two_event_loops_one_after_the_other(store: SQLiteStore) -> None:
    async def crowd(key: str) -> list[int]:
        return await asyncio.gather(*(store.swap(key, a_record(n), expected=0) for n in range(8)))

    assert sum(map(bool, asyncio.run(crowd("alice")))) == 1
    assert sum(map(bool, asyncio.run(crowd("bob")))) == 1
