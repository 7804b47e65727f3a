"""A claim owner stopped by SIGSTOP for longer than its lease, at each moment where that matters, on each shared store.

The processes are really stopped; their clocks jump ahead by the time that this is to have taken.
"""

import signal

import pytest

from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.testing.fake import faults
from tests.support.worker_processes import Fleet, Worker

LEASE = 60.0
TOO_LONG = LEASE + 1
strict_server = pytest.mark.parametrize("fleet", [True], indirect=True, ids=["strict"])


async def take_over(other: Worker, offset: float, *, later: float) -> list[str]:
    """Let another process find the claim, wait until it lapses, and renew; return what its callers got."""
    other.send(callers=10, offset=offset)
    await other.wait_for("sees", "claim")
    await other.set_offset(later)
    report = await other.wait_for("problems")
    assert report["problems"] == []
    tokens: list[str] = report["tokens"]
    return tokens


async def assert_one_spare(fleet: Fleet, newer: list[str]) -> Token:
    """Check that the newer token is the current one and the late one its spare, and return the newer."""
    record = await fleet.record()
    assert record.token is not None
    assert [fingerprint(record.token.access_token)] == newer
    assert len(record.spares) == 1
    return record.token


async def assert_the_spare_saves_the_sign_in(fleet: Fleet, other: Worker) -> None:
    [spare] = (await fleet.record()).spares
    await other.call(10, offset=fleet.expire())
    assert fleet.fake.spends(spare.refresh_token or "") == 1
    assert (await fleet.record()).spares == ()
    await fleet.assert_intact()


@strict_server
async def test_r1_a_claim_owner_stopped_before_its_request_sends_nothing_late(fleet: Fleet) -> None:
    await fleet.sign_in()
    late, other = await fleet.start(lease=LEASE), await fleet.start(lease=LEASE)
    offset = fleet.expire()
    late.send(callers=10, offset=offset, fault="SIGSTOP", at="claim", stopped_for=TOO_LONG)
    await late.wait_until_stopped()
    assert fleet.fake.token_requests == 0
    newer = await take_over(other, offset, later=fleet.advance(TOO_LONG))
    late.signal(signal.SIGCONT)
    report = await late.wait_for("problems")
    assert (report["problems"], report["tokens"]) == ([], newer)
    assert fleet.fake.token_requests == 1
    await fleet.assert_intact()


async def test_r3_a_claim_owner_stopped_before_its_save_adds_its_late_token_as_a_spare(fleet: Fleet) -> None:
    await fleet.sign_in()
    late, other = await fleet.start(lease=LEASE), await fleet.start(lease=LEASE)
    offset = fleet.expire()
    late.send(callers=10, offset=offset, fault="SIGSTOP", at="save", stopped_for=TOO_LONG)
    await late.wait_until_stopped()
    newer = await take_over(other, offset, later=fleet.advance(TOO_LONG))
    late.signal(signal.SIGCONT)
    await late.wait_for("event", "kept_as_spare")
    assert (await late.wait_for("problems"))["tokens"] == newer
    token = await assert_one_spare(fleet, newer)
    assert len(fleet.fake.second_spends) == 1
    fleet.fake.kill_refresh_token(token.refresh_token or "")
    await assert_the_spare_saves_the_sign_in(fleet, other)


async def test_r3_a_request_that_reaches_the_server_late_loses_no_sign_in(fleet: Fleet) -> None:
    fleet.fake.rules.last_pair_wins = True  # so the late request revokes the tokens of the newer one
    await fleet.sign_in()
    late, other = await fleet.start(lease=LEASE), await fleet.start(lease=LEASE)
    offset = fleet.expire()
    with fleet.fake.inject(faults.hold(late=True)) as held:
        late.send(callers=10, offset=offset)
        await held.reached.wait()
        await late.set_offset(fleet.advance(TOO_LONG))
        late.signal(signal.SIGSTOP)
        await late.wait_until_stopped()
        newer = await take_over(other, offset, later=fleet.advance(TOO_LONG))
    late.signal(signal.SIGCONT)
    await late.wait_for("event", "kept_as_spare")
    assert (await late.wait_for("problems"))["problems"] == []
    token = await assert_one_spare(fleet, newer)
    assert not fleet.fake.is_spendable(token.refresh_token or "")
    await assert_the_spare_saves_the_sign_in(fleet, other)
