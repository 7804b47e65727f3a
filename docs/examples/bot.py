"""A bot that answers Bitbucket's webhooks: it speaks for itself (client credentials) and runs for months.

Bitbucket signs each event with the secret of the webhook, which BOT_WEBHOOK_SECRET must hold; the client is in
BITBUCKET_CLIENT_ID and BITBUCKET_CLIENT_SECRET. Then `python -m docs.examples.bot`, or `make example-bot` to see it
without Bitbucket.
"""

import asyncio
import hashlib
import hmac
import json
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web

from bitbucket_auth_async import BitbucketAuthError, ClientCredentials, TokenManager, client_from_env
from bitbucket_auth_async.bearer.aiohttp import authenticated_session

WORKERS = 4


class Bot:
    """Takes events at once, and answers them one after the other in a few workers."""

    def __init__(self, http: aiohttp.ClientSession, secret: str, *, api: str = "https://api.bitbucket.org") -> None:
        """Keep a session that carries the token."""
        self._http = http
        self._secret = secret.encode()
        self._api = api
        self._events: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)

    async def take(self, request: web.Request) -> web.Response:
        """Take an event: say yes quickly, or Bitbucket sends it again."""
        body = await request.read()
        expected = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, request.headers.get("X-Hub-Signature", "")):
            return web.Response(status=401)
        try:
            repository = json.loads(body)["repository"]["full_name"]
            self._events.put_nowait(str(repository))
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400)
        except asyncio.QueueFull:
            return web.Response(status=503)
        return web.Response(status=202)

    async def work(self) -> None:
        """Answer events for ever."""
        while True:
            repository = await self._events.get()
            try:
                print(await self.answer(repository), flush=True)
            except (aiohttp.ClientError, BitbucketAuthError, TimeoutError) as error:
                # An outage: the token is renewed when that is possible again, and the next event may fare better.
                print(f"{repository}: no answer ({type(error).__name__})", flush=True)

    async def answer(self, repository: str) -> str:
        """Look at the repository that an event is about; your bot would comment, or start a build."""
        async with self._http.get(f"{self._api}/2.0/repositories/{repository}") as response:
            response.raise_for_status()
            found = await response.json()
        return f"{found['full_name']}: something happened in a {'private' if found['is_private'] else 'public'} place"


@asynccontextmanager
async def running(manager: TokenManager, secret: str, port: int, *, api: str) -> AsyncGenerator[None]:
    """Run the bot until the block ends; a renewal that is under way is waited for by the manager."""
    async with authenticated_session(manager) as http:
        bot = Bot(http, secret, api=api)
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/events", bot.take)
        runner = web.AppRunner(app)
        await runner.setup()
        workers = [asyncio.create_task(bot.work()) for _ in range(WORKERS)]
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield
        finally:
            await runner.cleanup()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def until_told_to_stop() -> None:
    """Wait for SIGTERM or Ctrl-C."""
    told = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows Ctrl-C cancels us instead
            asyncio.get_running_loop().add_signal_handler(each, told.set)
    await told.wait()


async def main() -> None:
    """Run against Bitbucket on port 8080."""
    async with (
        TokenManager(client_from_env(), grant=ClientCredentials(), keep_fresh=True) as manager,
        running(manager, os.environ["BOT_WEBHOOK_SECRET"], 8080, api="https://api.bitbucket.org"),
    ):
        await until_told_to_stop()


if __name__ == "__main__":
    asyncio.run(main())
