"""BearerContract: subclass it with a fixture `open_caller` to test your own bearer adapter."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import NamedTuple, Protocol

from bitbucket_auth_async.errors import ConfigurationError, LoginRequiredError, OutageError
from bitbucket_auth_async.protocols import TokenSource
from bitbucket_auth_async.runtime.extras import extra
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    always,
    answer,
    redirects,
    refuses,
    scripted_server,
)

with extra("testing"):
    import pytest

_NONE: Mapping[str, str] = MappingProxyType({})
_REDIRECTS = [301, 302, 303, 307, 308]


class Response(NamedTuple):
    """A response as the caller of the HTTP library sees it."""

    status: int
    body: bytes


class Caller(Protocol):
    """A client of the HTTP library that uses the bearer adapter."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NONE,
        body: bytes | AsyncIterable[bytes] | None = None,
        follow_redirects: bool = True,
    ) -> Response:
        """Send a request and return the response."""
        ...


OpenCaller = Callable[[TokenSource, Iterable[str] | None], AbstractAsyncContextManager[Caller]]
"""Opens a Caller for a source and its allowed origins."""


class BearerContract:
    """Tests that every bearer adapter must pass; the fixture `open_caller` returns an OpenCaller."""

    async def test_puts_the_token_on_a_request(self, open_caller: OpenCaller) -> None:
        """Each request to an allowed origin gets the current token."""
        source = CountingSource()
        async with scripted_server(always(answer(200, b"yes"))) as api, open_caller(source, [api.origin]) as caller:
            assert await caller.request("GET", f"{api.origin}/2.0/user") == Response(200, b"yes")
            await source.get_token(rejected=source.token)
            await caller.request("GET", f"{api.origin}/2.0/user")
        assert api.authorizations() == ["Bearer token-1", "Bearer token-2"]

    @pytest.mark.parametrize("origin", ["http://api.bitbucket.org", "ftp://127.0.0.1", "https://a:b@c.test", "nothing"])
    async def test_r12_an_unsafe_origin_is_refused(self, open_caller: OpenCaller, origin: str) -> None:
        """Plain http is only allowed for loopback addresses."""
        with pytest.raises(ConfigurationError):
            async with open_caller(CountingSource(), [origin]):
                pass

    async def test_r12_another_origin_gets_no_token(self, open_caller: OpenCaller) -> None:
        """Another port, another spelling of the host, or user information before @ does not make an origin allowed."""
        async with (
            scripted_server(always(answer())) as api,
            scripted_server(always(answer())) as foreign,
            open_caller(CountingSource(), [api.origin]) as caller,
        ):
            await caller.request("GET", foreign.origin)
            await caller.request("GET", api.origin.replace("127.0.0.1", "localhost"))
            await caller.request("GET", foreign.origin.replace("//", f"//{api.origin.removeprefix('http://')}@"))
            await caller.request("GET", foreign.origin.replace("//", "//127.0.0.1@"))
        assert len(foreign.received) == 3  # noqa: PLR2004  - as above
        seen = [*api.authorizations(), *foreign.authorizations()]
        assert not [header for header in seen if header and "token-1" in header]

    async def test_r12_the_same_host_without_tls_gets_no_token(self, open_caller: OpenCaller) -> None:
        """Http and https are different origins, even with the same port."""
        async with (
            scripted_server(always(answer())) as server,
            open_caller(CountingSource(), [server.origin.replace("http:", "https:")]) as caller,
        ):
            await caller.request("GET", server.origin)
        assert server.authorizations() == [None]

    async def test_r12_loopback_is_not_allowed_by_default(self, open_caller: OpenCaller) -> None:
        """Without origins and a source with a server, only Bitbucket Cloud gets the token."""
        async with scripted_server(always(answer())) as server, open_caller(CountingSource(), None) as caller:
            await caller.request("GET", server.origin)
        assert server.authorizations() == [None]

    @pytest.mark.parametrize("status", _REDIRECTS)
    async def test_r12_a_redirect_to_another_origin_drops_the_token(self, open_caller: OpenCaller, status: int) -> None:
        """Downloads and attachments redirect to a storage host that must not get it."""
        async with (
            scripted_server(always(answer())) as foreign,
            scripted_server(redirects(foreign.origin, status)) as api,
            open_caller(CountingSource(), [api.origin]) as caller,
        ):
            assert (await caller.request("GET", api.origin)).status == 200  # noqa: PLR2004  - HTTP's
        assert api.authorizations() == ["Bearer token-1"]
        assert foreign.authorizations() == [None]

    @pytest.mark.parametrize("status", _REDIRECTS)
    async def test_r12_a_redirect_from_another_origin_gets_no_token(self, open_caller: OpenCaller, status: int) -> None:
        """Otherwise any server could make a caller act at the API: directly, over other hosts, or over the API."""
        async with (
            scripted_server(always(answer())) as api,
            scripted_server(redirects(f"{api.origin}/act", status)) as foreign,
            scripted_server(redirects(foreign.origin, status)) as detour,
            scripted_server(redirects(detour.origin, status)) as gate,
            open_caller(CountingSource(), [api.origin, gate.origin]) as caller,
        ):
            for begin in (foreign.origin, detour.origin, gate.origin):
                await caller.request("GET", begin)
                # A new request does not belong to that chain.
                await caller.request("GET", f"{api.origin}/own")
        seen = [(request.target, request.headers.get("authorization")) for request in api.received]
        assert seen == [("/act", None), ("/own", "Bearer token-1")] * 3
        assert gate.authorizations() == ["Bearer token-1"]

    async def test_r12_a_redirect_within_the_allowed_origins_keeps_the_token(self, open_caller: OpenCaller) -> None:
        """Within one origin, and between two allowed origins."""
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
        assert second.authorizations() == ["Bearer token-1"]

    async def test_r12_concurrent_redirect_chains_do_not_mix(self, open_caller: OpenCaller) -> None:
        """A redirect of one task does not affect the requests of other tasks of the client."""
        async with (
            scripted_server(always(answer())) as api,
            scripted_server(redirects(f"{api.origin}/act")) as foreign,
            open_caller(CountingSource(), [api.origin]) as caller,
        ):
            targets = [foreign.origin, f"{api.origin}/own"] * 20
            await asyncio.gather(*(caller.request("GET", target) for target in targets))
        seen = {(request.target, request.headers.get("authorization")) for request in api.received}
        assert seen == {("/act", None), ("/own", "Bearer token-1")}

    async def test_r12_a_redirect_followed_by_hand_is_a_new_request(self, open_caller: OpenCaller) -> None:
        """Without automatic redirects, the caller decides on the next request."""
        async with (
            scripted_server(always(answer())) as api,
            scripted_server(redirects(f"{api.origin}/act")) as foreign,
            open_caller(CountingSource(), [api.origin]) as caller,
        ):
            assert (await caller.request("GET", foreign.origin, follow_redirects=False)).status == 307  # noqa: PLR2004  - HTTP's
            await caller.request("GET", f"{api.origin}/act")
        assert api.authorizations() == ["Bearer token-1"]

    async def test_the_callers_own_credentials_are_kept(self, open_caller: OpenCaller) -> None:
        """No token is added, and the caller gets the 401."""
        source = CountingSource()
        async with scripted_server(always(answer(401))) as api, open_caller(source, [api.origin]) as caller:
            assert (await caller.request("GET", api.origin, headers={"Authorization": "Basic own"})).status == 401  # noqa: PLR2004  - HTTP's
        assert api.authorizations() == ["Basic own"]
        assert not source.rejections

    async def test_r10_a_refused_request_is_repeated_with_the_next_token(self, open_caller: OpenCaller) -> None:
        """Method, headers and body are the same, and the caller sees only the second response."""
        source = CountingSource()
        async with scripted_server(refuses("token-1")) as api, open_caller(source, [api.origin]) as caller:
            received = await caller.request("PUT", api.origin, body=b"the body", headers={"X-Own": "kept"})
        assert received == Response(200, b"the body")
        assert source.rejections == [("token-1", False)]
        assert api.authorizations() == ["Bearer token-1", "Bearer token-2"]
        assert {(request.method, request.body, request.headers["x-own"]) for request in api.received} == {
            ("PUT", b"the body", "kept")
        }

    async def test_r10_a_refused_request_is_repeated_only_once(self, open_caller: OpenCaller) -> None:
        """The caller gets the second 401."""
        source = CountingSource()
        async with scripted_server(refuses("token-1", "token-2")) as api, open_caller(source, [api.origin]) as caller:
            assert await caller.request("GET", api.origin) == Response(401, b"who are you?")
        assert api.authorizations() == ["Bearer token-1", "Bearer token-2"]
        assert source.rejections == [("token-1", False)]

    async def test_r10_without_a_newer_token_the_caller_gets_the_401(self, open_caller: OpenCaller) -> None:
        """The body is kept, and the request is not repeated."""
        source = CountingSource()
        source.stuck = True
        async with scripted_server(refuses("token-1")) as api, open_caller(source, [api.origin]) as caller:
            assert await caller.request("GET", api.origin) == Response(401, b"who are you?")
        assert len(api.received) == 1

    @pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
    async def test_r10_other_errors_do_not_reject_the_token(self, open_caller: OpenCaller, status: int) -> None:
        """Only a 401 means that the token is invalid (RFC 6750 section 3.1)."""
        source = CountingSource()
        async with (
            scripted_server(refuses("token-1", status=status)) as api,
            open_caller(source, [api.origin]) as caller,
        ):
            assert (await caller.request("GET", api.origin)).status == status
        assert not source.rejections
        assert len(api.received) == 1

    async def test_r10_a_generator_is_never_sent_again(self, open_caller: OpenCaller) -> None:
        """It would be empty the second time, but the token is still rejected at the source."""
        source = CountingSource()

        async def once() -> AsyncGenerator[bytes]:
            yield b"only "
            yield b"once"

        async with scripted_server(refuses("token-1")) as api, open_caller(source, [api.origin]) as caller:
            assert await caller.request("POST", api.origin, body=once()) == Response(401, b"who are you?")
        assert [request.body for request in api.received] == [b"only once"]
        assert source.rejections == [("token-1", False)]

    async def test_r10_fifty_refused_requests_cause_one_renewal(self, open_caller: OpenCaller) -> None:
        """All fifty succeed with the next token."""
        source = CountingSource()
        together = asyncio.Barrier(50)

        async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            if request.headers["authorization"] == "Bearer token-1":
                await together.wait()
                writer.write(answer(401))
            else:
                writer.write(answer(200))

        async with scripted_server(script) as api, open_caller(source, [api.origin]) as caller:
            answers = await asyncio.gather(*(caller.request("GET", api.origin) for _ in range(50)))
        assert {received.status for received in answers} == {200}
        assert source.renewals == 1
        assert source.rejections == [("token-1", False)] * 50
        assert sorted(map(str, api.authorizations())) == ["Bearer token-1"] * 50 + ["Bearer token-2"] * 50

    @pytest.mark.parametrize("first", ["/refused", "/fine"])
    async def test_r10_the_source_is_told_whether_the_token_is_still_accepted(
        self, open_caller: OpenCaller, first: str
    ) -> None:
        """It is if a request sent after the refused one succeeded, and is not if that request was sent before."""
        source = CountingSource()
        arrived = {"/refused": asyncio.Event(), "/fine": asyncio.Event()}
        accepted = asyncio.Event()

        async def script(request: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            arrived[request.target].set()
            if request.target == "/fine":
                await arrived["/refused"].wait()
                writer.write(answer(200))
            else:
                await accepted.wait()
                writer.write(answer(401))

        async with scripted_server(script) as api, open_caller(source, [api.origin]) as caller:
            order = [first, *(set(arrived) - {first})]
            sending: dict[str, asyncio.Task[Response]] = {}
            for target in order:
                sending[target] = asyncio.create_task(caller.request("GET", f"{api.origin}{target}"))
                await arrived[target].wait()
            await sending["/fine"]
            accepted.set()
            await sending["/refused"]
        assert source.rejections == [("token-1", first == "/refused")]

    @pytest.mark.parametrize("error", [LoginRequiredError("sign in"), OutageError("later", retry_after=1.0)])
    async def test_errors_of_the_source_reach_the_caller_unchanged(
        self, open_caller: OpenCaller, error: Exception
    ) -> None:
        """Before the first request, and instead of a 401."""
        source = CountingSource()

        async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
            source.error = error
            writer.write(answer(401))

        async with scripted_server(script) as api, open_caller(source, [api.origin]) as caller:
            for sent in (1, 1):
                with pytest.raises(type(error)) as caught:
                    await caller.request("GET", api.origin)
                assert caught.value is error
                assert len(api.received) == sent
