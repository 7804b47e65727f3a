"""ApiProxy: the token is sent nowhere else, and responses can't harm pages of this site."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest

from bitbucket_auth_async import AuthorizationServer, bitbucket_data_center
from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError, OutageError
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import (
    ScriptedServer,
    always,
    answer,
    cut_off,
    redirects,
    scripted_server,
    unused_origin,
)
from bitbucket_auth_async.web.api_proxy import MAX_BODY, ApiProxy
from bitbucket_auth_async.web.http_messages import BrowserRequest, BrowserResponse

JSON = {"Content-Type": "application/json"}


def browser_request(
    url: str, method: str = "GET", headers: Mapping[str, str] = MappingProxyType({}), body: bytes = b""
) -> BrowserRequest:
    return BrowserRequest(
        method=method, origin="https://ours.example", path="/resource", query=f"url={url}", headers=headers, body=body
    )


@asynccontextmanager
async def api_proxy(api: str, *, writes: bool = False) -> AsyncGenerator[ApiProxy]:
    server = AuthorizationServer(
        authorization_endpoint=f"{api}/a", token_endpoint=f"{api}/t", api_origins=frozenset({api})
    )
    proxy = ApiProxy(server, writes=writes)
    try:
        yield proxy
    finally:
        await proxy.aclose()


async def forwarded(
    api: ScriptedServer, request: BrowserRequest, source: TokenSource | None = None, *, writes: bool = False
) -> BrowserResponse:
    async with api_proxy(api.origin, writes=writes) as proxy:
        return await proxy.forward(request, source or CountingSource())


def header(found: BrowserResponse, name: str) -> str:
    return dict(found.all_headers).get(name, "")


async def test_content_of_others_does_not_become_a_page_of_this_site() -> None:
    html = answer(200, b"<script>alert(1)</script>", {"Content-Type": "text/html", "Set-Cookie": "a=b", "ETag": '"1"'})
    async with scripted_server(always(html)) as api:
        found = await forwarded(api, browser_request("/2.0/repositories/a/b/src/main/x.html"))
    assert (found.status, header(found, "content-type")) == (200, "application/octet-stream")
    assert (header(found, "x-content-type-options"), header(found, "set-cookie")) == ("nosniff", "")
    assert "sandbox" in header(found, "content-security-policy")
    assert header(found, "etag") == '"1"'


async def test_cookies_and_other_headers_of_the_browser_are_not_forwarded() -> None:
    headers = {"cookie": "session=x", "accept": "application/json", "authorization": "Basic x", "x-forwarded-for": "1"}
    async with scripted_server(always(answer(200, b"{}", {**JSON, "Set-Cookie": "a=b"}))) as api:
        for _ in range(2):
            await forwarded(api, browser_request("/2.0/user", headers=headers))
    assert len(api.received) == 2
    for request in api.received:
        assert request.headers["authorization"] == "Bearer token-1"
        assert request.headers["accept"] == "application/json"
        assert not {"cookie", "x-forwarded-for"} & request.headers.keys()


async def test_a_redirect_within_the_api_is_followed() -> None:
    async def script(request: object, writer: object) -> None:
        target = getattr(request, "target", "")
        moved = answer(301, headers={"Location": "/2.0/repositories/new"})
        there = answer(200, b'{"name": "new"}', JSON)
        getattr(writer, "write")(moved if target.endswith("old") else there)  # noqa: B009 - any writer

    async with scripted_server(script) as api:
        found = await forwarded(api, browser_request("/2.0/repositories/old"))
    assert (found.status, json.loads(found.body)) == (200, {"name": "new"})


async def test_a_redirect_to_another_origin_is_not_followed() -> None:
    async with (
        scripted_server(always(answer(200, b"secret"))) as foreign,
        scripted_server(redirects(f"{foreign.origin}/2.0/x")) as api,
    ):
        found = await forwarded(api, browser_request("/2.0/downloads/x"))
    assert (found.status, json.loads(found.body)["error"], foreign.received) == (502, "redirected", [])


@pytest.mark.parametrize("place", ["//[", "//[x]/2.0/y"])
async def test_an_unparseable_url_is_refused(place: str) -> None:
    async with scripted_server(always(answer())) as api:
        found = await forwarded(api, browser_request(place))
    assert (found.status, json.loads(found.body)["error"], api.received) == (400, "invalid_url", [])
    async with scripted_server(redirects(place)) as api:
        found = await forwarded(api, browser_request("/2.0/x"))
    assert (found.status, json.loads(found.body)["error"], len(api.received)) == (502, "redirected", 1)


async def test_a_redirect_loop_ends() -> None:
    async with scripted_server(redirects("/2.0/x")) as api:
        found = await forwarded(api, browser_request("/2.0/x"))
    assert (found.status, len(api.received)) == (502, 5)


async def test_a_response_that_is_too_long_is_refused() -> None:
    async with scripted_server(always(answer(200, b"x" * (MAX_BODY + 1)))) as api:
        found = await forwarded(api, browser_request("/2.0/x"))
    assert (found.status, json.loads(found.body)["error"]) == (502, "too_long")


async def test_a_401_from_the_api_is_not_reported_as_a_missing_sign_in() -> None:
    async with scripted_server(always(answer(401, b"{}", JSON))) as api:
        found = await forwarded(api, browser_request("/2.0/x"))
    assert (found.status, json.loads(found.body)["error"]) == (502, "refused_by_api")


def test_it_works_in_one_event_loop_after_another() -> None:
    """As with Starlette's TestClient, where each request has its own loop."""
    server = bitbucket_data_center(unused_origin())
    proxy = ApiProxy(server, writes=False)
    for _ in range(2):
        assert asyncio.run(proxy.forward(browser_request("/2.0/x"), CountingSource())).status == 502


async def test_a_write_is_forwarded_with_its_body() -> None:
    async with scripted_server(always(answer(201, b"{}", JSON))) as api:
        request = browser_request("/2.0/x", "POST", {"content-type": "application/json"}, b'{"a": 1}')
        assert (await forwarded(api, request)).status == 405
        assert (await forwarded(api, request, writes=True)).status == 201
    (sent,) = api.received
    assert (sent.method, sent.body, sent.headers["content-type"]) == ("POST", b'{"a": 1}', "application/json")


async def test_an_api_that_does_not_respond_gives_502() -> None:
    async with scripted_server(cut_off(b"HTTP/1.1 2")) as api:
        assert (await forwarded(api, browser_request("/2.0/x"))).status == 502
    async with api_proxy(unused_origin()) as proxy:
        assert (await proxy.forward(browser_request("/2.0/x"), CountingSource())).status == 502


class Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def get_token(self, *, rejected: object = None, still_accepted: bool = False) -> None:
        raise self._error


@pytest.mark.parametrize(
    "error, status", [(OutageError("down", retry_after=7.0), 503), (ConfigurationError("wrong"), 502)]
)
async def test_an_error_of_the_token_source_gives_503_or_502(error: Exception, status: int) -> None:
    async with scripted_server(always(answer())) as api:
        found = await forwarded(api, browser_request("/2.0/x"), Failing(error))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it never returns
    assert (found.status, header(found, "retry-after")) == (status, "7" if status == 503 else "")
    assert api.received == []


async def test_login_required_is_raised_to_the_caller() -> None:
    async with scripted_server(always(answer())) as api:
        with pytest.raises(LoginRequiredError):
            await forwarded(api, browser_request("/2.0/x"), Failing(LoginRequiredError("gone")))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it never returns
