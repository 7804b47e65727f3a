"""A holder stopped by SIGSTOP for longer than its lease, at each moment where that matters, on each shared store.

The processes are really stopped; how long that was, their clocks are told.
"""

import signal

import pytest

from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.testing.fake import faults
from tests.support.worker_processes import Crew, Worker

LEASE = 60.0
TOO_LONG = LEASE + 1
strict_server = pytest.mark.parametrize("fleet", [True], indirect=True, ids=["strict"])


async def taken_over(other: Worker, ahead: float, *, later: float) -> list[str]:
    """Let another process find the claim, see it lapse, and renew; return what its callers got."""
    other.order(callers=10, ahead=ahead)
    await other.hears("sees", "claim")
    await other.goes_ahead(later)
    said = await other.hears("problems")
    assert said["problems"] == []
    tokens: list[str] = said["tokens"]
    return tokens


async def with_a_spare(fleet: Crew, newer: list[str]) -> Token:
    """See that the newer token stayed in its place, and that the late one is a spare beside it; return the newer."""
    record = await fleet.record()
    assert record.token is not None
    assert [fingerprint(record.token.access_token)] == newer
    assert len(record.spares) == 1
    return record.token


async def assert_the_spare_saves_the_sign_in(fleet: Crew, other: Worker) -> None:
    [spare] = (await fleet.record()).spares
    await other.call(10, ahead=fleet.expire())
    assert fleet.fake.spends(spare.refresh_token or "") == 1
    assert (await fleet.record()).spares == ()
    await fleet.assert_whole()


@strict_server
async def test_r1_a_holder_stopped_between_claim_and_send_sends_nothing_late(fleet: Crew) -> None:
    await fleet.sign_in()
    late, other = await fleet.start(lease=LEASE), await fleet.start(lease=LEASE)
    ahead = fleet.expire()
    late.order(callers=10, ahead=ahead, fate="SIGSTOP", at="claim", asleep=TOO_LONG)
    await late.is_stopped()
    assert fleet.fake.token_requests == 0
    newer = await taken_over(other, ahead, later=fleet.hurry(TOO_LONG))
    late.process.send_signal(signal.SIGCONT)
    said = await late.hears("problems")
    assert (said["problems"], said["tokens"]) == ([], newer)
    assert fleet.fake.token_requests == 1
    await fleet.assert_whole()


async def test_r3_a_holder_stopped_between_answer_and_save_adds_its_late_token_as_a_spare(fleet: Crew) -> None:
    await fleet.sign_in()
    late, other = await fleet.start(lease=LEASE), await fleet.start(lease=LEASE)
    ahead = fleet.expire()
    late.order(callers=10, ahead=ahead, fate="SIGSTOP", at="save", asleep=TOO_LONG)
    await late.is_stopped()
    newer = await taken_over(other, ahead, later=fleet.hurry(TOO_LONG))
    late.process.send_signal(signal.SIGCONT)
    await late.hears("event", "kept_as_spare")
    assert (await late.hears("problems"))["tokens"] == newer
    token = await with_a_spare(fleet, newer)
    assert len(fleet.fake.second_spends) == 1
    fleet.fake.kill_refresh_token(token.refresh_token or "")
    await assert_the_spare_saves_the_sign_in(fleet, other)


async def test_r3_a_request_that_reaches_the_server_after_a_newer_one_costs_no_sign_in(fleet: Crew) -> None:
    fleet.fake.rules.last_pair_wins = True  # so the late request kills what the newer one had brought
    await fleet.sign_in()
    late, other = await fleet.start(lease=LEASE), await fleet.start(lease=LEASE)
    ahead = fleet.expire()
    with fleet.fake.inject(faults.hold(late=True)) as held:
        late.order(callers=10, ahead=ahead)
        await held.reached.wait()
        await late.goes_ahead(fleet.hurry(TOO_LONG))
        late.process.send_signal(signal.SIGSTOP)
        await late.is_stopped()
        newer = await taken_over(other, ahead, later=fleet.hurry(TOO_LONG))
    late.process.send_signal(signal.SIGCONT)
    await late.hears("event", "kept_as_spare")
    assert (await late.hears("problems"))["problems"] == []
    token = await with_a_spare(fleet, newer)
    assert not fleet.fake.is_spendable(token.refresh_token or "")
    await assert_the_spare_saves_the_sign_in(fleet, other)
