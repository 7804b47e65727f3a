"""A concurrent crawler: many workers on one token, page by page, with a progress bar.

It reads every repository of the workspaces that it is given: `python -m docs.examples.crawler acme other`, with the
client in BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET. To see it without Bitbucket: `make example-crawler`.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp
from rich.progress import Progress

from bitbucket_auth_async import ClientCredentials, TokenManager, client_from_env
from bitbucket_auth_async.bearer.aiohttp import authenticated_session

WORKERS = 16
ATTEMPTS = 5


class Crawler:
    """Fetches what it finds, at most WORKERS requests at a time; what is busy or broken is asked again."""

    def __init__(self, http: aiohttp.ClientSession, progress: Progress, *, api: str) -> None:
        """Keep a session that carries the token."""
        self._http = http
        self._progress = progress
        self._api = api
        self._turns = asyncio.Semaphore(WORKERS)
        self.found: dict[str, bool] = {}
        """Each repository, and whether it is private."""

    async def crawl(self, workspaces: Iterable[str]) -> None:
        """Read all workspaces at once."""
        async with asyncio.TaskGroup() as tasks:
            for workspace in workspaces:
                tasks.create_task(self._workspace(workspace, tasks))

    async def _workspace(self, workspace: str, tasks: asyncio.TaskGroup) -> None:
        bar = self._progress.add_task(workspace, total=None)
        async for page in self._pages(f"{self._api}/2.0/repositories/{quote(workspace, safe='')}?pagelen=100"):
            self._progress.update(bar, total=page.get("size"))
            for repository in page["values"]:
                tasks.create_task(self._repository(repository["full_name"], bar))

    async def _repository(self, full_name: str, bar: Any) -> None:  # noqa: ANN401 - rich's own kind of number
        try:
            repository = await self._get(f"{self._api}/2.0/repositories/{quote(full_name)}")
            self.found[repository["full_name"]] = repository["is_private"]
        except aiohttp.ClientResponseError as error:  # gone since the page was made, or out of order for long
            self._progress.console.print(f"{full_name}: {error.status}")
        self._progress.advance(bar)

    async def _pages(self, url: str | None) -> AsyncGenerator[dict[str, Any]]:
        while url is not None:
            page = await self._get(url)
            yield page
            url = page.get("next")  # opaque; the session gives the token to the API's own origin alone

    async def _get(self, url: str) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            async with self._turns, self._http.get(url) as response:
                if response.status < 500 and response.status != 429 or attempt == ATTEMPTS:  # noqa: PLR2004, RUF021 - HTTP
                    response.raise_for_status()
                    content: dict[str, Any] = await response.json()
                    return content
                rest = float(response.headers.get("Retry-After", "") or 2**attempt / 10)
            await asyncio.sleep(rest)
        raise AssertionError  # the last attempt returns or raises


async def crawl(manager: TokenManager, workspaces: Iterable[str], *, api: str) -> dict[str, bool]:
    """Return every repository of the workspaces."""
    with Progress() as progress:
        async with authenticated_session(manager) as http:
            crawler = Crawler(http, progress, api=api)
            await crawler.crawl(workspaces)
    print(f"{len(crawler.found)} repositories, {sum(crawler.found.values())} of them private", flush=True)
    return crawler.found


def stop_on_sigterm() -> None:
    """Let SIGTERM cancel what runs, as Ctrl-C does: what is under way is closed in order."""
    task = asyncio.current_task()
    with suppress(NotImplementedError):  # Windows has no SIGTERM to speak of
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task is not None and task.cancel())


async def main(workspaces: list[str]) -> None:
    """Crawl Bitbucket."""
    stop_on_sigterm()
    with suppress(asyncio.CancelledError):
        async with TokenManager(client_from_env(), grant=ClientCredentials()) as manager:
            await crawl(manager, workspaces, api="https://api.bitbucket.org")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
