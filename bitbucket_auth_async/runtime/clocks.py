"""Clock, the system's clock, and functions that wait on any Clock."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from bitbucket_auth_async.errors import BitbucketAuthError, DeadlineError

_T = TypeVar("_T")

_TIMER_TOLERANCE = 0.1
"""Seconds by which a timer may be late in a loop that was not held up."""
_EXTRA_TIME = 1.0
"""Seconds that a loop gets after it was held up."""

# time.monotonic stands still while a Linux machine sleeps, but tokens go on ageing.
_boot: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)


class Timer(Protocol):
    """The handle that `call_later` returns."""

    def cancel(self) -> object:
        """Make sure that the callback is no longer called."""
        ...


class Clock(Protocol):
    """The two clocks that the protocol reads, and its only way to wait."""

    def wall(self) -> float:
        """Return seconds since the epoch; this clock may be set at any moment."""
        ...

    def boot(self) -> float:
        """Return seconds on a monotonic clock, which includes suspends where the system has such a clock."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back once in the running loop, after *delay* seconds."""
        ...


class SystemClock:
    """The system's wall clock and boot clock, and the running loop's timers."""

    __slots__ = ()
    wall = staticmethod(time.time)
    boot = staticmethod(_boot)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back once in the running loop, after *delay* seconds."""
        return asyncio.get_running_loop().call_later(delay, callback)


SYSTEM_CLOCK = SystemClock()
"""The default clock.

:meta hide-value:
"""


def jitter() -> float:
    """Return a random number between 0 and 1, to spread the actions of many processes."""
    import random  # noqa: PLC0415 - only a renewal needs it

    return random.random()  # noqa: S311 - spreads load, is no secret


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait *seconds* on *clock*."""
    woken = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, partial(_wake, woken))
    try:
        await woken
    finally:
        timer.cancel()


async def within(clock: Clock, seconds: float, work: Awaitable[_T]) -> _T:
    """Return the result of *work*, or cancel it after *seconds* on *clock*.

    A loop that was held up longer, as by a stopped process or blocking code, gets a second more. Otherwise an answer
    that is already in the socket would be lost to the timer.

    Raises:
        TimeoutError: The time was up first.
        ConnectionAbortedError: Something that *work* waited for was cancelled, but this task was not.
    """
    due = clock.boot() + seconds
    timer: Timer
    async with asyncio.timeout(None) as scope:

        def end() -> None:
            nonlocal timer
            if clock.boot() > due + _TIMER_TOLERANCE:
                timer = clock.call_later(_EXTRA_TIME, partial(scope.reschedule, 0.0))
            else:
                scope.reschedule(0.0)

        timer = clock.call_later(seconds, end)
        try:
            return await work
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            msg = "The awaited operation was cancelled."  # a CancelledError would end our own task silently
            raise ConnectionAbortedError(msg) from error
        finally:
            timer.cancel()


async def join(clock: Clock, task: "asyncio.Task[Any]", seconds: float) -> None:
    """Wait for a task that goes on if this caller is cancelled or its time is up.

    Raises:
        DeadlineError: *seconds* passed on *clock*, or the task was cancelled.
        BitbucketAuthError: The task's error, as a copy for each waiter.
    """
    # One done callback for all waiters, in an ordered set: removing one of thousands of callbacks would be slow.
    waiting = _waiting.get(task)
    if waiting is None:
        waiting = _waiting[task] = {}
        task.add_done_callback(_wake_all)
    done = asyncio.get_running_loop().create_future()
    waiting[done] = None
    timer = clock.call_later(seconds, partial(_wake, done))
    try:
        await done
    finally:
        timer.cancel()
        waiting.pop(done, None)
    if not task.done():
        msg = "No result came in time. The work goes on, so a later call may find it done."
        raise DeadlineError(msg)
    if task.cancelled():
        msg = "The event loop cancelled the work; the next call repeats it."
        raise DeadlineError(msg)
    error = task.exception()
    if isinstance(error, BitbucketAuthError):
        raise error.again()
    if error is not None:
        raise error


_waiting: "WeakKeyDictionary[asyncio.Task[Any], dict[asyncio.Future[None], None]]" = WeakKeyDictionary()


def _wake_all(task: "asyncio.Task[Any]") -> None:
    for future in _waiting.pop(task, ()):
        _wake(future)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
