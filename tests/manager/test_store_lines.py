"""A store at the end of a line that is slow, cut in mid-answer, refused or a black hole: what it costs, and what not.

The servers are real, and so is the TCP proxy before them; time is put ahead, and nothing waits for it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator

import pytest

from bitbucket_auth_async.errors import DeadlineError, StoreError
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.remote_store import CALLERS, Far, Stores, Watched, far_from, server_of
from tests.support.tcp_proxies import Line

dead_lines = pytest.mark.parametrize("die", [Line.swallow, Line.refuse, Line.halve])


@pytest.fixture(scope="module", params=["valkey", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[int, Stores]]:
    with server_of(request.param) as server:
        yield server


@pytest.fixture
async def far(server: tuple[int, Stores]) -> AsyncGenerator[Far]:
    async with far_from(server) as far:
        yield far


async def test_r7_a_slow_line_costs_time_and_nothing_else(far: Far) -> None:
    far.later(3600)
    far.line.delay = 0.03
    began = time.monotonic()
    await far.token()
    assert time.monotonic() - began > 4 * 0.03  # claim and outcome, there and back
    await far.assert_whole(requests=1)


async def test_r1_an_answer_cut_in_the_middle_makes_nobody_spend_twice(far: Far) -> None:
    far.later(3600)
    with far.fake.inject(faults.hold()) as held:
        far.line.answers_to_halve = 1
        callers = asyncio.create_task(far.token())
        await held.reached.wait()
        assert far.line.answers_to_halve == 0  # that was the claim's
        far.line.answers_to_halve = 1
    await callers
    assert far.line.answers_to_halve == 0  # and that the outcome's
    await far.assert_whole(requests=1)
    assert (await far.record()).spares == ()


@dead_lines
async def test_r2_nothing_is_spent_while_no_claim_can_be_written_and_afterwards_it_goes_on_by_itself(
    far: Far, die: Callable[[Line], object]
) -> None:
    far.later(3600)
    far.die(die)
    errors = await far.in_vain(far.manager)
    assert [(type(error), error.retryable) for error in errors] == [(StoreError, True)] * CALLERS
    far.mend()
    far.later(2)  # past the second or so for which a failure is shared
    await far.token()
    await far.assert_whole(requests=1)


@dead_lines
async def test_r2_a_token_whose_save_fails_is_handed_out_kept_and_saved_once_the_store_is_back(
    far: Far, die: Callable[[Line], object]
) -> None:
    far.later(3600)
    with far.fake.inject(faults.hold()) as held:
        callers = asyncio.create_task(far.token())
        await held.reached.wait()  # the claim is in
        far.die(die)
    token = await callers
    await far.hears(EventKind.SAVE_FAILED)
    assert await far.token() is token
    far.later(2)
    await far.hears(EventKind.STORE_FAILED)  # saving is tried again, and again
    far.mend()
    far.later(4)
    await far.hears(EventKind.SAVED_LATE)
    await far.assert_whole(requests=1)
    async with far.another(far.past) as other:
        assert await other.get_token() == token


@dead_lines
async def test_r6_while_the_line_is_dead_a_good_token_is_handed_out_at_once(
    far: Far, die: Callable[[Line], object]
) -> None:
    before = await far.token()
    far.later(3600 - 200)  # due for renewal, and still good
    far.die(die)
    for _ in range(2):
        async with asyncio.timeout(0.1):
            assert await far.manager.get_token() is before
        await far.hears(EventKind.STORE_FAILED)
        await far.manager.idle()
        far.later(10)
    assert far.fake.token_requests == 0
    far.mend()
    assert await far.manager.get_token() is before
    await far.hears(EventKind.RENEWED)
    assert await far.token() is not before
    await far.assert_whole(requests=1)


async def test_r3_who_is_cut_off_from_the_store_for_longer_than_its_lease_brings_a_spare(far: Far) -> None:
    far.fake.rules.reuse_grace, far.fake.rules.reuse_revokes = 600.0, False
    watched = Watched(far.past)
    async with far.another(watched) as other:
        await other.get_token()
        far.later(3600)
        with far.fake.inject(faults.hold()) as held:
            callers = asyncio.create_task(far.token())
            await held.reached.wait()  # the claim is in
            far.die(Line.swallow)
        late = await callers
        waiting = asyncio.create_task(other.get_token())
        await watched.claim_seen.wait()
        far.later(61)
        newer = await waiting
        assert await far.token() == late  # both are good
        far.mend()
        far.later(10)
        await far.hears(EventKind.SAVED_LATE)
        record = await far.record()
        assert (record.token, record.spares) == (newer, (late,))
        assert far.fake.token_requests == 2
        far.fake.kill_refresh_token(newer.refresh_token or "")
        far.later(3600)
        assert (await other.get_token()).refresh_token not in {late.refresh_token, newer.refresh_token}
        assert (await far.record()).spares == ()


async def test_r7_no_caller_waits_beyond_its_deadline_whatever_the_line_does(server: tuple[int, Stores]) -> None:
    async with far_from(server, hasty=3.0) as far, far.another(far.through, deadline=0.2) as manager:
        far.later(3600)
        far.die(Line.swallow)
        errors = await far.in_vain(manager)
        assert [(type(error), error.retryable) for error in errors] == [(DeadlineError, True)] * CALLERS
        far.later(11)  # past Timing.store: the call to the store, which went on without them, has had its time
        far.later(2)
        await manager.idle()
        far.mend()
        far.later(2)
        token = await manager.get_token()
        assert await far.token() == token
        await far.assert_whole(requests=1)
