"""EndpointGate: a limit on token requests, and a circuit breaker for all identities."""

import asyncio

import pytest

from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    OAuthError,
    OutageError,
    TransportError,
    UnavailableError,
)
from bitbucket_auth_async.manager.endpoint_gate import EndpointGate
from bitbucket_auth_async.testing.fake_clock import FakeClock

DOWN = UnavailableError("The token endpoint answered 503.", status=503)
WRONG_SECRET = InvalidClientError("invalid_client", status=401)
SILENCE = TransportError("Nothing came.", sent=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gate(clock: FakeClock) -> EndpointGate:
    return EndpointGate(clock, 2)


def fail(gate: EndpointGate, clock: FakeClock, error: BitbucketAuthError) -> None:
    gate.record_failure(error, requested_at=clock.boot())


async def test_the_gate_admits_as_many_requests_as_the_limit(gate: EndpointGate, clock: FakeClock) -> None:
    now = most = 0

    async def ask() -> None:
        nonlocal now, most
        async with gate.enter():
            now += 1
            most = max(most, now)
            await clock.sleep(1)
            now -= 1

    asked = [asyncio.create_task(ask()) for _ in range(7)]
    await clock.advance(3)
    assert [task.done() for task in asked].count(True) == 6
    await clock.advance(1)
    await asyncio.gather(*asked)
    assert most == 2


async def test_r7_one_outage_stops_all_requests_until_the_next_attempt_is_due(
    gate: EndpointGate, clock: FakeClock
) -> None:
    fail(gate, clock, DOWN)
    with pytest.raises(OutageError, match=r"answered 503\. The next attempt is due in") as caught:
        async with gate.enter():
            pass
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 1.25
    await clock.advance(1.25)
    async with gate.enter():
        gate.record_answer()
    async with gate.enter():
        pass


async def test_r7_retry_after_is_respected(gate: EndpointGate, clock: FakeClock) -> None:
    fail(gate, clock, UnavailableError("Too many.", status=429, retry_after=120))
    await clock.advance(119)
    with pytest.raises(OutageError):
        async with gate.enter():
            pass
    await clock.advance(1)
    async with gate.enter():
        pass


async def test_r7_a_wrong_secret_is_raised_for_all_with_its_own_class(gate: EndpointGate, clock: FakeClock) -> None:
    fail(gate, clock, WRONG_SECRET)
    with pytest.raises(InvalidClientError) as caught:
        async with gate.enter():
            pass
    assert caught.value is not WRONG_SECRET


@pytest.mark.parametrize(
    "error", [InvalidGrantError("invalid_grant", status=400), OAuthError("invalid_scope", status=400)], ids=str
)
async def test_r8_a_refusal_for_one_identity_does_not_affect_others(
    gate: EndpointGate, clock: FakeClock, error: BitbucketAuthError
) -> None:
    fail(gate, clock, error)
    async with gate.enter():
        pass
    fail(gate, clock, DOWN)
    await clock.advance(2)
    fail(gate, clock, error)  # the probe got an answer, so the outage is over
    async with gate.enter(), gate.enter():
        pass


async def test_r7_a_request_that_was_never_sent_does_not_end_an_outage(gate: EndpointGate, clock: FakeClock) -> None:
    fail(gate, clock, DOWN)
    fail(gate, clock, ConfigurationError("The key to sign with is not there."))
    with pytest.raises(OutageError):
        async with gate.enter():
            pass


async def test_three_unanswered_requests_in_a_row_are_an_outage(gate: EndpointGate, clock: FakeClock) -> None:
    fail(gate, clock, SILENCE)
    fail(gate, clock, SILENCE)
    gate.record_answer()
    fail(gate, clock, SILENCE)
    fail(gate, clock, SILENCE)
    async with gate.enter():
        pass
    fail(gate, clock, SILENCE)
    with pytest.raises(OutageError):
        async with gate.enter():
            pass


async def test_after_an_outage_one_request_probes_while_the_others_wait(gate: EndpointGate, clock: FakeClock) -> None:
    fail(gate, clock, DOWN)
    await clock.advance(2)
    asked: list[str] = []

    async def ask(name: str, *, well: bool) -> None:
        async with gate.enter():
            began = clock.boot()
            asked.append(name)
            await clock.sleep(5)
            if well:
                gate.record_answer()
            else:
                gate.record_failure(DOWN, requested_at=began)

    first = asyncio.create_task(ask("first", well=False))
    second = asyncio.create_task(ask("second", well=False))
    await clock.advance(4)
    assert asked == ["first"]
    await clock.advance(1)
    await first
    with pytest.raises(OutageError):
        await second
    await clock.advance(3)
    third = asyncio.create_task(ask("third", well=True))
    fourth = asyncio.create_task(ask("fourth", well=True))
    await clock.advance(5)
    await third
    await clock.advance(5)
    await fourth
    assert asked == ["first", "third", "fourth"]


async def test_r7_after_a_successful_probe_the_others_are_sent_together(clock: FakeClock) -> None:
    gate = EndpointGate(clock, 10)
    fail(gate, clock, DOWN)
    await clock.advance(2)

    async def ask() -> None:
        async with gate.enter():
            await clock.sleep(20)
            gate.record_answer()

    asked = [asyncio.create_task(ask()) for _ in range(10)]
    await clock.advance(20)
    assert [task.done() for task in asked].count(True) == 1
    await clock.advance(20)
    assert all(task.done() for task in asked), "one after the other they take longer than a caller waits"


async def test_requests_sent_together_count_as_one_attempt(gate: EndpointGate, clock: FakeClock) -> None:
    asked = clock.boot()
    await clock.advance(1)
    for _ in range(10):
        gate.record_failure(DOWN, requested_at=asked)
    with pytest.raises(OutageError):
        async with gate.enter():
            pass
    await clock.advance(1.25)
    async with gate.enter():
        pass


async def test_a_sign_in_is_tried_during_an_outage_and_waits_for_a_slot(gate: EndpointGate, clock: FakeClock) -> None:
    fail(gate, clock, DOWN)
    async with gate.enter_despite_outage(), gate.enter_despite_outage():
        third = asyncio.create_task(_pass(gate))
        await clock.settle()
        assert not third.done()
    await third


async def test_a_cancelled_waiter_gives_its_slot_back(gate: EndpointGate, clock: FakeClock) -> None:
    with pytest.raises(ZeroDivisionError):
        async with gate.enter():
            raise ZeroDivisionError
    async with gate.enter(), gate.enter():
        waiting = asyncio.create_task(_pass(gate))
        await clock.settle()
        waiting.cancel()
        await asyncio.wait({waiting})
    async with gate.enter(), gate.enter():
        pass


async def _pass(gate: EndpointGate) -> None:
    async with gate.enter_despite_outage():
        pass
