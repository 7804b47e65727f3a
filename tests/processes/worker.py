"""A process of the tests: one manager on one store, told what to do line by line on standard input."""

import asyncio
import json
import os
import resource
import signal
import sys
import time
from typing import Any

from bitbucket_auth_async.bearer.aiohttp import authenticated_session
from bitbucket_auth_async.clocks import SystemClock
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import fingerprint
from bitbucket_auth_async.opening import open_store
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.record import Record
from bitbucket_auth_async.renewal import Timing
from bitbucket_auth_async.telemetry.events import Event

settings: dict[str, Any] = json.loads(sys.argv[1])


class Ahead(SystemClock):
    """The machine's clocks, moved ahead by as much as the test says."""

    __slots__ = ()
    by = 0.0

    def wall(self) -> float:
        return time.time() + Ahead.by

    def boot(self) -> float:
        return time.monotonic() + Ahead.by


class Fated:
    """A store at which the process meets its fate: right before the outcome gets in, or right after the claim did."""

    fate = ""
    at = "save"

    def __init__(self, inner: TokenStore) -> None:
        self.inner = inner

    async def load(self, key: str, /) -> Versioned | None:
        return await self.inner.load(key)

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        if Fated.at == "save" and record.claim is None:
            meet_fate()
        version = await self.inner.swap(key, record, expected=expected)
        if Fated.at == "claim" and version and record.claim is not None:
            meet_fate()
        return version


def meet_fate() -> None:
    """Let what was ordered befall this process, once."""
    fate, Fated.fate = Fated.fate, ""
    if fate == "full":
        limit(100)
    elif fate:
        os.kill(os.getpid(), getattr(signal, fate))


def limit(size: int) -> None:
    """Let no file grow beyond *size*; -1: as far as it likes."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most if size < 0 else size, most))


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def heard(event: Event) -> None:
    say(event=event.kind.value)


async def call(manager: TokenManager, callers: int) -> None:
    """Let many callers use the token at once, and tell what they got."""
    problems: list[str] = []
    used: set[str] = set()
    async with authenticated_session(manager) as http:

        async def one() -> None:
            try:
                used.add(fingerprint((await manager.get_token()).access_token))
                async with http.get(f"{settings['base_url']}/2.0/user") as response:
                    if response.status != 200:
                        problems.append(f"the API answered {response.status}")
            except BitbucketAuthError as error:
                problems.append(repr(error))

        calls = [asyncio.create_task(one()) for _ in range(callers)]
        await asyncio.sleep(0)
        say(asked=callers)
        await asyncio.gather(*calls)
    say(problems=problems, tokens=sorted(used))


async def main() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    server = AuthorizationServer(
        authorization_endpoint=settings["authorization_endpoint"],
        token_endpoint=settings["token_endpoint"],
        api_origins=frozenset({settings["base_url"]}),
        reuse_grace=settings["reuse_grace"],
    )
    store = open_store(settings["store"])
    manager = TokenManager(
        Client(settings["client_id"], settings["client_secret"]),
        grant=ClientCredentials() if settings["bot"] else None,
        store=Fated(store),
        key="alice",
        server=server,
        clock=Ahead(),
        timing=Timing(lease=settings["lease"], request=settings["lease"] / 2),
        on_event=heard,
    )
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with store, manager:
        say(ready=os.getpid())
        while line := await lines.readline():
            order: dict[str, Any] = json.loads(line)
            Ahead.by = order.get("ahead", Ahead.by)
            Fated.fate = order.get("fate", Fated.fate)
            Fated.at = order.get("at", Fated.at)
            if "limit" in order:
                limit(order["limit"])
            if "callers" in order:
                await call(manager, order["callers"])


asyncio.run(main())
