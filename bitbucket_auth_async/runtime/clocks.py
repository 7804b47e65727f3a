"""The real clock, and the ways of waiting that hold for any Clock."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from bitbucket_auth_async.errors import BitbucketAuthError, DeadlineError

_T = TypeVar("_T")

_LATE = 0.1
"""Seconds by which a timer may be late without meaning anything."""
_MOMENT = 1.0
"""Seconds for who was held up."""

# time.monotonic stands still while a Linux machine sleeps; tokens don't stop ageing.
_boot: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)


class Timer(Protocol):
    """What `call_later` gives back."""

    def cancel(self) -> object:
        """Make sure that the callback is not called any more."""
        ...


class Clock(Protocol):
    """The two clocks that the protocol reads, and the one way in which it waits."""

    def wall(self) -> float:
        """Return seconds since the epoch; it may be stepped at any moment."""
        ...

    def boot(self) -> float:
        """Return seconds on a clock that never goes back and, where the system has one, counts suspends."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back once in the running loop, after *delay* seconds."""
        ...


class SystemClock:
    """This machine's clocks: wall time, boot time where there is one, and the running loop's timers."""

    __slots__ = ()
    wall = staticmethod(time.time)
    boot = staticmethod(_boot)

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back once in the running loop, after *delay* seconds."""
        return asyncio.get_running_loop().call_later(delay, callback)


SYSTEM_CLOCK = SystemClock()
"""The clock of whoever brings no other.

:meta hide-value:
"""


def jitter() -> float:
    """Return a random number between 0 and 1, to spread what many processes do at the same time."""
    return random.random()  # noqa: S311 - spreads load, guards nothing


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait *seconds* on *clock*."""
    woken = asyncio.get_running_loop().create_future()
    timer = clock.call_later(seconds, partial(_wake, woken))
    try:
        await woken
    finally:
        timer.cancel()


async def within(clock: Clock, seconds: float, work: Awaitable[_T]) -> _T:
    """Return what *work* gives, or cancel it after *seconds* on *clock*.

    A loop that was held up beyond that, as by a stopped process or by code that blocks, gets a moment to take what
    came meanwhile: an answer that lies in our socket must not be lost to a timer that is due in the same turn.

    Raises:
        TimeoutError: The time was up first.
        ConnectionAbortedError: Not we were cancelled, but something that *work* waited for.
    """
    due = clock.boot() + seconds
    timer: Timer
    async with asyncio.timeout(None) as scope:

        def end() -> None:
            nonlocal timer
            if clock.boot() > due + _LATE:
                timer = clock.call_later(_MOMENT, partial(scope.reschedule, 0.0))
            else:
                scope.reschedule(0.0)

        timer = clock.call_later(seconds, end)
        try:
            return await work
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            msg = "What was waited for was cancelled."  # passed on, that would end our own task without a word
            raise ConnectionAbortedError(msg) from error
        finally:
            timer.cancel()


async def join(clock: Clock, task: "asyncio.Task[Any]", seconds: float) -> None:
    """Wait for a task without owning it: who is cancelled or late leaves, and the task goes on.

    Raises:
        DeadlineError: *seconds* passed on *clock*, or the task was cancelled.
        BitbucketAuthError: What the task raised, anew for each who waits.
    """
    # One callback of the task for all who wait, and an ordered set of them: whoever leaves is found at once, where
    # thousands of callbacks would be searched one by one.
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
        msg = "Nothing came in time. The work goes on, so a later call may find it done."
        raise DeadlineError(msg)
    if task.cancelled():
        msg = "The event loop cancelled the work; what it had begun is repeated by the next call."
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
