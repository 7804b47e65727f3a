"""The promises across real processes on one file: nothing is mocked but Bitbucket, which is behind a real port."""

import asyncio
import signal

import pytest

from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.testing.fake import faults
from tests.crew import Crew


@pytest.mark.parametrize("crew", [True], indirect=True, ids=["strict"])
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
    assert all(count == 1 for count in crew.fake.books.spends.values())


async def test_r1_two_bots_that_start_at_the_same_time_make_one_token_request(crew: Crew) -> None:
    bots = await asyncio.gather(crew.start(bot=True), crew.start(bot=True))
    first, second = await asyncio.gather(*(bot.call(20) for bot in bots))
    assert first == second
    assert crew.fake.token_requests == 1


async def test_r9_a_process_killed_between_spending_and_receiving_is_repaired_by_the_next(crew: Crew) -> None:
    await crew.sign_in()
    victim, survivor = await crew.start(), await crew.start()
    ahead = crew.expire()
    with crew.fake.inject(faults.hold()) as held:
        victim.order(callers=10, ahead=ahead)
        await held.reached.wait()
        await victim.kill()
    assert len(await survivor.call(10, ahead=ahead)) == 1
    assert len(crew.fake.second_spends) == 1
    assert (await crew.record()).claim is None
    again = await crew.start()
    assert await again.call() == await survivor.call()


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
    assert (await crew.record()).claim is None


async def test_r3_a_process_stopped_for_longer_than_its_lease_adds_its_late_token_as_a_spare(crew: Crew) -> None:
    await crew.sign_in()
    late, other = await crew.start(lease=2.0), await crew.start(lease=2.0)
    ahead = crew.expire()
    late.order(callers=1, ahead=ahead, fate="SIGSTOP")
    await late.is_stopped()
    newer = await other.call(1, ahead=ahead)
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
