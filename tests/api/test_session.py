"""BitbucketAPI: the requests it sends, the results it returns, and the token it uses."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import Any

import aiohttp
import pytest

from bitbucket_auth_async import Token, TokenManager
from bitbucket_auth_async.api import ApiError, BitbucketAPI, GoneError, MissingScopeError, NoAnswerError, NotFoundError
from bitbucket_auth_async.bearer.static_credentials import ApiToken
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from bitbucket_auth_async.testing.mock_aiohttp import mock_bitbucket
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    always,
    answer,
    redirects,
    scripted_server,
    unused_origin,
)
from tests.support.api_session import json_response, open_session, responses_in_turn


async def echo(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
    """Answer with the request as JSON."""
    seen = {"method": request.method, "target": request.target, "body": request.body.decode()}
    writer.write(json_response({**seen, "type": request.headers.get("content-type", "")}))


async def test_each_method_sends_its_request() -> None:
    async with open_session(echo) as (api, *_):
        get = await api.get("/repositories/{workspace}", workspace="a/b", params={"q": 'name ~ "x"', "page": 2})
        assert get["target"] == "/2.0/repositories/a%2Fb?q=name+~+%22x%22&page=2"
        assert (get["method"], get["body"]) == ("GET", "")
        post = await api.post("/repositories/{workspace}/{repo_slug}", workspace="acme", repo_slug="x", json={"a": [1]})
        assert (post["method"], post["target"]) == ("POST", "/2.0/repositories/acme/x")
        assert (json.loads(post["body"]), post["type"]) == ({"a": [1]}, "application/json")
        put = await api.put("/x", data={"message": "hello & bye"})
        assert (put["method"], put["body"]) == ("PUT", "message=hello+%26+bye")
        delete = await api.delete("/x/{id}", id=7)
        assert (delete["method"], delete["target"]) == ("DELETE", "/2.0/x/7")
        assert (await api.request("options", "/x"))["method"] == "OPTIONS"


async def test_a_url_from_a_response_can_be_requested() -> None:
    async with open_session(echo) as (api, port, *_):
        assert (await api.get(f"{port.origin}/2.0/user?a=b"))["target"] == "/2.0/user?a=b"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_response_without_a_body_is_none(status: int) -> None:
    async with open_session(always(answer(status))) as (api, *_):
        assert await api.delete("/x") is None


async def test_r12_a_url_on_another_host_is_not_requested() -> None:
    async with scripted_server(echo) as foreign, open_session(echo) as (api, *_):
        with pytest.raises(ConfigurationError, match="a URL under http"):
            await api.get(f"{foreign.origin}/2.0/user")
    assert foreign.received == []


async def test_r12_a_redirect_to_another_host_is_followed_without_the_token() -> None:
    async with (
        scripted_server(always(json_response("file"))) as foreign,
        open_session(redirects(foreign.origin, 302)) as (api, port, *_),
    ):
        assert await api.get("/downloads/x") == "file"
    assert (port.authorizations(), foreign.authorizations()) == (["Bearer token-1"], [None])


async def test_a_body_is_not_sent_along_a_redirect() -> None:
    async with scripted_server(echo) as foreign, open_session(redirects(foreign.origin, 307)) as (api, *_):
        with pytest.raises(ApiError, match="307"):
            await api.post("/x", json={"secret": "value"})
    assert foreign.received == []


async def test_a_response_that_is_not_json_is_an_error_that_names_stream() -> None:
    async with open_session(always(answer(200, b"diff --git", {"Content-Type": "text/plain"}))) as here:
        with pytest.raises(ApiError, match=r"GET /2.0/diff returned 200: the response is not JSON. Use stream\(\)"):
            await here.api.get("/diff")
    assert len(here.server.received) == 1


async def test_broken_json_is_requested_again() -> None:
    broken = answer(200, b'{"a": ', {"Content-Type": "application/json"})
    async with open_session(responses_in_turn(broken, json_response({"a": 1}))) as here:
        assert await here.api.get("/x") == {"a": 1}
    assert len(here.server.received) == 2


async def test_an_endless_response_is_given_up() -> None:
    async def endless(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b"", {"Content-Type": "application/json", "Content-Length": "99999999999"}))
        for _mebibyte in range(80):
            writer.write(b" " * 2**20)
            await writer.drain()
        await asyncio.Event().wait()

    async with open_session(endless) as (api, *_):
        with pytest.raises(ApiError, match="longer than 64 MiB"):
            await api.get("/x")


async def test_an_endless_error_page_is_read_up_to_its_limit() -> None:
    async def endless(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(404, b"", {"Content-Length": "99999999999"}))
        writer.write(b"x" * 3 * 2**20)
        await asyncio.Event().wait()

    async with open_session(endless) as (api, *_):
        with pytest.raises(NotFoundError):
            await api.get("/x")


async def test_a_session_that_raises_for_status_gives_our_errors_all_the_same() -> None:
    async with open_session(always(json_response({"error": {"message": "no"}}, 404)), raise_for_status=True) as (
        api,
        *_,
    ):
        with pytest.raises(NotFoundError, match="no"):
            await api.get("/x")


async def test_a_closed_port_is_reported_as_not_sent() -> None:
    async with BitbucketAPI(CountingSource(), base_url=unused_origin(), patience=0) as api:
        with pytest.raises(NoAnswerError) as caught:
            await api.get("/x")
    assert (caught.value.sent, caught.value.retryable, caught.value.status) == (False, True, None)


async def test_a_server_that_stops_answering_is_reported() -> None:
    async def silent(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with open_session(silent, patience=0, timeout=aiohttp.ClientTimeout(sock_read=0.01)) as (api, *_):
        with pytest.raises(NoAnswerError) as caught:
            await api.get("/x")
    assert (caught.value.sent, caught.value.retryable) == (True, True)


@pytest.mark.parametrize("location", ["/2.0/x", "file:///etc/passwd", "http://:0/"])
async def test_broken_redirects_are_not_retried(location: str) -> None:
    async with open_session(redirects(location, 302)) as here:
        with pytest.raises(NoAnswerError) as caught:
            await here.api.get("/x")
    assert not caught.value.retryable
    assert here.clock.waits == []


async def test_a_body_is_streamed_up() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"part {number};".encode()

    async with open_session(echo) as here:
        assert (await here.api.post("/x", data=parts()))["body"] == "part 0;part 1;part 2;"
    assert here.server.received[0].headers["transfer-encoding"] == "chunked"


async def test_a_file_is_streamed_up(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    async with open_session(echo) as (api, *_):
        with path.open("rb") as file:
            assert (await api.put("/x", data=file))["body"] == "content"


async def test_a_response_is_streamed_while_it_arrives() -> None:
    more = asyncio.Event()

    async def slowly(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b"", {"Content-Length": "6"}) + b"one")
        await more.wait()
        writer.write(b"two")

    async with (
        open_session(slowly) as here,
        here.api.stream("/src/{commit}/{path}", commit="main", path=PurePosixPath("a/b")) as response,
    ):
        assert isinstance(response, aiohttp.ClientResponse)
        assert await response.content.readany() == b"one"
        more.set()
        assert await response.content.readany() == b"two"
    assert here.targets() == ["GET /2.0/src/main/a/b"]


async def test_an_error_of_a_stream_is_raised_before_the_response_is_yielded() -> None:
    async with open_session(
        responses_in_turn(json_response({}, 503), json_response({"error": {"message": "no"}}, 404))
    ) as here:
        with pytest.raises(NotFoundError):
            async with here.api.stream("/src"):
                pytest.fail("there is nothing to read")
    assert len(here.server.received) == 2, "the outage was waited for"


async def test_r10_a_401_costs_one_renewal_and_no_error() -> None:
    async with open_session(responses_in_turn(json_response({}, 401), json_response("done"))) as here:
        assert await here.api.post("/x", json="again") == "done"
    assert [request.body for request in here.server.received] == [b'"again"'] * 2
    assert here.server.authorizations() == ["Bearer token-1", "Bearer token-2"]


async def test_a_401_after_a_renewal_is_an_error() -> None:
    async with open_session(always(json_response({"error": {"message": "Token is invalid."}}, 401))) as here:
        with pytest.raises(ApiError, match=r"Token is invalid\. The API refuses the token") as caught:
            await here.api.get("/x")
    assert (caught.value.status, caught.value.retryable) == (401, False)
    assert len(here.server.received) == 2


async def test_a_token_is_used_until_it_expires() -> None:
    clock = FakeClock()
    token = Token(access_token="given", issued_at=clock.wall(), expires_at=clock.wall() + 60)
    async with (
        scripted_server(always(json_response({}))) as port,
        BitbucketAPI(token, base_url=port.origin, clock=clock) as api,
    ):
        await api.get("/x")
        await clock.advance(60)
        with pytest.raises(LoginRequiredError, match="Expired"):
            await api.get("/x")
    assert port.authorizations() == ["Bearer given"]


async def test_an_api_token_is_sent_as_basic() -> None:
    token = ApiToken("ada@example.com", "ATATT3x")
    async with scripted_server(always(json_response({}))) as port, BitbucketAPI(token, base_url=port.origin) as api:
        await api.get("/x")
    assert port.authorizations() == ["Basic " + base64.b64encode(b"ada@example.com:ATATT3x").decode()]


async def test_the_base_url_comes_from_the_manager_which_stays_open() -> None:
    async with mock_bitbucket() as fake, TokenManager(fake.client) as manager:
        await manager.adopt(fake.sign_in())
        async with BitbucketAPI(manager) as api:
            assert api.base_url == "https://api.bitbucket.org/2.0"
            assert (await api.get("/user"))["username"] == "ada"
        assert fake.is_live((await manager.get_token()).access_token)


async def test_the_errors_of_the_api_are_typed() -> None:
    async with mock_bitbucket() as fake, TokenManager(fake.client) as manager:
        await manager.adopt(fake.sign_in(scope={"repository"}))
        async with BitbucketAPI(manager) as api:
            with pytest.raises(MissingScopeError) as scope:
                await api.get("/user")
            with pytest.raises(GoneError) as gone:
                await api.get("/repositories")
            with pytest.raises(NotFoundError):
                await api.get("/repositories/{workspace}/{repo_slug}", workspace="acme", repo_slug="none")
    assert scope.value.required == scope.value.missing == {"account"}
    assert scope.value.granted == {"repository"}
    assert gone.value.announcement_url == "https://developer.atlassian.com/cloud/bitbucket/changelog/#CHANGE-2770"


async def test_an_ended_sign_in_is_a_login_required_error() -> None:
    clock = FakeClock()
    async with mock_bitbucket(FakeBitbucket(clock)) as fake, TokenManager(fake.client, clock=clock) as manager:
        await manager.adopt(fake.sign_in())
        fake.revoke()
        await clock.advance(3600)
        async with BitbucketAPI(manager) as api:
            with pytest.raises(LoginRequiredError):
                await api.get("/user")


async def test_a_closed_session_refuses_requests() -> None:
    async with open_session(echo) as (api, *_):
        await api.get("/x")
    await api.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await api.get("/x")


async def test_a_session_is_created_without_an_event_loop_and_closed_unused() -> None:
    api = await asyncio.to_thread(lambda: BitbucketAPI(CountingSource()))
    assert repr(api) == "<BitbucketAPI https://api.bitbucket.org/2.0>"
    await api.aclose()


async def test_the_aiohttp_session_underneath_is_available() -> None:
    async with (
        open_session(echo, headers={"User-Agent": "mine"}) as here,
        here.api.http.get(f"{here.server.origin}/2.0/x") as response,
    ):
        assert response.status == 200
    assert here.server.received[0].headers["user-agent"] == "mine"
    assert here.server.authorizations() == ["Bearer token-1"]


async def test_two_bodies_are_refused() -> None:
    async with open_session(echo) as here:
        with pytest.raises(ConfigurationError, match="one body"):
            await here.api.post("/x", json={}, data=b"")
    assert here.server.received == []


LONE = "\ud800"
"""Half of a surrogate pair, which UTF-8 can't encode."""


@pytest.mark.parametrize("params", [{"q": LONE}, {LONE: "x"}, {"q": ["x", LONE]}, {"q": f'name = "{LONE}"'}])
async def test_a_query_that_cannot_be_encoded_is_refused_and_not_shortened(params: dict[str, Any]) -> None:
    async with open_session(echo) as here:
        for asked in (here.api.get("/x", params=params), here.api.post("/x", params=params)):
            with pytest.raises(ConfigurationError, match=r"^params: .*surrogate"):
                await asked
        with pytest.raises(ConfigurationError, match=r"^params: .*surrogate"):
            await anext(here.api.paginate("/x", params=params))
        with pytest.raises(ConfigurationError, match=r"^params: .*surrogate"):
            async with here.api.stream("/x", params=params):
                pass
    assert here.server.received == []


@pytest.mark.parametrize("data", [LONE, {"name": LONE}, {LONE: "x"}])
async def test_a_body_that_cannot_be_encoded_is_refused(data: object) -> None:
    async with open_session(echo) as here:
        with pytest.raises(ConfigurationError, match=r"^data: .*surrogate"):
            await here.api.post("/x", data=data)
    assert here.server.received == []


async def test_r11_an_error_shows_neither_token_nor_query() -> None:
    async with open_session(always(json_response({}, 404))) as (api, *_):
        with pytest.raises(NotFoundError) as caught:
            await api.get("/x", params={"secret": "value"})
    assert "token-1" not in repr(caught.value) + str(vars(caught.value))
    assert "value" not in repr(caught.value) + str(vars(caught.value))
