"""How does Authlib's AsyncOAuth2Client compare: with a fresh token, and with many callers at expiry?

It is used as its documentation says: with `token_endpoint`, `update_token`, and the check that its own `request` makes.
Both work in memory: Authlib's `update_token` saves nothing here, and our manager has its default store.
"""

# Authlib has no annotations, and its stubs leave its clients out.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import asyncio
import time

import httpx2
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_server import LIFETIME, SERVER, CountingServer
from benchmarks.measuring import report, side_by_side
from bitbucket_auth_async import Client, RefreshToken, TokenManager
from tests.support.clocks import ShiftedClock

CALLS = 20_000
ROUNDS = 11


def authlib_client(server: CountingServer) -> AsyncOAuth2Client:
    """Return a client with a valid token."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=server.answer(), headers={"content-type": "application/json"})

    async def update_token(token: object, refresh_token: object = None, access_token: object = None) -> None:
        """A program would save the token here."""

    return AsyncOAuth2Client(
        "id",
        "secret",
        token_endpoint=SERVER.token_endpoint,
        update_token=update_token,
        token={"access_token": "a" * 2600, "refresh_token": "first", "expires_at": time.time() + LIFETIME},
        transport=httpx2.MockTransport(answer),
    )


async def ask_authlib(client: AsyncOAuth2Client) -> str:
    await client.ensure_active_token(client.token)  # type: ignore[no-untyped-call]  # Authlib's stubs leave it out
    access_token: str = client.token["access_token"]
    return access_token


async def ask_authlib_often(client: AsyncOAuth2Client) -> None:
    for _ in range(CALLS):
        await ask_authlib(client)


async def ask_often(manager: TokenManager) -> None:
    for _ in range(CALLS):
        (await manager.get_token()).access_token  # noqa: B018 - callers read this attribute


def test_a_fresh_token_against_authlib(benchmark: BenchmarkFixture) -> None:
    with asyncio.Runner() as runner:
        theirs = authlib_client(CountingServer())
        ours = TokenManager(Client("id", "secret"), server=SERVER, transport=CountingServer())
        runner.run(ours.exchange(RefreshToken("first")))
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(ask_authlib_often(theirs)),
            candidate=lambda: runner.run(ask_often(ours)),
            rounds=ROUNDS,
        )
        runner.run(ours.aclose())
        runner.run(theirs.aclose())
    report(
        benchmark,
        "get_token() fresh, against Authlib's ensure_active_token()",
        ratio=f"{result.ratio:.3f}",
        authlib_ns=f"{result.baseline.times(1e9 / CALLS):.0f}",
        ours_ns=f"{result.candidate.times(1e9 / CALLS):.0f}",
    )


@pytest.mark.parametrize("callers", [1_000, 10_000])
def test_callers_at_expiry_against_authlib(benchmark: BenchmarkFixture, callers: int) -> None:
    clock, server, authlib_server = ShiftedClock(), CountingServer(), CountingServer()
    with asyncio.Runner() as runner:
        theirs = authlib_client(authlib_server)
        ours = TokenManager(Client("id", "secret"), server=SERVER, transport=server, clock=clock)
        runner.run(ours.exchange(RefreshToken("first")))
        first = server.requests

        async def all_ask_authlib() -> None:
            theirs.token["expires_at"] = 1
            await asyncio.gather(*(ask_authlib(theirs) for _ in range(callers)))

        async def all_ask() -> None:
            clock.advance(LIFETIME)
            await asyncio.gather(*(ours.get_token() for _ in range(callers)))

        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(all_ask_authlib()),
            candidate=lambda: runner.run(all_ask()),
            rounds=ROUNDS,
        )
        runner.run(ours.aclose())
        runner.run(theirs.aclose())
    report(
        benchmark,
        f"{callers} callers at expiry, against Authlib",
        ratio=f"{result.ratio:.2f}",
        authlib_ms=f"{result.baseline.times(1e3):.1f}",
        ours_ms=f"{result.candidate.times(1e3):.1f}",
        token_requests_per_expiry=f"{(server.requests - first) / (ROUNDS + 1):g}",
        of_authlib=f"{authlib_server.requests / (ROUNDS + 1):g}",
    )
