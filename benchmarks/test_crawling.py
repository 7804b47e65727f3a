"""How fast does the API session crawl, compared to bare aiohttp with a static header, and what does prefetch gain?"""

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
from bitbucket_auth_async.api import BitbucketAPI

ROOT = Path(__file__).parents[1]
WORKERS = 50
WORKSPACES = 50
PAGES = 10
PAGELEN = 100
SLICES = 2
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


async def manager_at(base_url: str) -> TokenManager:
    server = AuthorizationServer(
        authorization_endpoint=f"{base_url}/authorize",
        token_endpoint=f"{base_url}/token",
        api_origins=frozenset({base_url}),
    )
    manager = TokenManager(Client("id", "secret"), server=server)
    await manager.adopt(TOKEN)
    return manager


async def crawl_bare(http: aiohttp.ClientSession, base_url: str) -> int:
    """Crawl with aiohttp and a token alone."""
    left, count = iter(range(WORKSPACES)), 0

    async def work() -> None:
        nonlocal count
        for number in left:
            url = f"{base_url}/2.0/repositories/workspace-{number}?pagelen={PAGELEN}&pages={PAGES}"
            while url:
                async with http.get(url) as response:
                    response.raise_for_status()
                    page = await response.json()
                for _ in page["values"]:
                    count += 1
                url = page.get("next")

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return count


async def crawl(api: BitbucketAPI, *, prefetch: bool) -> int:
    left, count = iter(range(WORKSPACES)), 0

    async def work() -> None:
        nonlocal count
        for number in left:
            items = api.paginate(
                "/repositories/{workspace}",
                workspace=f"workspace-{number}",
                pagelen=PAGELEN,
                params={"pages": PAGES},
                prefetch=prefetch,
            )
            async for _ in items:
                count += 1

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return count


@pytest.mark.timeout(600)  # forty thousand requests, perhaps on a busy machine
@pytest.mark.parametrize("prefetch", [True, False], ids=["prefetch", "no prefetch"])
def test_a_crawler(benchmark: BenchmarkFixture, base_url: str, *, prefetch: bool) -> None:
    everything = WORKSPACES * PAGES * PAGELEN

    with asyncio.Runner() as runner:

        async def opened() -> tuple[TokenManager, aiohttp.ClientSession, BitbucketAPI]:
            manager = await manager_at(base_url)
            bare = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN.access_token}"})
            return manager, bare, BitbucketAPI(manager)

        manager, bare, api = runner.run(opened())

        def ours() -> None:
            assert runner.run(crawl(api, prefetch=prefetch)) == everything

        def theirs() -> None:
            assert runner.run(crawl_bare(bare, base_url)) == everything

        result = side_by_side(benchmark, baseline=theirs, candidate=ours, slices=SLICES)
        for closable in (bare.close, api.aclose, manager.aclose):
            runner.run(closable())
    requests = SLICES * WORKSPACES * PAGES
    report(
        benchmark,
        f"a crawler of {WORKERS} workers, against bare aiohttp with a static header",
        time_ratio=f"{result.ratio:.3f} (target: at most 1.05)",
        bare_requests_per_s=f"{requests / result.baseline.middle:.0f}",
        ours_requests_per_s=f"{requests / result.candidate.middle:.0f}",
    )


LATENCY = 0.02
USE = 0.0002
"""Seconds that the server takes for a page, and the program for an item; a page of items takes as long."""


async def use_all(api: BitbucketAPI, *, prefetch: bool) -> None:
    items = api.paginate(
        "/repositories/{workspace}",
        workspace="workspace",
        pagelen=PAGELEN,
        params={"pages": PAGES, "latency": LATENCY},
        prefetch=prefetch,
    )
    count = 0
    async for _ in items:
        count += 1
        if count % 10 == 0:
            await asyncio.sleep(10 * USE)


def test_prefetch(benchmark: BenchmarkFixture, base_url: str) -> None:
    with asyncio.Runner() as runner:

        async def opened() -> tuple[TokenManager, BitbucketAPI]:
            manager = await manager_at(base_url)
            return manager, BitbucketAPI(manager)

        manager, api = runner.run(opened())
        result = side_by_side(
            benchmark,
            baseline=lambda: runner.run(use_all(api, prefetch=False)),
            candidate=lambda: runner.run(use_all(api, prefetch=True)),
        )
        for closable in (api.aclose, manager.aclose):
            runner.run(closable())
    report(
        benchmark,
        f"a list of {PAGES} pages, {LATENCY * 1e3:.0f} ms to fetch and as long to use, with prefetch against without",
        time_ratio=f"{result.ratio:.3f}",
        without_ms=f"{result.baseline.times(1e3):.0f}",
        with_ms=f"{result.candidate.times(1e3):.0f}",
    )
