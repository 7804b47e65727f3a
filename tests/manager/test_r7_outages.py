"""R7: outages are survived, shared, and never taken for a refusal."""

import asyncio
import traceback

import pytest

from bitbucket_auth_async.bitbucket.connect import JwtClient
from bitbucket_auth_async.errors import (
    BitbucketAuthError,
    ConfigurationError,
    InvalidClientError,
    OutageError,
    TransportError,
    UnavailableError,
)
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.telemetry.events import EventKind
from bitbucket_auth_async.testing.fake import faults
from tests.support.manager_world import World

OUTAGES = [
    faults.status(500),
    faults.status(503),
    faults.status(429, retry_after=3),
    faults.reset(processed=False),
    faults.reset(processed=True),
    faults.unreachable(),
    faults.html(),
    faults.html(502),
    faults.garbage(),
    faults.empty(),
    faults.truncated(),
    faults.truncated(framed=True),
    faults.wrong_charset(),
]


@pytest.mark.parametrize("fault", OUTAGES, ids=lambda fault: fault.name)
async def test_r7_the_present_token_is_served_through_an_outage_and_no_sign_in_is_lost(
    world: World, fault: faults.Fault
) -> None:
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(fault, times=None):
        for _ in range(100):
            assert (await manager.get_token()) == old
            await world.clock.advance(1)
    assert 3 <= world.fake.token_requests <= 20
    await world.clock.advance(76)  # the longest rest, jitter included
    await manager.get_token()
    await world.clock.settle()
    assert world.fake.is_live((await manager.get_token()).access_token)
    assert (await manager.get_token()) != old
    assert (await world.record()).rest is None
    kinds = world.event_kinds()
    assert kinds.count(EventKind.OUTAGE_BEGAN) == kinds.count(EventKind.OUTAGE_ENDED) == 1
    assert EventKind.REFUSED not in kinds


@pytest.mark.parametrize("fault", OUTAGES, ids=lambda fault: fault.name)
async def test_r7_a_process_that_starts_in_an_outage_gets_the_stored_valid_token(
    world: World, fault: faults.Fault
) -> None:
    old = await world.manager().adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    newcomer = world.manager()
    with world.fake.inject(fault, times=None):
        assert await newcomer.get_token() == old
        await world.clock.advance(100)
        assert await newcomer.get_token() == old
        await world.clock.advance(100)
        with pytest.raises(BitbucketAuthError):
            await newcomer.get_token()


async def test_r7_an_outage_longer_than_the_tokens_lifetime_costs_no_sign_in(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.status(503), times=None):
        for _ in range(50):
            with pytest.raises(BitbucketAuthError) as caught:
                await manager.get_token()
            assert caught.value.retryable
            await world.clock.advance(100)
    await world.clock.advance(100)
    assert world.fake.is_live((await manager.get_token()).access_token)


async def test_r7_all_waiting_callers_get_the_failure(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold(then=faults.status(503)), times=None) as held:
        callers = [asyncio.create_task(manager.get_token()) for _ in range(200)]
        await held.reached.wait()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(result) for result in results} == {UnavailableError}
    assert len({id(result) for result in results}) == 200
    assert world.fake.token_requests == 1


async def test_r7_later_callers_get_a_recent_failure_without_another_request(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.status(503), times=None):
        for _ in range(10):
            with pytest.raises(UnavailableError):
                await manager.get_token()
    assert world.fake.token_requests == 1


async def test_r7_other_processes_respect_the_rest_and_fail_at_once(world: World) -> None:
    first, second = world.manager(), world.manager()
    await first.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.status(429, retry_after=100), times=None):
        with pytest.raises(UnavailableError):
            await first.get_token()
        with pytest.raises(OutageError) as caught:
            await second.get_token()
    assert caught.value.retryable
    assert 99 <= caught.value.retry_after <= 100
    assert world.fake.token_requests == 1
    await world.clock.advance(98)
    with pytest.raises(OutageError):
        await second.get_token()
    await world.clock.advance(3)
    assert world.fake.is_live((await second.get_token()).access_token)


async def test_r7_a_long_rest_does_not_hide_a_newer_sign_in(world: World) -> None:
    manager, other = world.manager(), world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.status(429, retry_after=3600)), pytest.raises(UnavailableError):
        await manager.get_token()
    for minute in range(1, 4):
        await world.clock.advance(61)
        with pytest.raises(OutageError) as caught:
            await manager.get_token()
        rest = 3600 - minute * 61
        assert rest - 1 < caught.value.retry_after < rest + 1, "as it is now, not as it was at first"
    assert world.fake.token_requests == 1
    new = await other.adopt(world.fake.sign_in())
    await world.clock.advance(61)
    assert await manager.get_token() == new


async def test_r7_a_request_that_timed_out_is_repeated_within_the_grace(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold()):
        caller = asyncio.create_task(manager.get_token())
        await world.clock.advance(30)
        with pytest.raises(TransportError) as caught:
            await caller
        assert caught.value.sent
    await world.clock.advance(2)
    assert world.fake.is_live((await manager.get_token()).access_token)
    assert len(world.fake.second_spends) == 1


@pytest.mark.parametrize("processed", [True, False])
async def test_r7_one_broken_connection_is_repeated_and_reported_but_no_caller_fails(
    world: World, *, processed: bool
) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.reset(processed=processed)) as broken:
        tokens = await asyncio.gather(*(manager.get_token() for _ in range(50)))
    assert broken.hits == 1
    assert world.fake.token_requests == 2
    assert len(set(tokens)) == 1
    assert world.fake.is_live(tokens[0].access_token)
    assert len(world.fake.second_spends) == (1 if processed else 0)
    assert world.event_kinds().count(EventKind.REPEATED) == 1
    record = await world.record()
    assert (record.claim, record.rest) == (None, None)


async def test_r7_the_second_broken_connection_in_a_row_is_raised_and_followed_by_a_rest(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.reset(processed=True), times=None):
        with pytest.raises(TransportError) as caught:
            await manager.get_token()
        assert caught.value.broken
        assert world.fake.token_requests == 2
        for _ in range(3):
            with pytest.raises(BitbucketAuthError):
                await manager.get_token()
        assert world.fake.token_requests == 2
    await world.clock.advance(3)
    assert world.fake.is_live((await manager.get_token()).access_token)


async def test_r7_a_bots_broken_connection_is_repeated_too(world: World) -> None:
    manager = world.manager(grant=ClientCredentials())
    with world.fake.inject(faults.truncated()):
        assert world.fake.is_live((await manager.get_token()).access_token)
    assert world.fake.token_requests == 2
    assert EventKind.REPEATED not in world.event_kinds(), "no refresh token was presented"


async def test_r7_a_closing_manager_repeats_no_request(world: World) -> None:
    manager = world.manager()
    await manager.adopt(world.fake.sign_in())
    await world.expire()
    with world.fake.inject(faults.hold(then=faults.reset(processed=True))) as held:
        caller = asyncio.create_task(manager.get_token())
        await held.reached.wait()
        closing = asyncio.create_task(manager.aclose())
        await world.clock.settle()
        held.release()
        with pytest.raises(TransportError):
            await caller
        await closing
    assert world.fake.token_requests == 1
    record = await world.record()
    assert record.claim is not None
    assert record.claim.lost, "the next process repeats it"


async def test_r7_at_a_strict_server_a_lost_answer_is_not_repeated_while_the_token_is_valid(
    strict_world: World,
) -> None:
    world = strict_world
    manager = world.manager()
    old = await manager.adopt(world.fake.sign_in())
    await world.clock.advance(3600 - 200)
    with world.fake.inject(faults.reset(processed=True)):
        await manager.get_token()
        await world.clock.settle()
    for _ in range(16):
        await world.clock.advance(10)
        assert (await manager.get_token()) == old
    assert world.fake.token_requests == 1


async def test_r7_a_wrong_secret_is_reported_rate_limited_and_leaves_the_sign_in_unchanged(world: World) -> None:
    right, wrong = world.manager(), world.manager(client=Client(world.fake.client.client_id, "wrong"))
    await right.adopt(world.fake.sign_in())
    await world.expire()
    for _ in range(30):
        with pytest.raises(InvalidClientError):
            await wrong.get_token()
        await world.clock.advance(1)
    assert 4 <= world.fake.token_requests <= 6
    assert EventKind.MISCONFIGURED in world.event_kinds()
    record = await world.record()
    assert record.refused is None
    assert record.claim is None
    assert world.fake.is_live((await right.get_token()).access_token)


async def test_r7_an_outage_at_the_first_token_of_a_bot_is_retryable(world: World) -> None:
    manager = world.manager(grant=ClientCredentials())
    with world.fake.inject(faults.status(500)), pytest.raises(UnavailableError):
        await manager.get_token()
    await world.clock.advance(2)
    assert world.fake.is_live((await manager.get_token()).access_token)


async def test_r7_an_unexpected_error_of_a_transport_is_an_outage_and_shows_no_secret(world: World) -> None:
    class Broken:
        async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
            raise RuntimeError(request.body)

        async def aclose(self) -> None: ...

    manager = world.manager(transport=Broken())
    token = await world.manager().adopt(world.fake.sign_in())
    await world.expire()
    with pytest.raises(TransportError, match="Broken failed with RuntimeError") as caught:
        await manager.get_token()
    assert (token.refresh_token or "?") not in repr(caught.value)


async def test_r7_a_failing_client_proof_is_misconfigured_rate_limited_and_shows_no_secret(
    world: World,
) -> None:
    asked: list[float] = []

    def sign() -> str:
        asked.append(world.clock.boot())
        raise PermissionError("secret-of-the-signer")  # noqa: EM101 - as a foreign program raises it

    await world.manager().adopt(world.fake.sign_in())
    await world.clock.advance(3500)
    manager = world.manager(client=JwtClient(world.fake.client.client_id, sign))
    for _ in range(60):
        await manager.get_token()
        await world.clock.advance(1)
    assert 3 <= len(asked) <= 10
    await world.expire()
    with pytest.raises(ConfigurationError, match=r"JwtClient with RefreshToken could not.*PermissionError") as caught:
        await manager.get_token()
    assert "secret-of-the-signer" not in "".join(traceback.format_exception(caught.value))
    assert (await world.record()).claim is None
    assert EventKind.MISCONFIGURED in world.event_kinds()


async def test_r7_a_failing_client_proof_does_not_end_an_outage(world: World) -> None:
    signs = True

    def sign() -> str:
        if not signs:
            raise PermissionError
        return "a.b.c"

    manager = world.manager(client=JwtClient(world.fake.client.client_id, sign), grant=ClientCredentials())
    world.fake.inject(faults.status(503), times=None)
    with pytest.raises(UnavailableError):
        await manager.get_token()
    signs = False
    await world.clock.advance(80)
    with pytest.raises(ConfigurationError):
        await manager.get_token()
    assert EventKind.MISCONFIGURED in world.event_kinds()
    assert EventKind.OUTAGE_ENDED not in world.event_kinds()


async def test_r7_a_token_that_has_expired_on_arrival_is_an_outage(world: World) -> None:
    world.fake.rules.lifetime = 0.5
    manager = world.manager(grant=ClientCredentials())
    with world.fake.inject(faults.latency(1), times=None):
        for _ in range(30):
            caller = asyncio.create_task(manager.get_token())
            await world.clock.advance(2)
            with pytest.raises((UnavailableError, OutageError)):
                await caller
    assert world.fake.token_requests <= 10
    await world.clock.advance(80)
    assert await manager.get_token() == await world.token()
    assert world.event_kinds()[-2:] == [EventKind.OUTAGE_ENDED, EventKind.RENEWED]
