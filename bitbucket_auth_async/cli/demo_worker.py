"""One process of the demo: many coroutines that call the API with one shared token, and a journal of what they met."""

import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from typing import Any

import aiofiles
import aiohttp

from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.stores.file import FileStore
from bitbucket_auth_async.telemetry.events import Event

_OK = 200
_EVERY = 0.2


class Worker:
    """What one process does, and has done."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Read what the demo wants of this process."""
        self._settings = settings
        self._server = AuthorizationServer(
            authorization_endpoint=settings["authorization_endpoint"],
            token_endpoint=settings["token_endpoint"],
            api_origins=frozenset({settings["base_url"]}),
            reuse_grace=settings["reuse_grace"],
        )
        self._counts: Counter[str] = Counter(made=0, failed=0)
        self._news: list[str] = []

    async def run(self) -> None:
        """Call until the demo closes our standard input, which it also does by dying."""
        client = Client(self._settings["client_id"], self._settings["client_secret"])
        store = FileStore(self._settings["store"])
        async with TokenManager(
            client, store=store, key=self._settings["key"], server=self._server, on_event=self._hear
        ) as manager:
            connector = aiohttp.TCPConnector(limit=50)
            async with authenticated_session(manager, connector=connector) as http:
                journal = asyncio.create_task(self._keep_journal())
                callers = [asyncio.create_task(self._call(http)) for _ in range(self._settings["callers"])]
                await asyncio.to_thread(sys.stdin.buffer.read)
                for caller in callers:
                    caller.cancel()
                await asyncio.gather(*callers, return_exceptions=True)
                journal.cancel()
                await asyncio.gather(journal, return_exceptions=True)
        await self._write()

    async def _call(self, http: aiohttp.ClientSession) -> None:
        url = f"{self._settings['base_url']}/2.0/user"
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - spreads load, guards nothing
            try:
                async with http.get(url) as response:
                    await response.read()
                    problem = "" if response.status == _OK else f"the API answered {response.status}"
            except (BitbucketAuthError, aiohttp.ClientError, TimeoutError) as error:
                problem = f"{type(error).__name__}: {error}"
            self._counts["made"] += 1
            if problem:
                self._counts["failed"] += 1
                self._news.append(f"a request failed: {problem}")

    def _hear(self, event: Event) -> None:
        self._counts[event.kind.value] += 1
        if event.kind.value not in {"requested", "adopted"}:
            self._news.append(f"{event.kind.value.replace('_', ' ')}. {event.detail}")

    async def _keep_journal(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self._write()

    async def _write(self) -> None:
        """Add what is new, so that nothing that a killed process had done goes uncounted."""
        news, self._news = self._news, []
        line = json.dumps({"at": time.time(), "counts": self._counts, "news": news})
        async with aiofiles.open(self._settings["journal"], "a", encoding="utf-8") as journal:
            await journal.write(line + "\n")


if __name__ == "__main__":
    logging.getLogger("bitbucket_auth_async").addHandler(logging.NullHandler())  # the journal tells it all
    asyncio.run(Worker(json.loads(sys.argv[1])).run())
