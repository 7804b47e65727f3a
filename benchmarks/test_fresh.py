"""How long does a fresh get_token() take, compared to a bare coroutine that returns an attribute?"""

import asyncio
import time

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import report, side_by_side
from bitbucket_auth_async import Client, Token, TokenManager

CALLS = 100_000
TOKEN = Token(access_token="a" * 2600, issued_at=time.time(), expires_at=time.time() + 3600)


class Bare:
    """The smallest coroutine that returns a token."""

    __slots__ = ("token",)

    def __init__(self) -> None:
        self.token = TOKEN

    async def get_token(self) -> Token:
        return self.token


# Two loops with the same code: the interpreter specialises each for its one object.
async def ask_bare(source: Bare) -> None:
    for _ in range(CALLS):
        await source.get_token()


async def ask_manager(source: TokenManager) -> None:
    for _ in range(CALLS):
        await source.get_token()


def test_a_fresh_token(benchmark: BenchmarkFixture) -> None:
    bare = Bare()
    with asyncio.Runner() as runner:
        manager = TokenManager(Client("id", "secret"))
        runner.run(manager.adopt(TOKEN))
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(ask_bare(bare)),
            candidate=lambda: runner.run(ask_manager(manager)),
        )
        runner.run(manager.aclose())
    report(
        benchmark,
        "get_token() fresh, against a bare coroutine",
        ratio=f"{result.ratio:.2f} (target: at most 2)",
        bare_ns=f"{result.baseline.times(1e9 / CALLS):.0f}",
        ours_ns=f"{result.candidate.times(1e9 / CALLS):.0f}",
    )
