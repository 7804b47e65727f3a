"""Which requests are retried, and after how long."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bitbucket_auth_async.api import ApiError, BitbucketAPI, NoAnswerError, RateLimit, RateLimitedError
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError, OutageError
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.scripted_server import ReceivedRequest, always, answer
from tests.support.api_session import json_response, open_session, responses_in_turn

OK = json_response("done")
LIMITED = json_response({"error": {"message": "Rate limit for this resource has been exceeded."}}, 429)
CUT = answer(200, b"x" * 100, {"Content-Type": "application/json"})[:-50]


def total(waits: list[float]) -> float:
    return sum(wait for wait in waits if wait < 3600)


@pytest.mark.parametrize("trouble", [LIMITED, json_response({}, 500), json_response({}, 502), answer(503, b"<html>")])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_idempotent_request_is_retried(method: str, trouble: bytes) -> None:
    async with open_session(responses_in_turn(trouble, trouble, OK)) as here:
        assert await here.api.request(method, "/x") == "done"
    assert len(here.server.received) == 3
    first, second = here.clock.waits[:2]
    assert 0.75 <= first <= 2.3, "a second, jittered"
    assert 1.5 <= second <= 3.5, "twice as long"


@pytest.mark.parametrize("trouble", [LIMITED, json_response({}, 500), answer(503), b""])
async def test_a_post_is_sent_once(trouble: bytes) -> None:
    async with open_session(responses_in_turn(trouble, OK)) as here:
        with pytest.raises(ApiError) as caught:
            await here.api.post("/x", json={})
    assert caught.value.retryable
    assert len(here.server.received) == 1


@pytest.mark.parametrize("body", [{"json": {"a": 1}}, {"data": b"bytes"}, {"data": "text"}, {"data": {"a": "b"}}, {}])
async def test_a_post_is_retried_with_repeat(body: dict[str, Any]) -> None:
    async with open_session(responses_in_turn(json_response({}, 500), OK)) as here:
        assert await here.api.post("/x", repeat=True, **body) == "done"
    assert len({request.body for request in here.server.received}) == 1
    assert len(here.server.received) == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_idempotent_request_survives_lost_connections(method: str) -> None:
    """aiohttp itself retries at once, so two lost connections are one failure here."""
    async with open_session(responses_in_turn(b"", b"", b"", OK)) as here:
        assert await here.api.request(method, "/x") == "done"
    assert len(here.server.received) == 4
    assert len([wait for wait in here.clock.waits if wait > 0.7]) == 1


async def chunks() -> AsyncIterator[bytes]:
    yield b"chunk"


async def test_a_body_that_can_be_read_once_is_sent_once() -> None:
    async with open_session(responses_in_turn(json_response({}, 500), OK)) as here:
        with pytest.raises(ApiError):
            await here.api.put("/x", data=chunks())
        with pytest.raises(ConfigurationError, match="repeat=True needs a body"):
            await here.api.post("/x", data=chunks(), repeat=True)
    assert len(here.server.received) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 412, 422])
async def test_a_request_with_an_error_of_the_caller_is_sent_once(status: int) -> None:
    async with open_session(always(json_response({}, status))) as here:
        with pytest.raises(ApiError):
            await here.api.get("/x")
    assert len(here.server.received) == 1


async def test_a_truncated_response_is_requested_again() -> None:
    cut = responses_in_turn(CUT, OK)

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        await cut(request, writer)
        if len(here.server.received) == 1:
            writer.close()

    async with open_session(script) as here:
        assert await here.api.get("/x") == "done"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept(status: int) -> None:
    async with open_session(responses_in_turn(json_response({}, status, Retry_After="40"), OK)) as here:
        assert await here.api.get("/x") == "done"
    assert 40 <= here.clock.waits[0] <= 41.1


async def test_a_retry_after_beyond_the_patience_is_raised_at_once() -> None:
    async with open_session(responses_in_turn(json_response({}, 429, Retry_After="61"), OK)) as here:
        with pytest.raises(RateLimitedError) as caught:
            await here.api.get("/x")
    assert caught.value.retry_after == 61.0
    assert here.clock.waits == []


async def test_patience_ends() -> None:
    async with open_session(always(json_response({}, 500)), patience=30) as here:
        with pytest.raises(ApiError, match="500"):
            await here.api.get("/x")
    assert 10 <= total(here.clock.waits) <= 30
    assert 4 <= len(here.server.received) <= 6


async def test_patience_counts_from_the_first_failure() -> None:
    """A long upload or a wait for a turn does not count against the patience."""

    async def slow_first(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if len(here.server.received) == 1:
            here.clock._offset += 1_000
            writer.write(json_response({}, 500))
        else:
            writer.write(OK)

    async with open_session(slow_first, patience=10) as here:
        assert await here.api.get("/x") == "done"


@pytest.mark.parametrize("patience", [-1, float("nan")])
def test_an_invalid_patience_is_refused(patience: float) -> None:
    with pytest.raises(ConfigurationError, match="patience"):
        BitbucketAPI(CountingSource(), patience=patience)


def test_a_limit_that_is_a_number_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"limit takes a RateLimit, such as RateLimit\(1000\), not int"):
        BitbucketAPI(CountingSource(), limit=1000)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_without_patience_no_request_is_retried() -> None:
    async with open_session(responses_in_turn(json_response({}, 500), OK), patience=0) as here:
        with pytest.raises(ApiError):
            await here.api.get("/x")
    assert len(here.server.received) == 1


async def test_a_429_holds_back_the_requests_of_the_whole_session() -> None:
    async with open_session(responses_in_turn(json_response({}, 429, Retry_After="50"), OK)) as here:
        assert await here.api.get("/first") == "done"
        del here.clock.waits[:]
    async with open_session(responses_in_turn(json_response({}, 429, Retry_After="50"), OK)) as here:
        with pytest.raises(RateLimitedError):
            await here.api.post("/first")  # not retried, but it starts the cooldown
        assert here.clock.waits == []
        assert await here.api.post("/second") == "done"
    assert 45 <= here.clock.waits[0] <= 51
    assert here.targets() == ["POST /2.0/first", "POST /2.0/second"]


async def test_a_cooldown_beyond_the_patience_is_raised_without_a_request() -> None:
    async with open_session(
        always(json_response({"error": {"message": "slow down"}}, 429, Retry_After="3000"))
    ) as here:
        for _ in range(3):
            with pytest.raises(RateLimitedError, match="slow down") as caught:
                await here.api.get("/x")
            assert 2990 < (caught.value.retry_after or 0) <= 3000
    assert len(here.server.received) == 1


async def test_a_cooldown_that_starts_while_a_request_waits_for_its_turn_holds_it_back_too() -> None:
    clock = FakeClock()
    limit = RateLimit(20, per=36, clock=clock)  # two at once, then one every two seconds
    async with open_session(always(OK), limit=limit) as here:
        waiting = [asyncio.create_task(limit.turn()) for _ in range(3)]
        second = asyncio.create_task(here.api.get("/second"))
        await clock.settle()
        error = RateLimitedError("no", method="GET", path="/first", status=429)
        limit.cooldown.start(error, 50, here.clock)
        await clock.advance(10)
        await second
        await asyncio.gather(*waiting)
    assert 45 <= here.clock.waits[0] <= 51


async def test_sessions_that_share_a_budget_share_its_cooldown() -> None:
    limit = RateLimit(1000)
    async with (
        open_session(
            always(json_response({"error": {"message": "slow down"}}, 429, Retry_After="3000")), limit=limit
        ) as one,
        open_session(always(OK), limit=limit) as other,
    ):
        for api in (one.api, other.api):
            with pytest.raises(RateLimitedError, match="slow down"):
                await api.get("/x")
    assert other.server.received == []


async def test_an_outage_of_the_token_endpoint_is_retried_for_a_post_too() -> None:
    """No request was sent yet."""
    async with open_session(always(OK)) as here:
        failures = [OutageError("down", retry_after=7.0), OutageError("down", retry_after=0.0)]
        good = here.source.get_token

        async def ailing(**_: object) -> Any:  # noqa: ANN401 - any token
            if failures:
                raise failures.pop()
            return await good()

        here.source.get_token = ailing  # type: ignore[method-assign]
        assert await here.api.post("/x", json={}) == "done"
    assert len(here.server.received) == 1
    assert here.clock.waits[1] == 7.0


async def test_a_login_required_error_is_not_retried() -> None:
    async with open_session(always(OK)) as here:
        here.source.error = LoginRequiredError("dead")
        with pytest.raises(LoginRequiredError):
            await here.api.get("/x")
    assert here.clock.waits == []


async def test_a_post_whose_connection_failed_is_retried() -> None:
    async with open_session(always(OK)) as here:
        url, here.api.base_url = here.api.base_url, "http://127.0.0.1:9/2.0"
        with pytest.raises(NoAnswerError) as caught:
            await here.api.post("/x", json={})
        here.api.base_url = url
    assert not caught.value.sent
    assert len(here.clock.waits) >= 3


async def test_cancelling_a_waiting_request_leaves_no_task() -> None:
    async with open_session(always(json_response({}, 500))) as here:
        task = asyncio.create_task(here.api.get("/x"))
        while not here.clock.waits:  # noqa: ASYNC110 - a list sets no event
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
