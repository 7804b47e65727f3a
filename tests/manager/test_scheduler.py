"""Scheduler: one task that starts renewals at their due times, with a limit."""

import asyncio
import math
from collections import Counter
from contextvars import ContextVar

import pytest

from bitbucket_auth_async.manager.scheduler import Scheduler
from bitbucket_auth_async.testing.fake_clock import FakeClock

_request: ContextVar[str] = ContextVar("_request", default="none")


class Renewals:
    """Starts fake renewals, and counts how many run at once."""

    def __init__(self, clock: FakeClock, *, max_running: int = 2, lasting: float = 0.0) -> None:
        self.clock = clock
        self.begun: list[tuple[float, str]] = []
        self.lasting = lasting
        self.now = self.most = 0
        self.idle: set[str] = set()
        self.scheduler = Scheduler(clock, self.begin, max_running=max_running)
        self.start = clock.boot()

    def begin(self, key: str) -> "asyncio.Task[None] | None":
        if key in self.idle:
            return None
        self.begun.append((self.clock.boot() - self.start, key))
        return asyncio.get_running_loop().create_task(self._last())

    async def _last(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.lasting:
            await self.clock.sleep(self.lasting)
        self.now -= 1

    def schedule(self, seconds: float, key: str) -> None:
        self.scheduler.schedule(self.start + seconds, key)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_each_renewal_starts_when_it_is_due(clock: FakeClock) -> None:
    renewals = Renewals(clock)
    renewals.schedule(20, "b")
    renewals.schedule(10.25, "a")
    renewals.scheduler.start()
    await clock.advance(10)
    assert renewals.begun == []
    renewals.schedule(10.5, "c")  # earlier than the time it sleeps until
    await clock.advance(20)
    assert renewals.begun == [(10.25, "a"), (10.5, "c"), (20.0, "b")]
    renewals.scheduler.stop()


async def test_distant_due_times_are_rounded_up_to_a_second(clock: FakeClock) -> None:
    renewals = Renewals(clock)
    renewals.scheduler.start()
    for number in range(100):
        renewals.schedule(3600 + number / 100, f"{number}")
    await clock.advance(4000)
    delays = {moment - 3600 - int(key) / 100 for moment, key in renewals.begun}
    assert len(renewals.begun) == 100
    assert min(delays) >= 0
    assert max(delays) < 1
    assert len({moment for moment, _ in renewals.begun}) == 2
    renewals.scheduler.stop()


async def test_a_past_due_time_starts_at_once_and_an_infinite_one_never(clock: FakeClock) -> None:
    renewals = Renewals(clock)
    renewals.scheduler.start()
    renewals.schedule(-math.inf, "past")
    renewals.schedule(math.inf, "never")
    await clock.settle()
    assert renewals.begun == [(0.0, "past")]
    await clock.advance(10**6)
    assert renewals.begun == [(0.0, "past")]
    renewals.scheduler.stop()


async def test_no_more_renewals_run_than_the_limit(clock: FakeClock) -> None:
    renewals = Renewals(clock, max_running=3, lasting=10)
    renewals.scheduler.start()
    for number in range(10):
        renewals.schedule(5, f"{number}")
    await clock.advance(60)
    assert renewals.most == 3
    assert Counter(moment for moment, _ in renewals.begun) == {5: 3, 15: 3, 25: 3, 35: 1}
    renewals.scheduler.stop()


async def test_a_key_without_a_renewal_takes_no_slot(clock: FakeClock) -> None:
    renewals = Renewals(clock, max_running=1, lasting=1000)
    renewals.idle = {"a", "b"}
    renewals.scheduler.start()
    for key in "abc":
        renewals.schedule(5, key)
    await clock.advance(5)
    assert renewals.begun == [(5.0, "c")]
    renewals.scheduler.stop()


async def test_a_suspended_machine_is_noticed_within_a_minute(clock: FakeClock) -> None:
    renewals = Renewals(clock)
    renewals.scheduler.start()
    renewals.schedule(3600, "a")
    await clock.settle()
    clock.suspend(4000)  # timers stood still
    await clock.advance(60)
    assert [key for _, key in renewals.begun] == ["a"]
    renewals.scheduler.stop()


async def test_stop_starts_no_more_renewals_and_leaves_running_ones(clock: FakeClock) -> None:
    renewals = Renewals(clock, lasting=10)
    renewals.scheduler.start()
    renewals.schedule(1, "a")
    renewals.schedule(2, "b")
    await clock.advance(1)
    renewals.scheduler.stop()
    await clock.advance(20)
    assert renewals.begun == [(1.0, "a")]
    assert renewals.now == 0
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


async def test_the_scheduler_does_not_keep_the_context_of_the_first_caller(clock: FakeClock) -> None:
    seen: list[str] = []
    scheduler = Scheduler(clock, lambda _: seen.append(_request.get()), max_running=1)
    _request.set("the first one's")
    scheduler.start()
    scheduler.schedule(clock.boot() + 10, "a")
    await clock.advance(10)
    scheduler.stop()
    assert seen == ["none"]


def test_r6_renewals_that_waited_in_a_closed_loop_start_in_the_next_one(clock: FakeClock) -> None:
    renewals = Renewals(clock, max_running=1, lasting=100)
    for key in "abc":
        renewals.schedule(1, key)

    async def run(seconds: float) -> None:
        renewals.scheduler.start()
        await clock.advance(seconds)

    asyncio.run(run(2))
    assert len(renewals.begun) == 1
    asyncio.run(run(200))
    assert {key for _, key in renewals.begun} == {"a", "b", "c"}
