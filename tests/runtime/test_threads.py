"""Threads: a few at a time, even if callers are cancelled."""

import asyncio
import gc
import threading

import pytest

from bitbucket_auth_async.runtime.threads import Threads


async def test_the_thread_of_a_cancelled_caller_still_counts() -> None:
    threads, go, begun = Threads(2), threading.Event(), threading.Semaphore(0)

    def hang() -> str:
        begun.release()
        go.wait()
        return "ended"

    try:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(threads.run(hang), 0.05)
        assert begun.acquire(blocking=False)
        assert begun.acquire(blocking=False)
        assert not begun.acquire(blocking=False), "the other three had to wait, and left"
    finally:
        go.set()
    assert await asyncio.gather(*(threads.run(hang) for _ in range(3))) == ["ended"] * 3


async def test_an_error_after_the_caller_was_cancelled_is_not_logged_by_asyncio() -> None:
    threads, go, complaints = Threads(1), threading.Event(), list[object]()

    def fail() -> None:
        go.wait()
        raise OSError

    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(threads.run(fail), 0.05)
    go.set()
    await threads.run(str, 1)  # the slot of the first is free
    gc.collect()
    assert not complaints


async def test_an_error_of_the_work_is_raised_and_frees_the_slot() -> None:
    threads = Threads(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
    assert await threads.run(divmod, 7, 3) == (2, 1)


def test_each_loop_has_its_own_slots() -> None:
    threads, go = Threads(1), threading.Event()

    async def leave_one_hanging() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(go.wait), 0.05)

    try:
        asyncio.run(leave_one_hanging())
        assert asyncio.run(threads.run(str, 1)) == "1"
    finally:
        go.set()
