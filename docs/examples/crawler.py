"""A crawler: every repository of many workspaces, a JSON line for each on standard output.

    BITBUCKET_CLIENT_ID=… BITBUCKET_CLIENT_SECRET=… python3 crawler.py workspace … > repositories.jsonl

Fifty workers share one token, which is renewed once for all of them, and one budget of requests, which is spread
instead of run into. A page that meets a 429, an outage or a lost connection is asked for again for up to an hour; no
item comes twice and none is left out.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from bitbucket_auth_async import ClientCredentials, TokenManager, client_from_env
from bitbucket_auth_async.api import BitbucketAPI, NotFoundError, RateLimit
from bitbucket_auth_async.stores.file import FileStore

WORKERS = 50
AN_HOUR = 3600.0


async def crawl(
    api: BitbucketAPI, workspaces: Iterable[str], keep: Callable[[dict[str, Any]], object], *, workers: int = WORKERS
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

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())


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
        await crawl(api, options.workspace, lambda repository: print(json.dumps(repository)))


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):
        asyncio.run(main())
