"""PerLoop: one resource for each open loop."""

import asyncio
import gc
import threading
import weakref

from bitbucket_auth_async.runtime.per_loop import PerLoop


def test_a_closed_loop_is_freed_even_after_a_wait_for_its_lock() -> None:
    locks = PerLoop("Store", asyncio.Lock)
    loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()

    async def take_turns() -> None:
        async def turn() -> None:
            async with locks.get():
                await asyncio.sleep(0)

        loops.add(asyncio.get_running_loop())
        await asyncio.gather(turn(), turn())

    for _ in range(5):
        asyncio.run(take_turns())
    gc.collect()
    assert len(loops) == 1, "the last one is forgotten as the next one comes"


def test_loops_in_many_threads_open_resources_at_once() -> None:
    locks, problems = PerLoop("Store", asyncio.Lock), list[BaseException]()

    async def get() -> None:
        assert locks.get() is locks.get()

    def come() -> None:
        try:
            for _ in range(20):
                asyncio.run(get())
        except BaseException as error:  # noqa: BLE001 - to be raised in the test
            problems.append(error)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
