"""What does the bearer add to a request, compared to the same request with a static header?"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import report, side_by_side
from bitbucket_auth_async import AuthorizationServer, Client, Token, TokenManager
from bitbucket_auth_async.bearer.aiohttp import authenticated_session

ROOT = Path(__file__).parents[1]
REQUESTS = 100
SLICES = 20
TOKEN = Token(access_token="a" * 2600, issued_at=time.time(), expires_at=time.time() + 3600)


@pytest.fixture
def base_url() -> Iterator[str]:
    """Serve the API in a separate process, so that its cost counts for neither side."""
    words = [sys.executable, "-m", "benchmarks.api_server"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


async def get(session: aiohttp.ClientSession, url: str) -> None:
    for _ in range(REQUESTS):
        async with session.get(url) as response:
            assert response.status == 200
            await response.read()


def test_an_authenticated_request(benchmark: BenchmarkFixture, base_url: str) -> None:
    url = f"{base_url}/2.0/user"
    server = AuthorizationServer(
        authorization_endpoint=f"{base_url}/authorize",
        token_endpoint=f"{base_url}/token",
        api_origins=frozenset({base_url}),
    )

    async def sessions() -> tuple[TokenManager, aiohttp.ClientSession, aiohttp.ClientSession]:
        manager = TokenManager(Client("id", "secret"), server=server)
        await manager.adopt(TOKEN)
        static = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN.access_token}"})
        return manager, static, authenticated_session(manager)

    with asyncio.Runner() as runner:
        manager, static, authenticated = runner.run(sessions())
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(get(static, url)),
            candidate=lambda: runner.run(get(authenticated, url)),
            slices=SLICES,
        )
        for closable in (static.close, authenticated.close, manager.aclose):
            runner.run(closable())
    report(
        benchmark,
        "an authenticated request, against a static header",
        ratio=f"{result.ratio:.3f} (target: at most 1.03)",
        static_us=f"{result.baseline.times(1e6 / REQUESTS / SLICES):.0f}",
        added_us=f"{result.added.times(1e6 / REQUESTS / SLICES):.1f}",
    )
