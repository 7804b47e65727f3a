"""FakeClock: what moves the clocks, and in which order timers fire."""

import asyncio
from functools import partial

import pytest
import uvloop

from bitbucket_auth_async.testing.fake_clock import FakeClock


async def test_time_stands_still_until_advance() -> None:
    clock = FakeClock(wall=100.0, boot=5.0)
    await asyncio.sleep(0.01)  # real time goes on
    assert (clock.wall(), clock.boot()) == (100.0, 5.0)
    await clock.advance(2.5)
    assert (clock.wall(), clock.boot()) == (102.5, 7.5)


async def test_timers_fire_in_the_order_of_due_time_then_of_creation() -> None:
    clock, fired = FakeClock(), list[str]()
    for delay, name in ((2, "late"), (1, "early"), (1, "early too"), (3, "never")):
        clock.call_later(delay, partial(fired.append, name))
    await clock.advance(2)
    assert fired == ["early", "early too", "late"]
    assert (clock.timers, clock.next_timer) == (1, 1.0)


async def test_a_timer_sees_its_due_time_on_both_clocks() -> None:
    clock, seen = FakeClock(wall=0.0, boot=0.0), list[tuple[float, float]]()
    clock.call_later(1.5, lambda: seen.append((clock.wall(), clock.boot())))
    await clock.advance(10)
    assert seen == [(1.5, 1.5)]
    assert clock.boot() == 10.0


async def test_a_cancelled_timer_never_fires_even_if_its_neighbour_cancels_it() -> None:
    clock, fired = FakeClock(), list[str]()
    first, second = (clock.call_later(1, partial(fired.append, name)) for name in ("first", "second"))
    clock.call_later(0.5, first.cancel)
    clock.call_later(1, second.cancel)  # created after the timer that it cancels, so too late
    await clock.advance(2)
    assert fired == ["second"]
    assert clock.timers == 0


async def test_a_chain_of_many_awaits_finishes_before_the_next_timer() -> None:
    clock, told = FakeClock(), list[str]()

    async def chain() -> None:
        for _ in range(300):
            await asyncio.sleep(0)
        told.append("chain")

    async with asyncio.TaskGroup() as group:
        clock.call_later(1, lambda: group.create_task(chain()))
        clock.call_later(2, partial(told.append, "timer"))
        await clock.advance(3)
        assert told == ["chain", "timer"]


async def test_a_timer_created_by_a_timer_fires_in_the_same_advance() -> None:
    clock, seen = FakeClock(boot=0.0), list[float]()

    def again() -> None:
        seen.append(clock.boot())
        clock.call_later(1, again)

    clock.call_later(1, again)
    await clock.advance(3.5)
    assert seen == [1.0, 2.0, 3.0]


async def test_a_timer_without_delay_needs_no_advance() -> None:
    clock, fired = FakeClock(), list[str]()
    clock.call_later(0, partial(fired.append, "now"))
    clock.call_later(-1, partial(fired.append, "cancelled")).cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fired == ["now"]


async def test_ten_tenths_are_one_second() -> None:
    clock, fired = FakeClock(boot=0.0), list[str]()
    clock.call_later(1, partial(fired.append, "fired"))
    for _ in range(10):
        await clock.advance(0.1)
    assert fired == ["fired"]
    assert clock.boot() == 1.0


async def test_a_stepped_wall_clock_fires_no_timer_and_keeps_boot_time() -> None:
    clock, fired = FakeClock(wall=1000.0, boot=1.0), list[str]()
    clock.call_later(5, partial(fired.append, "fired"))
    clock.step_wall(86_400)
    clock.step_wall(-2 * 86_400)
    await clock.settle()
    assert (clock.wall(), clock.boot(), fired) == (1000.0 - 86_400, 1.0, [])
    await clock.advance(5)
    assert fired == ["fired"]


async def test_a_suspend_moves_both_clocks_and_delays_timers() -> None:
    clock, fired = FakeClock(wall=0.0, boot=0.0), list[float]()
    clock.call_later(10, lambda: fired.append(clock.boot()))
    clock.suspend(3600)
    assert (clock.wall(), clock.boot(), fired) == (3600.0, 3600.0, [])
    await clock.advance(10)
    assert fired == [3610.0]


async def test_sleep_ends_on_time_and_a_cancelled_sleep_leaves_no_timer() -> None:
    clock = FakeClock()
    sleeper, cancelled = asyncio.create_task(clock.sleep(2)), asyncio.create_task(clock.sleep(2))
    await clock.advance(1.9)
    assert not sleeper.done()
    cancelled.cancel()
    await clock.settle()
    assert clock.timers == 1
    await clock.advance(0.1)
    assert sleeper.done()


async def test_advance_refuses_negative_seconds() -> None:
    with pytest.raises(ValueError, match="step_wall"):
        await FakeClock().advance(-1)


async def test_advance_returns_although_the_loop_is_never_idle() -> None:
    loop = asyncio.get_running_loop()
    rounds = 0

    def busy() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 100_000:
            loop.call_soon(busy)

    busy()
    await FakeClock().advance(1)
    assert rounds < 100_000


def test_it_works_on_a_loop_whose_queue_can_not_be_read() -> None:
    async def under_uvloop() -> bool:
        clock = FakeClock()
        sleeper = asyncio.create_task(clock.sleep(1))
        await clock.advance(1)
        return sleeper.done()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(under_uvloop())
