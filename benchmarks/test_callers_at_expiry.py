"""How long do many callers wait for an expired token, compared to as many that await one shielded task?"""

import asyncio

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.counting_server import LIFETIME, SERVER, CountingServer
from benchmarks.measuring import report, side_by_side
from bitbucket_auth_async import Client, RefreshToken, Token, TokenManager
from tests.support.clocks import ShiftedClock

ROUNDS = 11


async def await_one_task(callers: int) -> None:
    """Let all callers await one task that does almost nothing."""

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
            benchmark, baseline=lambda: runner.run(await_one_task(callers)), candidate=expire_and_ask, rounds=ROUNDS
        )
        runner.run(manager.aclose())
    expiries = ROUNDS + 1
    report(
        benchmark,
        f"{callers} callers at expiry, against as many that await one shielded task",
        ratio=f"{result.ratio:.2f}",
        shielded_ms=f"{result.baseline.times(1e3):.1f}",
        ours_ms=f"{result.candidate.times(1e3):.1f}",
        token_requests_per_expiry=f"{(server.requests - asked_before) / expiries:g}",
    )
    assert failures == 0, "callers of one expiry got different tokens"
    assert server.requests - asked_before == expiries
