"""Bearer behaviour specific to httpx and httpx2: redirects, streamed responses, forms, blocking clients."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import pytest

from bitbucket_auth_async.errors import ConfigurationError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.testing.bearer_contract import BearerContract, Caller, OpenCaller, Response
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    always,
    answer,
    redirects,
    refuses,
    scripted_server,
)
from tests.support.httpx_family import ADAPTERS, ENOUGH, OPTIONS, Adapter

CLOUD = "api.bitbucket.org"


@pytest.fixture(params=ADAPTERS, ids=str)
def on(request: pytest.FixtureRequest) -> Adapter:
    adapter: Adapter = request.param
    return adapter


class HttpxCaller:
    def __init__(self, client: Any) -> None:  # noqa: ANN401  - either library's
        self._client = client

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes | AsyncIterable[bytes] | None = None,
        follow_redirects: bool = True,
    ) -> Response:
        response = await self._client.request(
            method, url, headers=dict(headers), content=body, follow_redirects=follow_redirects
        )
        return Response(response.status_code, response.content)


class TestAuthenticatedClient(BearerContract):
    @pytest.fixture
    def open_caller(self, on: Adapter) -> OpenCaller:
        @asynccontextmanager
        async def open_caller(source: TokenSource, origins: Iterable[str] | None) -> AsyncGenerator[Caller]:
            limits = on.library.Limits(max_connections=100)
            async with on.module.authenticated_client(source, origins=origins, limits=limits, **OPTIONS) as client:
                yield HttpxCaller(client)

        return open_caller


def opens_with_auth(on: Adapter, *, hook: bool) -> OpenCaller:
    @asynccontextmanager
    async def open_caller(source: TokenSource, origins: Iterable[str] | None) -> AsyncGenerator[Caller]:
        auth = on.module.BearerAuth(source, origins=origins)
        hooks = {"request": [auth.on_hop]} if hook else {}
        async with on.library.AsyncClient(auth=auth, event_hooks=hooks, **OPTIONS) as client:
            yield HttpxCaller(client)

    return open_caller


class TestAuthAndHookInTheCallersClient(BearerContract):
    @pytest.fixture
    def open_caller(self, on: Adapter) -> OpenCaller:
        return opens_with_auth(on, hook=True)


class TestAuthAlone(BearerContract):
    @pytest.fixture
    def open_caller(self, on: Adapter) -> OpenCaller:
        return opens_with_auth(on, hook=False)

    async def test_r12_a_redirect_within_the_allowed_origins_keeps_the_token(self, open_caller: OpenCaller) -> None:
        """Within one origin only. Without the hook, the library removes the header at any other one."""
        async with scripted_server(always(answer())) as second:

            async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
                there = {"/one": "/two", "/two": second.origin}[request.target]
                writer.write(answer(302, headers={"Location": there}))

            async with (
                scripted_server(script) as first,
                open_caller(CountingSource(), [first.origin, second.origin]) as caller,
            ):
                await caller.request("GET", f"{first.origin}/one")
        assert first.authorizations() == ["Bearer token-1"] * 2
        assert second.authorizations() == [None]


def saw(authorizations: list[str | None], *answers: Any) -> Any:  # noqa: ANN401  - either library's
    """Return a handler that records each Authorization header, and returns these responses in turn."""
    given = iter(answers)

    def handler(request: Any) -> Any:  # noqa: ANN401  - either library's
        authorizations.append(request.headers.get("authorization"))
        return next(given)

    return handler


@pytest.mark.parametrize(
    "url, bearer",
    [
        (f"https://{CLOUD}/", True),
        (f"https://{CLOUD}:443/", True),
        ("https://API.Bitbucket.ORG/", True),
        (f"wss://{CLOUD}/", True),
        (f"http://{CLOUD}/", False),
        (f"http://{CLOUD}:443/", False),
        (f"https://{CLOUD}:444/", False),
        (f"https://{CLOUD}.evil.example/", False),
        (f"https://{CLOUD}@evil.example/", False),
        (f"https://{CLOUD}%40evil.example@evil.example/", False),
        (f"https://evil.example/{CLOUD}", False),
        (f"https://evil.example\\@{CLOUD}/", None),
        (f"https://{CLOUD}./", False),
        ("https://\u0430pi.bitbucket.org/", False),
        ("https://bitbucket.org/", False),
        ("https://127.0.0.1/", False),
    ],
)
async def test_r12_only_the_exact_origin_gets_the_token(on: Adapter, url: str, *, bearer: bool | None) -> None:
    seen: list[str | None] = []
    transport = on.library.MockTransport(saw(seen, on.library.Response(200)))
    async with on.client(CountingSource(), f"https://{CLOUD}", transport=transport) as client:
        try:
            await client.get(url)
        except on.library.InvalidURL:
            assert bearer is None
            return
    if bearer is None:  # in any case the request goes to the host that was compared
        assert (seen == ["Bearer token-1"]) == (on.library.URL(url).host == CLOUD)
    else:
        assert seen == ["Bearer token-1" if bearer else None]


async def test_r12_an_upgrade_to_https_is_another_origin(on: Adapter) -> None:
    """The library keeps the header there, because the host is the same."""
    seen: list[str | None] = []
    up = on.library.Response(301, headers={"Location": "https://127.0.0.1/"})
    transport = on.library.MockTransport(saw(seen, up, on.library.Response(200)))
    async with on.client(CountingSource(), "http://127.0.0.1", transport=transport, follow_redirects=True) as client:
        await client.get("http://127.0.0.1/")
    assert seen == ["Bearer token-1", None]


async def test_r12_the_callers_credentials_are_not_replaced_by_the_token_at_a_redirect(on: Adapter) -> None:
    async with (
        scripted_server(always(answer())) as second,
        scripted_server(redirects(second.origin)) as first,
        on.client(CountingSource(), first.origin, second.origin, follow_redirects=True) as client,
    ):
        await client.get(first.origin, headers={"Authorization": "Basic own"})
    assert (first.authorizations(), second.authorizations()) == (["Basic own"], [None])


async def test_r12_a_redirect_followed_by_hand_starts_a_new_chain(on: Adapter) -> None:
    """`next_request` carries neither the token nor the chain."""
    async with (
        scripted_server(always(answer())) as api,
        scripted_server(redirects(f"{api.origin}/act")) as foreign,
        scripted_server(redirects(foreign.origin)) as gate,
        on.client(CountingSource(), api.origin, gate.origin) as client,
    ):
        response = await client.get(gate.origin)
        assert "authorization" not in response.next_request.headers
        await client.send(response.next_request, follow_redirects=True)
    assert (gate.authorizations(), api.authorizations()) == (["Bearer token-1"], [None])


async def test_r12_requests_with_the_same_extensions_do_not_mix(on: Adapter) -> None:
    """Some releases keep the caller's mapping, and pass it on to every hop."""
    extensions = {"timeout": on.library.Timeout(ENOUGH).as_dict()}
    async with (
        scripted_server(always(answer())) as api,
        scripted_server(redirects(f"{api.origin}/act")) as foreign,
        on.client(CountingSource(), api.origin, follow_redirects=True) as client,
    ):
        targets = [foreign.origin, f"{api.origin}/own"] * 10
        await asyncio.gather(*(client.get(target, extensions=extensions) for target in targets))
    seen = {(request.target, request.headers.get("authorization")) for request in api.received}
    assert seen == {("/act", None), ("/own", "Bearer token-1")}
    assert list(extensions) == ["timeout"]


async def test_r10_after_a_redirect_only_the_refused_hop_is_repeated(on: Adapter) -> None:
    """The request that was redirected to it is done, and is not repeated."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.target == "/create":
            writer.write(answer(303, headers={"Location": "/created"}))
        elif request.headers["authorization"] == "Bearer token-1":
            writer.write(answer(401))
        else:
            writer.write(answer(200, b"fine"))

    source = CountingSource()
    async with scripted_server(script) as api, on.client(source, api.origin, follow_redirects=True) as client:
        assert (await client.post(f"{api.origin}/create", content=b"once")).text == "fine"
    assert [(request.method, request.target) for request in api.received] == [
        ("POST", "/create"),
        ("GET", "/created"),
        ("GET", "/created"),
    ]


async def test_r10_a_401_from_a_host_without_the_token_causes_no_renewal(on: Adapter) -> None:
    source = CountingSource()
    async with (
        scripted_server(always(answer(401))) as foreign,
        scripted_server(redirects(foreign.origin)) as api,
        on.client(source, api.origin, follow_redirects=True) as client,
    ):
        assert (await client.get(api.origin)).status_code == 401
    assert not source.rejections
    assert len(foreign.received) == 1


async def test_a_request_that_is_sent_again_gets_the_current_token(on: Adapter) -> None:
    source = CountingSource()
    async with scripted_server(always(answer())) as api, on.client(source, api.origin) as client:
        request = client.build_request("GET", api.origin)
        await client.send(request)
        await source.get_token(rejected=source.token)
        await client.send(request)
        assert "authorization" not in request.headers
    assert api.authorizations() == ["Bearer token-1", "Bearer token-2"]


async def test_r11_requests_and_response_hold_no_token_afterwards(on: Adapter) -> None:
    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        moved = answer(302, headers={"Location": "/there"})
        refused = answer(401 if request.headers["authorization"] == "Bearer token-1" else 403)
        writer.write(refused if request.target == "/there" else moved)

    async with scripted_server(script) as api, on.client(CountingSource(), api.origin, follow_redirects=True) as client:
        response = await client.get(api.origin)
        with pytest.raises(on.library.HTTPStatusError) as caught:
            response.raise_for_status()
    assert [hop.status_code for hop in response.history]
    requests: list[Any] = [caught.value.request, response.request, *(hop.request for hop in response.history)]
    assert not [request for request in requests if "authorization" in request.headers]
    assert "token-" not in repr(caught.value) + "".join(
        f"{request.headers!r} {request.extensions!r}" for request in requests
    )


async def test_r11_a_failed_hop_holds_no_token(on: Adapter) -> None:
    """A caller may send `error.request` again."""

    async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        if request.target == "/there":
            writer.close()
        else:
            writer.write(answer(307, headers={"Location": "/there"}))

    async with scripted_server(script) as api, on.client(CountingSource(), api.origin, follow_redirects=True) as client:
        with pytest.raises(on.library.RemoteProtocolError) as caught:
            await client.get(api.origin)
    assert api.authorizations() == ["Bearer token-1"] * 2
    assert "authorization" not in caught.value.request.headers
    assert list(caught.value.request.extensions) == ["timeout"]


async def test_r11_the_log_shows_only_the_host(on: Adapter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bitbucket_auth_async")
    async with scripted_server(always(answer())) as server, on.client(CountingSource()) as client:
        await client.get(f"{server.origin}/?code=secret")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("bitbucket_auth_async")]
    assert ours == ["No bearer on a request to 127.0.0.1"]


async def test_the_callers_hooks_are_called(on: Adapter) -> None:
    seen: list[str] = []

    async def asked(request: Any) -> None:  # noqa: ANN401  - either library's
        seen.append(request.method)

    async def answered(response: Any) -> None:  # noqa: ANN401  - either library's
        await response.aread()  # normally done by the bearer
        seen.append(str(response.status_code))

    hooks = {"request": [asked], "response": [answered]}
    async with (
        scripted_server(refuses("token-1")) as api,
        on.client(CountingSource(), api.origin, event_hooks=hooks) as client,
    ):
        assert (await client.get(api.origin)).status_code == 200
    assert seen == ["GET", "401", "GET", "200"]


def test_a_blocking_client_is_refused(on: Adapter) -> None:
    with (
        on.library.Client(auth=on.auth(CountingSource(), "http://127.0.0.1")) as client,
        pytest.raises(ConfigurationError, match="AsyncClient"),
    ):
        client.get("http://127.0.0.1:1")


async def test_a_flow_may_be_resumed_and_closed_from_other_tasks(on: Adapter) -> None:
    """Each step runs in its own task, and so does the final close."""
    source = CountingSource()
    flow = on.auth(source, "http://127.0.0.1").async_auth_flow(on.library.Request("GET", "http://127.0.0.1/"))
    request = await asyncio.create_task(flow.__anext__())
    again = await asyncio.create_task(flow.asend(on.library.Response(401, request=request)))
    assert again.headers["authorization"] == "Bearer token-2"
    await asyncio.create_task(flow.aclose())
    assert "authorization" not in again.headers
    assert await source.get_token() == Token(access_token="token-2", issued_at=0.0)
