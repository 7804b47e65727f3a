"""SystemClock, and the functions that wait on any Clock."""

import asyncio
import socket
import subprocess
import sys
import time

import pytest

from bitbucket_auth_async.errors import DeadlineError, UnavailableError
from bitbucket_auth_async.runtime.clocks import SYSTEM_CLOCK, join, sleep, within
from bitbucket_auth_async.testing.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_the_wall_clock_is_the_system_clock() -> None:
    assert abs(SYSTEM_CLOCK.wall() - time.time()) < 1


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no such clock")
def test_r5_the_boot_clock_counts_suspends_where_the_system_does() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = SYSTEM_CLOCK.boot()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_r5_the_boot_clock_is_clock_boottime_or_else_monotonic() -> None:
    program = """
import time
{}
time.clock_gettime = lambda which: 7.0 + which
time.monotonic = lambda: 5.0
from bitbucket_auth_async.runtime import clocks
print(clocks.SYSTEM_CLOCK.boot())
"""
    for line, said in (("time.CLOCK_BOOTTIME = 70", "77.0"), ("vars(time).pop('CLOCK_BOOTTIME', None)", "5.0")):
        done = subprocess.run(
            [sys.executable, "-c", program.format(line)], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == said


async def test_the_system_clock_calls_back_in_the_running_loop() -> None:
    woken = asyncio.Event()
    SYSTEM_CLOCK.call_later(0.0, woken.set)
    await asyncio.wait_for(woken.wait(), 5)
    SYSTEM_CLOCK.call_later(0.0, woken.clear).cancel()
    await asyncio.sleep(0.001)  # it is due
    assert woken.is_set()


async def test_sleep_takes_as_long_as_the_clock_says(clock: FakeClock) -> None:
    sleeper = asyncio.create_task(sleep(clock, 5))
    await clock.advance(4.9)
    assert not sleeper.done()
    await clock.advance(0.1)
    assert sleeper.done()
    await sleeper


async def test_a_cancelled_sleeper_leaves_no_timer_behind(clock: FakeClock) -> None:
    sleeper = asyncio.create_task(sleep(clock, 5))
    await clock.settle()
    assert clock.timers == 1
    sleeper.cancel()
    await clock.settle()
    assert sleeper.cancelled()
    assert clock.timers == 0


async def test_within_returns_the_result_and_leaves_no_timer_behind(clock: FakeClock) -> None:
    async def work() -> str:
        await sleep(clock, 1)
        return "done"

    task = asyncio.create_task(within(clock, 2, work()))
    await clock.advance(1)
    assert await task == "done"
    assert clock.timers == 0


async def test_within_cancels_the_work_when_the_time_is_up(clock: FakeClock) -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await sleep(clock, 10)
        finally:
            cancelled.set()

    task = asyncio.create_task(within(clock, 2, work()))
    await clock.advance(1.9)
    assert not task.done()
    await clock.advance(0.1)
    with pytest.raises(TimeoutError):
        await task
    assert cancelled.is_set()
    assert clock.timers == 0


async def test_within_raises_the_error_of_the_work(clock: FakeClock) -> None:
    async def work() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await within(clock, 2, work())
    assert clock.timers == 0


async def test_within_can_be_cancelled(clock: FakeClock) -> None:
    task = asyncio.create_task(within(clock, 2, sleep(clock, 10)))
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.timers == 0


async def test_within_distinguishes_a_cancelled_operation_from_a_cancelled_task(clock: FakeClock) -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ConnectionAbortedError, match="The awaited operation was cancelled"):
        await within(clock, 2, work())
    assert clock.timers == 0


async def test_join_returns_when_the_task_is_done(clock: FakeClock) -> None:
    task = asyncio.create_task(sleep(clock, 1))
    waiter = asyncio.create_task(join(clock, task, 5))
    await clock.advance(1)
    assert waiter.done()
    await waiter
    assert clock.timers == 0


async def test_join_of_a_task_that_is_done_returns(clock: FakeClock) -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    await join(clock, task, 5)


async def test_r4_after_a_timeout_of_join_the_task_goes_on(clock: FakeClock) -> None:
    task = asyncio.create_task(sleep(clock, 9))
    waiter = asyncio.create_task(join(clock, task, 5))
    await clock.advance(4.9)
    assert not waiter.done()
    await clock.advance(0.1)
    with pytest.raises(DeadlineError, match="The work goes on"):
        await waiter
    await clock.advance(4)
    assert task.done()
    await task


async def test_r4_after_a_cancelled_join_the_task_goes_on(clock: FakeClock) -> None:
    task = asyncio.create_task(sleep(clock, 9))
    waiter = asyncio.create_task(join(clock, task, 5))
    await clock.settle()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert clock.timers == 1, "the task's own"
    await clock.advance(9)
    await task


async def test_join_raises_a_deadline_error_if_the_task_was_cancelled(clock: FakeClock) -> None:
    task = asyncio.create_task(sleep(clock, 9))
    waiter = asyncio.create_task(join(clock, task, 5))
    await clock.settle()
    task.cancel()
    with pytest.raises(DeadlineError, match="cancelled the work"):
        await waiter


async def test_r7_each_waiter_gets_its_own_copy_of_the_error(clock: FakeClock) -> None:
    failure = UnavailableError("down", status=503)

    async def fail() -> None:
        raise failure

    task = asyncio.create_task(fail())
    errors = await asyncio.gather(*(join(clock, task, 5) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in errors] == [UnavailableError] * 3
    assert len({id(error) for error in (*errors, failure)}) == 4


async def test_join_raises_an_unexpected_error_unchanged(clock: FakeClock) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await join(clock, asyncio.create_task(fail()), 5)


async def test_r2_a_loop_held_up_beyond_the_limit_still_gets_an_answer_that_has_arrived() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)

    async def answer() -> bytes:
        read = await asyncio.get_running_loop().sock_recv(ours, 10)
        for _ in range(5):  # the answer passes through a parser and several callbacks
            await asyncio.sleep(0)
        return read

    with ours, theirs:
        waiting = asyncio.create_task(within(SYSTEM_CLOCK, 0.05, answer()))
        await asyncio.sleep(0)
        theirs.send(b"a token")
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is held up on purpose
        assert await waiting == b"a token"


async def test_a_loop_held_up_beyond_the_limit_times_out_without_an_answer() -> None:
    waiting = asyncio.create_task(within(SYSTEM_CLOCK, 0.05, asyncio.Event().wait()))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 - the loop is held up on purpose
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 5)
    assert waiting.done()
