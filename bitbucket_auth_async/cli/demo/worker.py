"""One worker process of the demo: many coroutines call the API with one token, and a journal records the events."""

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

_JOURNAL_INTERVAL = 0.2
_CONNECTIONS = 50


class _StopError(Exception):
    """The demo closed our standard input."""


class Worker:
    """The callers of one process, and their journal."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Take the demo's settings."""
        self._settings = settings
        self._counts: Counter[str] = Counter(requests=0, failed=0)
        self._events: list[tuple[float, str, str]] = []

    async def run(self, stdin: asyncio.StreamReader) -> None:
        """Call the API until standard input closes, which also happens when the demo is killed."""
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_journal(ended))
            await self._call_until_end_of(stdin)
            ended.set()

    async def _call_until_end_of(self, stdin: asyncio.StreamReader) -> None:
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
            TokenManager(client, store=store, key=settings["key"], server=server, on_event=self._record) as manager,
            authenticated_session(manager, connector=connector) as http,
        ):
            try:
                async with asyncio.TaskGroup() as callers:
                    for _ in range(settings["callers"]):
                        callers.create_task(self._call(http))
                    callers.create_task(_stop_at_end_of(stdin))
            except* _StopError:
                pass  # any other exception ends the process, and the demo reports it

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
            self._counts["requests"] += 1
            if problem:
                self._counts["failed"] += 1
                self._events.append((time.time(), "failed", problem))

    def _record(self, event: Event) -> None:
        self._counts[event.kind.value] += 1
        self._events.append((time.time(), event.kind.value, event.detail))

    async def _write_journal(self, ended: asyncio.Event) -> None:
        """Write counts and new events five times a second, so that they survive a kill."""
        async with aiofiles.open(self._settings["journal"], "a", encoding="utf-8") as journal:
            last = False
            while not last:
                last = ended.is_set()
                events, self._events = self._events, []
                await journal.write(json.dumps({"counts": self._counts, "events": events}) + "\n")
                await journal.flush()
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), _JOURNAL_INTERVAL)


async def _stop_at_end_of(stdin: asyncio.StreamReader) -> None:
    await stdin.read()
    raise _StopError


async def _main() -> None:
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    # The settings contain a secret; every user of the machine could read it on a command line.
    settings = await stdin.readline()
    if settings:
        await Worker(json.loads(settings)).run(stdin)
    pipe.close()


if __name__ == "__main__":
    logging.getLogger("bitbucket_auth_async").addHandler(logging.NullHandler())  # the journal records everything
    asyncio.run(_main())
