"""The promises across real processes that share a file; only Bitbucket is fake, and it has a real port."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.server import serve
from tests.support.clocks import ShiftedClock
from tests.support.worker_processes import Fleet

STRICT = pytest.mark.parametrize("fleet", [True], indirect=True, ids=["strict"])
PAST_THE_SHARED_FAILURE = 2.0


@pytest.fixture(params=[False])
async def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Fleet]:
    """Give a fleet on a file; with the parameter True its server is strict."""
    fleet = Fleet((tmp_path / "tokens.json").as_uri(), strict=request.param)
    async with serve(fleet.fake) as site:
        fleet.site = site
        yield fleet
        await fleet.stop()


@STRICT
async def test_r1_eight_processes_of_fifty_callers_spend_each_refresh_token_once(
    fleet: Fleet,
) -> None:
    await fleet.sign_in()
    workers = await asyncio.gather(*(fleet.start() for _ in range(8)))
    for _ in range(10):
        offset = fleet.expire()
        used = await asyncio.gather(*(worker.call(50, offset=offset) for worker in workers))
        assert len({token for tokens in used for token in tokens}) == 1
    assert fleet.fake.token_requests == 10
    assert fleet.fake.second_spends == []
    assert all(count == 1 for count in fleet.fake.request_log.spends.values())
    await fleet.assert_intact()


async def test_r1_two_bots_that_start_at_the_same_time_make_one_token_request(fleet: Fleet) -> None:
    bots = await asyncio.gather(fleet.start(bot=True), fleet.start(bot=True))
    first, second = await asyncio.gather(*(bot.call(20) for bot in bots))
    assert first == second
    assert len(first) == 1
    assert fleet.fake.token_requests == 1


@STRICT
async def test_r1_a_process_stopped_after_its_claim_for_longer_than_the_lease_sends_nothing(
    fleet: Fleet,
) -> None:
    await fleet.sign_in()
    late, other = await fleet.start(), await fleet.start()
    offset = fleet.expire()
    late.send(callers=10, offset=offset, fault="SIGSTOP", at="claim", stopped_for=61)
    await late.wait_until_stopped()
    assert fleet.fake.token_requests == 0
    other.send(callers=10, offset=offset)
    await other.wait_for("sees", "claim")
    await other.set_offset(fleet.advance(61))
    newer = (await other.wait_for("problems"))["tokens"]
    late.signal(signal.SIGCONT)
    report = await late.wait_for("problems")
    assert (report["problems"], report["tokens"]) == ([], newer)
    assert fleet.fake.token_requests == 1
    await fleet.assert_intact()


async def test_r9_the_next_process_repairs_a_kill_between_request_and_response(fleet: Fleet) -> None:
    await fleet.sign_in()
    victim, survivor = await fleet.start(), await fleet.start()
    offset = fleet.expire()
    with fleet.fake.inject(faults.hold()) as held:
        victim.send(callers=10, offset=offset)
        await held.reached.wait()
        await victim.kill()
    survivor.send(callers=10, offset=offset)
    await survivor.wait_for("event", "repeated")
    report = await survivor.wait_for("problems")
    assert report["problems"] == []
    assert len(fleet.fake.second_spends) == 1
    await fleet.assert_intact()
    again = await fleet.start()
    assert await again.call() == report["tokens"]
    assert fleet.fake.token_requests == 2


async def test_r9_one_of_seven_survivors_repeats_the_request_of_a_killed_process(fleet: Fleet) -> None:
    await fleet.sign_in()
    victim, *survivors = await asyncio.gather(*(fleet.start() for _ in range(8)))
    offset = fleet.expire()
    with fleet.fake.inject(faults.hold()) as held:
        victim.send(callers=10, offset=offset)
        await held.reached.wait()
        for survivor in survivors:  # each finds the claim of a live process, and has to wait
            survivor.send(callers=10, offset=offset)
        await asyncio.gather(*(survivor.wait_for("asked") for survivor in survivors))
        await victim.kill()
        reports = await asyncio.gather(*(survivor.wait_for("problems") for survivor in survivors))
    assert len(reports[0]["tokens"]) == 1
    assert all((report["problems"], report["tokens"]) == ([], reports[0]["tokens"]) for report in reports)
    assert fleet.fake.token_requests == 2
    assert len(fleet.fake.second_spends) == 1
    await fleet.assert_intact()


async def test_r9_the_next_process_repairs_a_kill_between_response_and_save(fleet: Fleet) -> None:
    await fleet.sign_in()
    victim, survivor = await fleet.start(), await fleet.start()
    offset = fleet.expire()
    victim.send(callers=10, offset=offset, fault="SIGKILL")
    assert await victim.exit_code() == -signal.SIGKILL
    assert fleet.fake.token_requests == 1
    await survivor.call(10, offset=offset)
    assert len(fleet.fake.second_spends) == 1
    await fleet.assert_intact()


@STRICT
async def test_r9_a_kill_between_claim_and_request_costs_nothing_at_a_strict_server(
    fleet: Fleet,
) -> None:
    await fleet.sign_in()
    victim, survivor = await fleet.start(), await fleet.start()
    offset = fleet.expire()
    victim.send(callers=10, offset=offset, fault="SIGKILL", at="claim")
    assert await victim.exit_code() == -signal.SIGKILL
    assert fleet.fake.token_requests == 0
    await survivor.call(10, offset=offset)
    assert fleet.fake.token_requests == 1
    assert fleet.fake.second_spends == []
    await fleet.assert_intact()


@STRICT
async def test_r8_a_strict_server_that_ended_the_sign_in_is_asked_once_and_every_process_learns_it(
    fleet: Fleet,
) -> None:
    await fleet.sign_in()
    victim, *survivors = await asyncio.gather(*(fleet.start() for _ in range(4)))
    offset = fleet.expire()
    with fleet.fake.inject(faults.hold()) as held:
        victim.send(callers=1, offset=offset)
        await held.reached.wait()
        await victim.kill()
    for survivor in survivors:
        survivor.send(callers=10, offset=offset)
    for survivor in survivors:
        problems = (await survivor.wait_for("problems"))["problems"]
        assert len(problems) == 10
        assert all(problem.startswith("LoginRequiredError") for problem in problems)
    assert fleet.fake.token_requests == 2  # the request whose response was lost, and one repeat
    healed = fleet.fake.sign_in()
    clock = ShiftedClock()
    clock.advance(offset)
    async with TokenManager(
        fleet.fake.client, store=fleet.store, key="alice", server=fleet.site.server, clock=clock
    ) as manager:
        await manager.adopt(healed)
    for survivor in survivors:
        assert await survivor.call(10, offset=offset + PAST_THE_SHARED_FAILURE) == [fingerprint(healed.access_token)]
    assert fleet.fake.token_requests == 2
    await fleet.assert_intact()


async def test_r3_a_process_stopped_for_longer_than_its_lease_adds_its_late_token_as_a_spare(fleet: Fleet) -> None:
    await fleet.sign_in()
    late, other = await fleet.start(), await fleet.start()
    offset = fleet.expire()
    late.send(callers=1, offset=offset, fault="SIGSTOP", stopped_for=61)
    await late.wait_until_stopped()
    other.send(callers=1, offset=offset)
    await other.wait_for("sees", "claim")
    await other.set_offset(fleet.advance(61))
    newer = (await other.wait_for("problems"))["tokens"]
    late.signal(signal.SIGCONT)
    await late.wait_for("event", "kept_as_spare")
    record = await fleet.record()
    assert record.token is not None
    assert [fingerprint(record.token.access_token)] == newer
    assert len(record.spares) == 1
    # The server turns against the newer one: the spare saves the sign-in.
    fleet.fake.kill_refresh_token(record.token.refresh_token or "")
    await other.call(1, offset=fleet.expire())
    assert (await fleet.record()).spares == ()


@STRICT
async def test_r2_a_response_that_arrived_while_the_process_was_stopped_is_not_lost(
    fleet: Fleet,
) -> None:
    await fleet.sign_in()
    worker = await fleet.start(lease=2.0)
    offset = fleet.expire()
    with fleet.fake.inject(faults.hold()) as held:
        worker.send(callers=10, offset=offset)
        await held.reached.wait()
        worker.signal(signal.SIGSTOP)
        await worker.wait_until_stopped()
    await asyncio.sleep(1.5)  # longer than the request timeout; the response waits in the socket of the stopped process
    worker.signal(signal.SIGCONT)
    report = await worker.wait_for("problems")
    assert report["problems"] == []
    assert len(report["tokens"]) == 1
    assert fleet.fake.token_requests == 1
    await fleet.assert_intact()


async def test_r2_a_full_disk_during_the_save_loses_no_token(fleet: Fleet) -> None:
    await fleet.sign_in()
    before = (await fleet.record()).token
    worker = await fleet.start()
    used = await worker.call(10, offset=fleet.expire(), fault="full")
    assert len(used) == 1
    assert (await fleet.record()).token == before
    worker.send(file_size_limit=-1)
    await worker.wait_for("event", "saved_late")
    saved = (await fleet.record()).token
    assert saved is not None
    assert [fingerprint(saved.access_token)] == used
    assert fleet.fake.token_requests == 1
    await fleet.assert_intact()
