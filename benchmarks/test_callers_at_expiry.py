"""What do many callers pay who all find the token expired, against as many who wait for one shielded task?"""

import asyncio

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import side_by_side, tell
from benchmarks.world import LIFETIME, SERVER, CountingServer
from bitbucket_auth_async import Client, RefreshToken, Token, TokenManager
from tests.support.clocks import ShiftedClock

ROUNDS = 11


async def together(callers: int) -> None:
    """Let all of them wait for one task that does next to nothing."""

    async def work() -> str:
        await asyncio.sleep(0)
        return "token"

    async def caller() -> str:
        return await asyncio.shield(task)

    task = asyncio.create_task(work())
    await asyncio.gather(*(caller() for _ in range(callers)))


async def all_ask(manager: TokenManager, callers: int) -> list[Token]:
    return await asyncio.gather(*(manager.get_token() for _ in range(callers)))


@pytest.mark.parametrize("callers", [1_000, 10_000])
def test_callers_at_expiry(benchmark: BenchmarkFixture, callers: int) -> None:
    clock, server = ShiftedClock(), CountingServer()
    failures = 0
    with asyncio.Runner() as runner:
        manager = TokenManager(Client("id", "secret"), server=SERVER, transport=server, clock=clock)
        runner.run(manager.exchange(RefreshToken("first")))

        def expire_and_ask() -> None:
            nonlocal failures
            clock.advance(LIFETIME)
            tokens = runner.run(all_ask(manager, callers))
            failures += len({token.access_token for token in tokens}) - 1

        asked_before = server.requests
        result = side_by_side(
            benchmark, baseline=lambda: runner.run(together(callers)), candidate=expire_and_ask, rounds=ROUNDS
        )
        runner.run(manager.aclose())
    expiries = ROUNDS + 1
    tell(
        benchmark,
        f"{callers} callers at expiry, against as many behind one shielded task",
        ratio=f"{result.ratio:.2f}",
        shielded_ms=f"{result.baseline.times(1e3):.1f}",
        ours_ms=f"{result.candidate.times(1e3):.1f}",
        token_requests_per_expiry=f"{(server.requests - asked_before) / expiries:g}",
    )
    assert failures == 0, "callers of one expiry got different tokens"
    assert server.requests - asked_before == expiries
