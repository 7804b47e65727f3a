"""The promises across real processes on one file: nothing is mocked but Bitbucket, which is behind a real port."""

import asyncio
import signal
import time

import pytest

from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.runtime.clocks import SystemClock
from bitbucket_auth_async.testing.fake import faults
from tests.support.worker_processes import Crew

STRICT = pytest.mark.parametrize("crew", [True], indirect=True, ids=["strict"])
PAST_THE_SHARED_FAILURE = 2.0


class Later(SystemClock):
    """This machine's clocks, as much ahead as the crew's."""

    __slots__ = ("by",)

    def __init__(self, by: float) -> None:
        self.by = by

    def wall(self) -> float:
        return time.time() + self.by


@STRICT
async def test_r1_eight_processes_with_fifty_callers_each_spend_each_generation_once_over_ten_expiries(
    crew: Crew,
) -> None:
    await crew.sign_in()
    workers = await asyncio.gather(*(crew.start() for _ in range(8)))
    for _ in range(10):
        ahead = crew.expire()
        used = await asyncio.gather(*(worker.call(50, ahead=ahead) for worker in workers))
        assert len({token for tokens in used for token in tokens}) == 1
    assert crew.fake.token_requests == 10
    assert crew.fake.second_spends == []
    assert all(count == 1 for count in crew.fake.request_log.spends.values())
    await crew.assert_whole()


async def test_r1_two_bots_that_start_at_the_same_time_make_one_token_request(crew: Crew) -> None:
    bots = await asyncio.gather(crew.start(bot=True), crew.start(bot=True))
    first, second = await asyncio.gather(*(bot.call(20) for bot in bots))
    assert first == second
    assert len(first) == 1
    assert crew.fake.token_requests == 1


@STRICT
async def test_r1_a_process_stopped_between_claiming_and_sending_for_longer_than_its_lease_sends_nothing_late(
    crew: Crew,
) -> None:
    await crew.sign_in()
    late, other = await crew.start(), await crew.start()
    ahead = crew.expire()
    late.order(callers=10, ahead=ahead, fate="SIGSTOP", at="claim", asleep=61)
    await late.is_stopped()
    assert crew.fake.token_requests == 0
    other.order(callers=10, ahead=ahead)
    await other.hears("sees", "claim")
    await other.goes_ahead(crew.hurry(61))
    newer = (await other.hears("problems"))["tokens"]
    late.process.send_signal(signal.SIGCONT)
    said = await late.hears("problems")
    assert (said["problems"], said["tokens"]) == ([], newer)
    assert crew.fake.token_requests == 1
    await crew.assert_whole()


async def test_r9_a_process_killed_between_spending_and_receiving_is_repaired_by_the_next(crew: Crew) -> None:
    await crew.sign_in()
    victim, survivor = await crew.start(), await crew.start()
    ahead = crew.expire()
    with crew.fake.inject(faults.hold()) as held:
        victim.order(callers=10, ahead=ahead)
        await held.reached.wait()
        await victim.kill()
    survivor.order(callers=10, ahead=ahead)
    await survivor.hears("event", "repeated")
    said = await survivor.hears("problems")
    assert said["problems"] == []
    assert len(crew.fake.second_spends) == 1
    await crew.assert_whole()
    again = await crew.start()
    assert await again.call() == said["tokens"]
    assert crew.fake.token_requests == 2


async def test_r9_of_seven_survivors_one_repeats_what_the_eighth_was_killed_in(crew: Crew) -> None:
    await crew.sign_in()
    victim, *survivors = await asyncio.gather(*(crew.start() for _ in range(8)))
    ahead = crew.expire()
    with crew.fake.inject(faults.hold()) as held:
        victim.order(callers=10, ahead=ahead)
        await held.reached.wait()
        for survivor in survivors:  # they meet the claim of a process that lives, and have to wait
            survivor.order(callers=10, ahead=ahead)
        await asyncio.gather(*(survivor.hears("asked") for survivor in survivors))
        await victim.kill()
        said = await asyncio.gather(*(survivor.hears("problems") for survivor in survivors))
    assert said[0]["problems"] == []
    assert len(said[0]["tokens"]) == 1
    assert all((each["problems"], each["tokens"]) == ([], said[0]["tokens"]) for each in said)
    assert crew.fake.token_requests == 2
    assert len(crew.fake.second_spends) == 1
    await crew.assert_whole()


async def test_r9_a_process_killed_between_receiving_and_saving_is_repaired_by_the_next(crew: Crew) -> None:
    await crew.sign_in()
    victim, survivor = await crew.start(), await crew.start()
    ahead = crew.expire()
    victim.order(callers=10, ahead=ahead, fate="SIGKILL")
    await victim.process.wait()
    assert victim.process.returncode == -signal.SIGKILL
    assert crew.fake.token_requests == 1
    await survivor.call(10, ahead=ahead)
    assert len(crew.fake.second_spends) == 1
    await crew.assert_whole()


@STRICT
async def test_r9_a_process_killed_between_claiming_and_sending_costs_nothing_even_at_a_strict_server(
    crew: Crew,
) -> None:
    await crew.sign_in()
    victim, survivor = await crew.start(), await crew.start()
    ahead = crew.expire()
    victim.order(callers=10, ahead=ahead, fate="SIGKILL", at="claim")
    await victim.process.wait()
    assert victim.process.returncode == -signal.SIGKILL
    assert crew.fake.token_requests == 0
    await survivor.call(10, ahead=ahead)
    assert crew.fake.token_requests == 1
    assert crew.fake.second_spends == []
    await crew.assert_whole()


@STRICT
async def test_r8_where_a_strict_server_ends_the_sign_in_every_process_is_told_and_one_has_asked(crew: Crew) -> None:
    await crew.sign_in()
    victim, *survivors = await asyncio.gather(*(crew.start() for _ in range(4)))
    ahead = crew.expire()
    with crew.fake.inject(faults.hold()) as held:
        victim.order(callers=1, ahead=ahead)
        await held.reached.wait()
        await victim.kill()
    for survivor in survivors:
        survivor.order(callers=10, ahead=ahead)
    for survivor in survivors:
        problems = (await survivor.hears("problems"))["problems"]
        assert len(problems) == 10
        assert all(problem.startswith("LoginRequiredError") for problem in problems)
    assert crew.fake.token_requests == 2  # the one whose answer was lost, and one repeat
    healed = crew.fake.sign_in()
    async with TokenManager(
        crew.fake.client, store=crew.store, key="alice", server=crew.site.server, clock=Later(ahead)
    ) as manager:
        await manager.adopt(healed)
    for survivor in survivors:
        assert await survivor.call(10, ahead=ahead + PAST_THE_SHARED_FAILURE) == [fingerprint(healed.access_token)]
    assert crew.fake.token_requests == 2
    await crew.assert_whole()


async def test_r3_a_process_stopped_for_longer_than_its_lease_adds_its_late_token_as_a_spare(crew: Crew) -> None:
    await crew.sign_in()
    late, other = await crew.start(), await crew.start()
    ahead = crew.expire()
    late.order(callers=1, ahead=ahead, fate="SIGSTOP", asleep=61)
    await late.is_stopped()
    other.order(callers=1, ahead=ahead)
    await other.hears("sees", "claim")
    await other.goes_ahead(crew.hurry(61))
    newer = (await other.hears("problems"))["tokens"]
    late.process.send_signal(signal.SIGCONT)
    await late.hears("event", "kept_as_spare")
    record = await crew.record()
    assert record.token is not None
    assert [fingerprint(record.token.access_token)] == newer
    assert len(record.spares) == 1
    # The server turns against the newer one: the spare saves the sign-in.
    crew.fake.kill_refresh_token(record.token.refresh_token or "")
    await other.call(1, ahead=crew.expire())
    assert (await crew.record()).spares == ()


@STRICT
async def test_r2_an_answer_that_came_while_its_process_was_stopped_beyond_the_time_out_is_not_lost(crew: Crew) -> None:
    await crew.sign_in()
    worker = await crew.start(lease=2.0)
    ahead = crew.expire()
    with crew.fake.inject(faults.hold()) as held:
        worker.order(callers=10, ahead=ahead)
        await held.reached.wait()
        worker.process.send_signal(signal.SIGSTOP)
        await worker.is_stopped()
    await asyncio.sleep(1.5)  # longer than the request may take; the answer lies in the stopped process's socket
    worker.process.send_signal(signal.SIGCONT)
    said = await worker.hears("problems")
    assert said["problems"] == []
    assert len(said["tokens"]) == 1
    assert crew.fake.token_requests == 1
    await crew.assert_whole()


async def test_r2_a_full_disk_during_the_save_costs_nothing(crew: Crew) -> None:
    await crew.sign_in()
    before = (await crew.record()).token
    worker = await crew.start()
    used = await worker.call(10, ahead=crew.expire(), fate="full")
    assert len(used) == 1
    assert (await crew.record()).token == before
    worker.order(limit=-1)
    await worker.hears("event", "saved_late")
    saved = (await crew.record()).token
    assert saved is not None
    assert [fingerprint(saved.access_token)] == used
    assert crew.fake.token_requests == 1
    await crew.assert_whole()
