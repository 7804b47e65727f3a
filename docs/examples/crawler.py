"""A crawler: every repository of many workspaces, a JSON line for each on standard output.

    BITBUCKET_CLIENT_ID=… BITBUCKET_CLIENT_SECRET=… python3 crawler.py workspace … > repositories.jsonl

A progress bar (from the extra `cli`) shows on standard error how far it is; `make example-crawler` shows it without
Bitbucket.

Fifty workers share one token, which is renewed once for all of them, and one budget of requests, which is spread
instead of run into. A page that meets a 429, an outage or a lost connection is asked for again for up to an hour; no
item comes twice and none is left out.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bitbucket_auth_async import ClientCredentials, TokenManager, client_from_env
from bitbucket_auth_async.api import BitbucketAPI, NotFoundError, RateLimit
from bitbucket_auth_async.stores.file import FileStore

WORKERS = 50
AN_HOUR = 3600.0


Keep = Callable[[dict[str, Any]], object]


async def crawl(
    api: BitbucketAPI,
    workspaces: Iterable[str],
    keep: Keep,
    *,
    done: Callable[[], object] = lambda: None,
    workers: int = WORKERS,
) -> None:
    """Hand every repository of the workspaces to *keep*; a workspace that is not there is told and left out."""
    left = iter(workspaces)

    async def work() -> None:
        for workspace in left:  # the workers share it: each takes the next one
            try:
                async for repository in api.paginate("/repositories/{workspace}", workspace=workspace):
                    keep(repository)
            except NotFoundError as error:
                print(error, file=sys.stderr)
            done()

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())


@contextmanager
def progress_bar(workspaces: int, keep: Keep) -> Generator[tuple[Keep, Callable[[], object]]]:
    """Show on standard error how many workspaces are done, and how many repositories were kept."""
    columns = (
        TextColumn("workspaces"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[kept]} repositories"),
        TimeElapsedColumn(),
    )
    kept = 0
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=workspaces, kept=0)

        def keep_and_count(repository: dict[str, Any]) -> None:
            nonlocal kept
            kept += 1
            keep(repository)
            progress.update(bar, kept=kept)

        yield keep_and_count, lambda: progress.advance(bar)


def stop_on_sigterm() -> None:
    """Let SIGTERM cancel what runs, as Ctrl-C does: what is under way is closed in order."""
    task = asyncio.current_task()
    with suppress(NotImplementedError):  # Windows has no SIGTERM to speak of
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task is not None and task.cancel())


async def main(arguments: list[str] | None = None) -> None:
    """Crawl what the command line names."""
    parser = argparse.ArgumentParser(description="Write every repository of many workspaces as a JSON line.")
    parser.add_argument("workspace", nargs="+")
    parser.add_argument("--per-hour", type=int, default=1000, help="the budget of requests (default: %(default)s)")
    options = parser.parse_args(arguments)
    stop_on_sigterm()
    async with (
        TokenManager(client_from_env(), grant=ClientCredentials(), store=FileStore(app_name="crawler")) as manager,
        BitbucketAPI(manager, patience=AN_HOUR, limit=RateLimit(options.per_hour)) as api,
    ):
        with progress_bar(len(options.workspace), lambda repository: print(json.dumps(repository))) as (keep, done):
            await crawl(api, options.workspace, keep, done=done)


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):
        asyncio.run(main())
