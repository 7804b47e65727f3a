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
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.clients import Client
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.servers import AuthorizationServer
from bitbucket_auth_async.oauth2.tokens import Token, fingerprint
from bitbucket_auth_async.protocols import TokenStore, Versioned
from bitbucket_auth_async.renewal.record import Record
from bitbucket_auth_async.renewal.timing import Timing
from bitbucket_auth_async.stores.open_store import open_store
from bitbucket_auth_async.telemetry.events import Event
from tests.support.clocks import WakeableClock

settings: dict[str, Any] = json.loads(sys.argv[1])
clock = WakeableClock()


class Fated:
    """A store at which the process meets its fate.

    That is at the first look (`look`), once the claim is in (`claim`), right before the outcome gets in (`save`), or
    right after it did (`saved`).
    """

    fate = ""
    at = "save"
    asleep = 0.0
    """Seconds that will have passed when a process that was stopped goes on."""

    def __init__(self, inner: TokenStore) -> None:
        self.inner = inner

    async def load(self, key: str, /) -> Versioned | None:
        meet_fate("look")
        found = await self.inner.load(key)
        if found is not None and found.record.claim is not None:
            say(sees="claim")
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        if record.claim is None:
            meet_fate("save")
        version = await self.inner.swap(key, record, expected=expected)
        if version:
            meet_fate("saved" if record.claim is None else "claim")
        return version


def meet_fate(at: str) -> None:
    """Let what was ordered for this moment befall this process, once."""
    if at != Fated.at:
        return
    fate, Fated.fate = Fated.fate, ""
    if fate == "full":
        limit(100)
    elif fate:
        os.kill(os.getpid(), getattr(signal, fate))
        clock.advance(Fated.asleep)  # who comes here was stopped


def limit(size: int) -> None:
    """Let no file grow beyond *size*; -1: as far as it likes."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most if size < 0 else size, most))


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def heard(event: Event) -> None:
    say(event=event.kind.value)


async def call(manager: TokenManager, callers: int) -> None:
    """Let many callers use the token at once, and tell what they got, and how long it took to get it."""
    problems: list[str] = []
    used: set[str] = set()
    waits: list[float] = []
    lasting = 0

    async def token() -> Token:
        began = time.monotonic()
        try:
            return await manager.get_token()
        finally:
            waits.append(time.monotonic() - began)

    async with authenticated_session(manager) as http:

        async def one() -> None:
            nonlocal lasting
            try:
                used.add(fingerprint((await token()).access_token))
                async with http.get(f"{settings['base_url']}/2.0/user") as response:
                    if response.status != 200:
                        problems.append(f"the API answered {response.status}")
            except BitbucketAuthError as error:
                problems.append(repr(error))
                lasting += not error.retryable

        calls = [asyncio.create_task(one()) for _ in range(callers)]
        await asyncio.sleep(0)
        say(asked=callers)
        await asyncio.gather(*calls)
    say(problems=problems, tokens=sorted(used), lasting=lasting, slowest=max(waits))


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
        clock=clock,
        timing=Timing(**settings["timing"]),
        on_event=heard,
    )
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with store, manager, asyncio.TaskGroup() as calls:
        say(ready=os.getpid())
        while line := await lines.readline():
            order: dict[str, Any] = json.loads(line)
            Fated.fate = order.get("fate", Fated.fate)
            Fated.at = order.get("at", Fated.at)
            Fated.asleep = order.get("asleep", Fated.asleep)
            if "ahead" in order:
                clock.advance(order["ahead"] - clock.offset)
                say(ahead=clock.offset)
            if "wake" in order:
                clock.wake()
            if "limit" in order:
                limit(order["limit"])
            if "callers" in order:
                calls.create_task(call(manager, order["callers"]))


asyncio.run(main())
