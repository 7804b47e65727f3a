"""RateLimit: never more than the budget in any period, evenly, in order, and across processes."""

import asyncio
import logging
from bisect import bisect_right
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bitbucket_auth_async.api.rate_limit import EvenSchedule, RateLimit
from bitbucket_auth_async.errors import ConfigurationError, StoreError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Versioned
from bitbucket_auth_async.renewal.record import Issuer, Record, Rest
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.scripted_server import always
from tests.support.api_session import json_response, open_session


def most_in_any_span(moments: list[float], per: float) -> int:
    return max(bisect_right(moments, begin + per - 1e-6) - place for place, begin in enumerate(moments))


@given(
    limit=st.integers(1, 60),
    per=st.sampled_from([1.0, 60.0, 3600.0]),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
@example(limit=20, per=60.0, gaps=[0.0] * 60)
@example(limit=1, per=60.0, gaps=[0.1406635705430497, 0.0])  # the due time is 60.00000000000001 s away
def test_no_period_has_more_turns_than_the_budget(limit: int, per: float, gaps: list[float]) -> None:
    schedule, due, now, moments = EvenSchedule(limit, per), float("-inf"), 0.0, list[float]()
    for gap in gaps:
        now += gap * per / limit
        while True:
            wait, due = schedule.turn(due, now)
            if wait <= 0:
                break
            now += wait
        moments.append(now)
    assert most_in_any_span(moments, per) <= limit


def test_a_tenth_comes_at_once_and_the_rest_evenly() -> None:
    schedule, due, now, moments = EvenSchedule(1000, 3600.0), float("-inf"), 0.0, list[float]()
    for _ in range(1_000):
        wait, due = schedule.turn(due, now)
        if wait > 0:
            now += wait
            _, due = schedule.turn(due, now)
        moments.append(now)
    assert moments[:101].count(0.0) == 100
    assert {round(later - earlier, 6) for earlier, later in pairwise(moments[100:])} == {4.0}
    assert moments[-1] == pytest.approx(3600, abs=1e-6)


def test_a_due_time_too_far_away_is_ignored() -> None:
    assert EvenSchedule(10, 60.0).turn(1e9, 5.0)[0] == 0.0


@pytest.mark.parametrize("ahead", [0.0, 100.0])
def test_a_host_waits_longer_by_the_lead_of_another_hosts_clock(ahead: float) -> None:
    schedule = EvenSchedule(10, 3600.0)
    _, due = schedule.turn(float("-inf"), 5.0 + ahead)
    assert schedule.turn(due, 5.0)[0] == 400.0 + ahead


class Callers:
    """Callers who each note when their turn came."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.turns: list[tuple[int, float]] = []

    async def come(self, name: int, limit: RateLimit) -> None:
        await limit.turn()
        self.turns.append((name, self.clock.boot() - 1_000))


async def test_turns_come_in_the_order_of_the_calls() -> None:
    clock = FakeClock()
    callers, limit = Callers(clock), RateLimit(20, per=36, clock=clock)
    tasks = [asyncio.create_task(callers.come(name, limit)) for name in range(6)]
    await clock.advance(100)
    await asyncio.gather(*tasks)
    assert [name for name, _ in callers.turns] == list(range(6))
    assert [moment for _, moment in callers.turns] == pytest.approx([0, 0, 2, 4, 6, 8])


async def test_a_cancelled_caller_uses_up_no_turn() -> None:
    clock = FakeClock()
    callers, limit = Callers(clock), RateLimit(20, per=36, clock=clock)
    tasks = [asyncio.create_task(callers.come(name, limit)) for name in range(5)]
    await clock.settle()
    tasks[2].cancel()  # it was waiting for its turn
    tasks[3].cancel()  # it was waiting in the queue
    await clock.advance(100)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [(name, round(moment, 6)) for name, moment in callers.turns] == [(0, 0), (1, 0), (4, 2)]


async def test_processes_share_one_budget_through_the_store() -> None:
    clock, store = FakeClock(), MemoryStore()
    callers = Callers(clock)
    limits = [RateLimit(20, per=36, store=store, key="budget", clock=clock) for _ in range(3)]
    tasks = [asyncio.create_task(callers.come(number, limits[number % 3])) for number in range(30)]
    await clock.advance(36)
    assert len(callers.turns) <= 21, "2 at once, and one every 2 seconds"
    await clock.advance(3600)
    await asyncio.gather(*tasks)
    moments = [moment for _, moment in callers.turns]
    assert most_in_any_span(sorted(moments), 36) <= 20


async def test_a_budget_survives_a_restart(tmp_path: object) -> None:
    clock, store = FakeClock(), FileStore(f"{tmp_path}/tokens.json")
    await RateLimit(10, per=90, store=store, key="budget", clock=clock).turn()
    task = asyncio.create_task(RateLimit(10, per=90, store=store, key="budget", clock=clock).turn())
    async with asyncio.timeout(5):
        while clock.timers == 0:  # noqa: ASYNC110 - the file is read in a thread
            await asyncio.sleep(0.001)
    assert not task.done(), "the process before had taken the one turn that comes at once"
    await clock.advance(11)
    await task


class FailingStore:
    """A store that is down."""

    async def load(self, key: str, /) -> Versioned | None:
        msg = "down"
        raise StoreError(msg)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        msg = "down"
        raise StoreError(msg)


async def test_while_the_store_is_down_each_process_spends_the_budget_alone(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    callers, limit = Callers(clock), RateLimit(20, per=36, store=FailingStore(), key="budget", clock=clock)
    tasks = [asyncio.create_task(callers.come(name, limit)) for name in range(4)]
    with caplog.at_level(logging.WARNING):
        await clock.advance(100)
    await asyncio.gather(*tasks)
    assert [moment for _, moment in callers.turns] == pytest.approx([0, 0, 2, 4])
    assert "spends the budget alone" in caplog.text


@pytest.mark.parametrize("rest", [None, Rest(since=0.0, until=0.0, attempts=1, reason="429")])
async def test_an_identitys_key_is_refused(rest: Rest | None) -> None:
    store = MemoryStore()
    issuer = Issuer(token_endpoint="https://a.example", client_id="id", grant_type="client_credentials")
    token = None if rest is None else Token(access_token="a", issued_at=0.0)
    await store.swap("alice", Record(issuer=issuer, generation=1, token=token, rest=rest), expected=0)
    with pytest.raises(ConfigurationError, match="a key of its own"):
        await RateLimit(10, store=store, key="alice").turn()


@pytest.mark.parametrize(
    "options",
    [{"limit": 0}, {"limit": -1}, {"limit": 1, "per": 0}, {"limit": 1, "per": float("nan")}, {"limit": 1, "key": "k"}],
)
def test_an_invalid_budget_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="RateLimit"):
        RateLimit(**options)


def test_one_budget_serves_two_event_loops_one_after_the_other() -> None:
    limit = RateLimit(1000, per=1)

    async def callers() -> None:
        await asyncio.gather(*(limit.turn() for _ in range(102)))  # enough callers that some must wait

    for _ in range(2):
        asyncio.run(callers())


async def test_a_session_waits_for_its_turn_before_each_request() -> None:
    clock = FakeClock()
    limit = RateLimit(20, per=36, clock=clock)
    async with (
        open_session(always(json_response({})), limit=limit) as one,
        open_session(always(json_response({})), limit=limit) as other,
    ):
        assert [await one.api.get("/x"), await other.api.get("/x")] == [{}, {}]
        task = asyncio.create_task(one.api.get("/x"))
        await clock.settle()
        assert not task.done()
        await clock.advance(2)
        assert await task == {}
    assert (len(one.server.received), len(other.server.received)) == (2, 1)
