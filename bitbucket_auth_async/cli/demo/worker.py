"""One process of the demo: many coroutines that call the API with one shared token, and a journal of what they met."""

import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiofiles
import aiohttp

from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.telemetry.events import Event

_EVERY = 0.2
_CONNECTIONS = 50


class _EnoughError(Exception):
    """The demo closed our standard input."""


class Worker:
    """What one process does, and has done."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Take what the demo wants of this process."""
        self._settings = settings
        self._counts: Counter[str] = Counter(made=0, failed=0)
        self._news: list[tuple[float, str, str]] = []

    async def run(self, orders: asyncio.StreamReader) -> None:
        """Call until the demo closes our standard input, which it also does by dying."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_journal(over))
            await self._work(orders)
            over.set()

    async def _work(self, orders: asyncio.StreamReader) -> None:
        settings = self._settings
        server = AuthorizationServer(
            authorization_endpoint=settings["authorization_endpoint"],
            token_endpoint=settings["token_endpoint"],
            api_origins=frozenset({settings["base_url"]}),
            reuse_grace=settings["reuse_grace"],
        )
        client, store = Client(settings["client_id"], settings["client_secret"]), FileStore(settings["store"])
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        async with (
            TokenManager(client, store=store, key=settings["key"], server=server, on_event=self._hear) as manager,
            authenticated_session(manager, connector=connector) as http,
        ):
            try:
                async with asyncio.TaskGroup() as callers:
                    for _ in range(settings["callers"]):
                        callers.create_task(self._call(http))
                    callers.create_task(_until_the_end_of(orders))
            except* _EnoughError:
                pass  # whatever else ends a caller ends the process, and the demo sees that

    async def _call(self, http: aiohttp.ClientSession) -> None:
        url = f"{self._settings['base_url']}/2.0/user"
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, guards nothing
            try:
                async with http.get(url) as response:
                    await response.read()
                    problem = "" if response.status == HTTPStatus.OK else f"the API answered {response.status}"
            except (BitbucketAuthError, aiohttp.ClientError, TimeoutError) as error:
                problem = f"{type(error).__name__}: {error}"
            self._counts["made"] += 1
            if problem:
                self._counts["failed"] += 1
                self._news.append((time.time(), "failed", problem))

    def _hear(self, event: Event) -> None:
        self._counts[event.kind.value] += 1
        self._news.append((time.time(), event.kind.value, event.detail))

    async def _keep_journal(self, over: asyncio.Event) -> None:
        """Write down what is new five times a second, so that it outlives whoever kills us."""
        async with aiofiles.open(self._settings["journal"], "a", encoding="utf-8") as journal:
            last = False
            while not last:
                last = over.is_set()
                news, self._news = self._news, []
                await journal.write(json.dumps({"counts": self._counts, "news": news}) + "\n")
                await journal.flush()
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), _EVERY)


async def _until_the_end_of(orders: asyncio.StreamReader) -> None:
    await orders.read()
    raise _EnoughError


async def _main() -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    # The settings come by the pipe, since everybody on the machine can read a command line, and they hold a secret.
    settings = await orders.readline()
    if settings:
        await Worker(json.loads(settings)).run(orders)
    pipe.close()


if __name__ == "__main__":
    logging.getLogger("bitbucket_auth_async").addHandler(logging.NullHandler())  # the journal tells it all
    asyncio.run(_main())
