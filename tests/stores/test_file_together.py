"""FileStore shared by processes, threads and tasks, some of which are killed or cancelled."""

# ruff: noqa: ASYNC110  - a lock file and a pipe set no event

import asyncio
import errno
import os
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import Popen

import pytest
from anyio import to_thread
from filelock import FileLock, Timeout

from bitbucket_auth_async.errors import StoreError
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.testing.store_contract import a_record
from tests.support.swap_counting import SIZE, count_in_four_threads

INCREMENT = """
from tests.support.swap_counting import count_up
asyncio.run(count_up(FileStore(sys.argv[1]), 50))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


async def test_four_processes_count_to_two_hundred_and_lose_no_swap(
    start: Callable[..., Popen[str]], ended: Callable[[Popen[str]], str], path: Path
) -> None:
    for process in [start(INCREMENT, path) for _ in range(4)]:
        ended(process)
    found = await FileStore(path).load("alice")
    assert found is not None
    assert found.record == a_record(200, size=SIZE)


async def test_four_threads_with_their_own_event_loops_count_to_forty_through_one_store(path: Path) -> None:
    store = FileStore(path)
    await asyncio.to_thread(count_in_four_threads, store, 10)
    found = await store.load("alice")
    assert found is not None
    assert found.record == a_record(40, size=SIZE)


async def test_r9_a_process_killed_at_any_moment_leaves_a_complete_file_and_no_lock(
    run: Callable[..., str], path: Path
) -> None:
    first = await FileStore(path).swap("alice", a_record(1, size=3_000), expected=0)
    printed = run(
        """
        path, version = Path(sys.argv[1]), int(sys.argv[2])
        warm_up()
        # A process that has imported everything forks many children and kills each after some milliseconds. The time is
        # adjusted until about half of them manage a write, on a machine as busy as this one.
        longest = 0.015
        async def write(version):
            store, number = FileStore(path), 1
            while True:
                number += 1
                version = await store.swap("alice", a_record(number, size=3_000), expected=version)
                assert version, "no other process writes"
        for _ in range(100):
            if not (child := os.fork()):
                asyncio.run(write(version))
            time.sleep(random.uniform(0.002, longest))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            entry = json.loads(path.read_bytes())["records"]["alice"]
            longest = longest * 1.1 if entry["version"] == version else max(0.015, longest / 1.1)
            version = entry["version"]
            record = JsonCodec().decode("alice", json.dumps(entry["record"]).encode())
            assert record == a_record(record.generation, size=3_000)
        print(version)
        """,
        path,
        str(first),
    )
    version = int(printed)
    assert version != first
    assert await FileStore(path).swap("alice", a_record(), expected=version)
    assert sorted(left.name for left in path.parent.iterdir()) == ["tokens.json", "tokens.json.lock"]


@asynccontextmanager
async def stuck_halfway(path: Path) -> AsyncGenerator[asyncio.Task[int]]:
    """Yield a swap whose thread holds the lock and blocks: it reads a pipe that nothing has been written to."""
    os.mkfifo(path)
    swap = asyncio.ensure_future(FileStore(path).swap("alice", a_record(), expected=0))
    while True:
        try:  # a pipe opens for writing without blocking only if a reader waits
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            await asyncio.sleep(0.001)
        else:
            break
    try:
        yield swap
    finally:
        os.write(pipe, b"{}")
        os.close(pipe)


def is_locked(path: Path) -> bool:
    try:
        with FileLock(f"{path}.lock", blocking=False):
            return False
    except Timeout:
        return True


async def test_r4_a_cancelled_swap_keeps_the_lock_until_its_write_ends(path: Path) -> None:
    async with stuck_halfway(path) as swap:
        swap.cancel()
        await asyncio.wait([swap])
        assert swap.cancelled()
        assert is_locked(path)
    while is_locked(path):
        await asyncio.sleep(0.001)
    found = await FileStore(path).load("alice")
    assert found is not None
    assert found.record == a_record()


async def test_r4_a_swap_that_timed_out_still_runs_to_its_end(path: Path) -> None:
    async with stuck_halfway(path):
        other = FileStore(path, lock_timeout=0.05)
        with pytest.raises(StoreError, match=r"was not written within 0.05 s: its lock is taken"):
            await other.swap("alice", a_record(2), expected=0)
    while is_locked(path):
        await asyncio.sleep(0.001)
    assert await FileStore(path).swap("alice", a_record(2), expected=0) == 0


def test_r4_a_closing_event_loop_does_not_interrupt_a_write(path: Path) -> None:
    async def main() -> None:
        async with stuck_halfway(path):
            pass  # the swap is abandoned, and its event loop closes right away

    asyncio.run(main())
    while is_locked(path):
        threading.Event().wait(0.001)
    found = asyncio.run(FileStore(path).load("alice"))
    assert found is not None
    assert found.record == a_record()


async def test_a_swap_that_waits_for_the_lock_continues_as_soon_as_it_is_free(path: Path) -> None:
    lock = FileLock(f"{path}.lock", thread_local=False)
    lock.acquire()
    asyncio.get_running_loop().call_later(0.05, lock.release)
    assert await FileStore(path).swap("alice", a_record(), expected=0)


async def test_a_lock_that_stays_taken_is_a_retryable_error(path: Path) -> None:
    version = await FileStore(path).swap("alice", a_record(), expected=0)
    store = FileStore(path, lock_timeout=0.05)
    with FileLock(f"{path}.lock"):
        with pytest.raises(StoreError, match=r"tokens\.json was not written within 0.05 s") as caught:
            await store.swap("alice", a_record(2), expected=version)
        assert caught.value.retryable
        assert await store.load("alice") == Versioned(a_record(), version)  # reading takes no lock
    assert await FileStore(path).swap("alice", a_record(2), expected=version)


async def test_the_store_works_while_every_shared_thread_waits_for_a_token(path: Path) -> None:
    token_is_there = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    waiting = [loop.run_in_executor(None, token_is_there.wait)]
    limiter = to_thread.current_default_thread_limiter()
    waiting += [
        asyncio.ensure_future(to_thread.run_sync(token_is_there.wait)) for _ in range(int(limiter.total_tokens))
    ]
    while limiter.available_tokens:
        await asyncio.sleep(0)
    try:
        version = await FileStore(path, lock_timeout=5).swap("alice", a_record(), expected=0)
        async with asyncio.timeout(5):
            assert await FileStore(path).load("alice") == Versioned(a_record(), version)
    finally:
        token_is_there.set()
    await asyncio.gather(*waiting)


async def test_a_hanging_disk_takes_four_threads_however_many_reads_there_are(path: Path) -> None:
    os.mkfifo(path)  # opening it blocks until it is written to
    store, before = FileStore(path), threading.active_count()
    try:
        for _ in range(9):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.load("alice"), 0.02)
        assert threading.active_count() - before <= 4
    finally:
        os.close(os.open(path, os.O_RDWR))


async def test_a_hanging_disk_takes_one_more_thread_however_many_writes_there_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, mended, begun = os.path.realpath, threading.Event(), list[str]()

    def hang(name: str) -> str:
        begun.append(name)
        mended.wait()
        return real(name)

    store = FileStore(path, lock_timeout=0.02)
    try:
        with monkeypatch.context() as patched:
            patched.setattr("os.path.realpath", hang)
            for _ in range(9):
                with pytest.raises(StoreError, match="the disk hangs"):
                    await store.swap("alice", a_record(), expected=0)
    finally:
        mended.set()
    assert begun == [str(path)]
    assert await FileStore(path).swap("bob", a_record(), expected=0)


async def test_a_cancelled_load_leaves_no_file_open(path: Path) -> None:
    # A file left open would be a ResourceWarning, and warnings are errors here.
    await FileStore(path).swap("alice", a_record(), expected=0)
    for steps in range(12):
        load = asyncio.ensure_future(FileStore(path).load("alice"))
        for _ in range(steps):
            await asyncio.sleep(0)
        load.cancel()
        await asyncio.wait([load])


def test_one_store_serves_two_event_loops_one_after_the_other(path: Path) -> None:
    store = FileStore(path)

    async def crowd(key: str) -> list[int]:
        return await asyncio.gather(*(store.swap(key, a_record(n), expected=0) for n in range(8)))

    assert sum(map(bool, asyncio.run(crowd("alice")))) == 1
    assert sum(map(bool, asyncio.run(crowd("bob")))) == 1
