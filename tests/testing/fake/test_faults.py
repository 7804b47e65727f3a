"""Faults of the fake as a Transport."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.oauth2.grants import ClientCredentials, Grant, RefreshToken
from bitbucket_auth_async.oauth2.http_messages import Response
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake.faults import Fault
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock

Ask = Any  # Asking of conftest.py, from where no name can be imported

Send = Callable[..., asyncio.Task[Response]]


@pytest.fixture
def send(fake: FakeBitbucket, ask: Ask) -> Send:
    """Start to send a grant through the fake as a Transport."""

    def begin(grant: Grant | None = None, timeout: float = 30.0) -> asyncio.Task[Response]:
        return asyncio.ensure_future(fake.send(ask.request(grant or ClientCredentials()), timeout=timeout))

    return begin


async def test_without_a_fault_the_fake_is_a_working_transport(fake: FakeBitbucket, send: Send) -> None:
    response = await send()
    assert fake.is_live(json.loads(response.body)["access_token"])
    await fake.aclose()
    await fake.aclose()
    assert (await send()).status == 200


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_status_fault_replaces_the_request(fake: FakeBitbucket, send: Send, code: int) -> None:
    token = fake.sign_in()
    injection = fake.inject(faults.status(code, retry_after=7), times=2)
    for _ in range(2):
        response = await send(RefreshToken(str(token.refresh_token)))
        assert (response.status, response.headers["retry-after"]) == (code, "7")
    assert (await send(RefreshToken(str(token.refresh_token)))).status == 200
    assert injection.hits == 2
    assert fake.spends(str(token.refresh_token)) == 1
    assert [(entry.processed, entry.fault) for entry in fake.log] == [
        (False, f"status {code}"),
        (False, f"status {code}"),
        (True, None),
    ]


async def test_a_status_fault_may_have_a_body(fake: FakeBitbucket, send: Send) -> None:
    fake.inject(faults.status(403, body=b'{"error": "invalid_grant"}'))
    response = await send()
    assert (response.status, response.body, dict(response.headers)["content-type"][:16]) == (
        403,
        b'{"error": "invalid_grant"}',
        "application/json",
    )


@pytest.mark.parametrize("processed, spends", [(True, 1), (False, 0)])
async def test_a_reset_counts_as_sent_whether_processed_or_not(
    fake: FakeBitbucket,
    send: Send,
    processed: bool,  # noqa: FBT001  - a parameter of the test
    spends: int,
) -> None:
    token = fake.sign_in()
    fake.inject(faults.reset(processed=processed))
    with pytest.raises(TransportError) as caught:
        await send(RefreshToken(str(token.refresh_token)))
    assert caught.value.sent
    assert fake.spends(str(token.refresh_token)) == spends


async def test_an_unreachable_server_counts_as_not_sent(fake: FakeBitbucket, send: Send) -> None:
    fake.inject(faults.unreachable())
    with pytest.raises(TransportError) as caught:
        await send()
    assert not caught.value.sent
    assert not fake.log[0].processed


@pytest.mark.parametrize("late", [False, True])
async def test_latency_uses_the_fakes_clock(fake: FakeBitbucket, send: Send, clock: FakeClock, late: bool) -> None:  # noqa: FBT001  - a parameter of the test
    fake.inject(faults.latency(5, late=late))
    task = send()
    await clock.advance(4.9)
    assert not task.done()
    assert fake.log[0].processed is not late
    await clock.advance(0.1)
    assert (await task).status == 200
    assert fake.log[0].processed


async def test_a_response_is_held_until_it_is_released(fake: FakeBitbucket, send: Send, clock: FakeClock) -> None:
    token = fake.sign_in()
    injection = fake.inject(faults.hold(), times=None)
    tasks = [send(RefreshToken(str(token.refresh_token))) for _ in range(3)]
    await injection.reached.wait()
    await clock.advance(29)
    assert not any(task.done() for task in tasks)
    assert fake.spends(str(token.refresh_token)) == 3
    injection.release()
    assert [response.status for response in await asyncio.gather(*tasks)] == [200] * 3
    assert (await send()).status == 200  # later requests are released too


async def test_a_late_held_request_takes_effect_at_its_release(fake: FakeBitbucket, send: Send) -> None:
    token = fake.sign_in()
    injection = fake.inject(faults.hold(late=True))
    task = send(RefreshToken(str(token.refresh_token)))
    await injection.reached.wait()
    assert fake.spends(str(token.refresh_token)) == 0
    injection.release()
    await task
    assert fake.spends(str(token.refresh_token)) == 1


@pytest.mark.parametrize("late", [False, True])
async def test_a_cancelled_client_does_not_stop_the_request(
    fake: FakeBitbucket,
    send: Send,
    clock: FakeClock,
    late: bool,  # noqa: FBT001  - a parameter of the test
) -> None:
    troubles = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    token = fake.sign_in()
    injection = fake.inject(faults.hold(late=late), times=2)
    gone, slow = (send(RefreshToken(str(token.refresh_token)), timeout) for timeout in (30, 3))
    await injection.reached.wait()
    await clock.settle()
    gone.cancel()
    await clock.advance(3)
    with pytest.raises(TransportError) as caught:
        await slow
    assert caught.value.sent
    assert gone.cancelled()
    injection.release()
    await clock.settle()
    assert fake.spends(str(token.refresh_token)) == 2
    assert clock.timers == 0
    assert troubles == []


async def test_a_response_may_be_delayed_and_then_lost(fake: FakeBitbucket, send: Send, clock: FakeClock) -> None:
    fake.inject(faults.latency(2, then=faults.status(503)))
    injection = fake.inject(faults.hold(then=faults.reset(processed=True)))
    slow = send()
    await clock.advance(2)
    assert (await slow).status == 503
    lost = send()
    await injection.reached.wait()
    injection.release()
    with pytest.raises(TransportError):
        await lost
    assert [entry.fault for entry in fake.log] == ["latency 2 s, then status 503", "hold, then reset after"]
    assert [entry.processed for entry in fake.log] == [False, True]


@pytest.mark.parametrize(
    "fault, processed",
    [
        (faults.html(), False),
        (faults.html(502), False),
        (faults.html(processed=True), True),
        (faults.garbage(), True),
        (faults.empty(), True),
        (faults.truncated(framed=True), True),
        (faults.wrong_charset(), True),
        (faults.body(b"[]"), True),
        (faults.body(b"{", processed=False), False),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
async def test_unusable_responses_are_passed_on_unchanged(
    fake: FakeBitbucket,
    send: Send,
    fault: Fault,
    processed: bool,  # noqa: FBT001  - a parameter of the test
) -> None:
    fake.inject(fault)
    response = await send()
    try:
        answer: object = json.loads(response.body.decode())
    except ValueError:
        answer = None
    assert not isinstance(answer, dict)
    assert fake.log[0].processed is processed


async def test_truncated_and_oversized_responses_are_transport_errors(fake: FakeBitbucket, send: Send) -> None:
    for fault in (faults.truncated(), faults.gigantic()):
        fake.inject(fault)
        with pytest.raises(TransportError) as caught:
            await send()
        assert caught.value.sent
    fake.inject(faults.gigantic(1024 * 1024))
    assert len((await send()).body) == 1024 * 1024


async def test_a_fault_hits_only_the_selected_requests(fake: FakeBitbucket, send: Send) -> None:
    token = fake.sign_in()
    injection = fake.inject(faults.status(503), times=None, when=lambda call: call.grant_type == "refresh_token")
    assert (await send()).status == 200
    assert (await send(RefreshToken(str(token.refresh_token)))).status == 503
    injection.remove()
    assert (await send(RefreshToken(str(token.refresh_token)))).status == 200
    assert injection.hits == 1


async def test_faults_hit_in_the_order_of_injection(fake: FakeBitbucket, send: Send) -> None:
    fake.inject(faults.status(500))
    fake.inject(faults.status(503))
    assert [(await send()).status for _ in range(3)] == [500, 503, 200]


async def test_a_fault_is_removed_at_the_end_of_its_block(fake: FakeBitbucket, send: Send) -> None:
    with fake.inject(faults.hold(), times=None) as injection:
        task = send()
        await injection.reached.wait()
    assert (await task).status == 200
    assert (await send()).status == 200
    assert injection.hits == 1


async def test_clear_faults_removes_and_releases_everything(fake: FakeBitbucket, send: Send) -> None:
    fake.inject(faults.status(503), times=None, when=lambda call: call.grant_type == "password")
    injection = fake.inject(faults.hold(), times=None)
    task = send()
    await injection.reached.wait()
    fake.clear_faults()
    assert (await task).status == 200
    assert (await send()).status == 200


async def test_faults_at_the_api_do_not_affect_the_token_endpoint(fake: FakeBitbucket, send: Send) -> None:
    fake.inject(faults.status(429, retry_after=3), at="api")
    assert (await send()).status == 200
    response = await fake.answer_api_request("GET", "/2.0/user", {}, {})
    assert response.status == 429
    assert b"Rate limit for this resource has been exceeded." in response.body
    assert (await fake.answer_api_request("GET", "/2.0/user", {}, {})).status == 401


async def test_a_fake_with_a_wall_clock_function_uses_the_loop_for_timers(ask: Ask) -> None:
    fake = FakeBitbucket(lambda: 1_800_000_000.0)
    fake.inject(faults.latency(0.01))
    assert (await fake.send(ask.request(ClientCredentials()), timeout=5)).status == 200


@pytest.mark.parametrize("fault", [503, None, faults.status], ids=["status", "nothing", "function"])
def test_inject_refuses_anything_that_is_not_a_fault(fake: FakeBitbucket, fault: Any) -> None:  # noqa: ANN401
    with pytest.raises(TypeError, match=r"takes a fault such as faults\.status\(503\)"):
        fake.inject(fault)


def test_an_injection_shows_its_hits(fake: FakeBitbucket) -> None:
    assert repr(fake.inject(faults.status(503), times=2)).endswith(": 0 hits, 2 left>")
    assert repr(fake.inject(faults.html(), times=None)).endswith(": 0 hits, until removed>")


def test_an_unknown_endpoint_for_a_fault_is_refused() -> None:
    """Otherwise a test would wait for a fault that never hits."""
    with pytest.raises(ValueError, match="at='token' or at='api'"):
        FakeBitbucket().inject(faults.status(503), at="tokens")
