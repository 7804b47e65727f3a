"""One process of a fleet: a manager on a store, which takes orders and sends messages, one JSON object a line.

tests/support/worker_processes.py forks it from a process that has imported all this already.
"""

import asyncio
import json
import os
import resource
import signal
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
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

clock = WakeableClock()


class FaultyStore:
    """A store during whose calls a fault strikes this process.

    The moments are the load (`look`), after the claim was stored (`claim`), before the outcome is stored (`save`) and
    after it (`saved`).
    """

    fault = ""
    """The signal that this process sends itself, or `full`, which is a full disk."""
    at = "save"
    stopped_for = 0.0
    """Seconds by which the clock is ahead when a stopped process continues."""

    def __init__(self, inner: TokenStore) -> None:
        self.inner = inner

    async def load(self, key: str, /) -> Versioned | None:
        strike("look")
        found = await self.inner.load(key)
        if found is not None and found.record.claim is not None:
            say(sees="claim")
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        if record.claim is None:
            strike("save")
        version = await self.inner.swap(key, record, expected=expected)
        if version:
            strike("saved" if record.claim is None else "claim")
        return version


def strike(at: str) -> None:
    """Let the fault that was ordered for this moment happen, once."""
    if at != FaultyStore.at:
        return
    fault, FaultyStore.fault = FaultyStore.fault, ""
    if fault == "full":
        limit_file_size(100)
    elif fault:
        os.kill(os.getpid(), getattr(signal, fault))
        clock.advance(FaultyStore.stopped_for)  # only a process that was stopped gets here


def limit_file_size(size: int) -> None:
    """Let no file grow beyond *size* bytes; -1 lifts the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most if size < 0 else size, most))


class Messages:
    """Where this process sends its messages."""

    pipe: Connection


def say(**what: object) -> None:
    os.write(Messages.pipe.fileno(), json.dumps(what).encode() + b"\n")


def report(event: Event) -> None:
    say(event=event.kind.value)


async def call(manager: TokenManager, api: str, callers: int) -> None:
    """Let many callers use the token at once; send the tokens, the problems and the longest wait in seconds."""
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
                async with http.get(f"{api}/2.0/user") as response:
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


async def main(settings: Mapping[str, Any], orders: Connection) -> None:
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
        store=FaultyStore(store),
        key="alice",
        server=server,
        clock=clock,
        timing=Timing(**settings["timing"]),
        on_event=report,
    )
    lines = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(orders.fileno()), "rb")
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), pipe)
    async with store, manager, asyncio.TaskGroup() as calls:
        say(ready=os.getpid())
        while line := await lines.readline():
            order: dict[str, Any] = json.loads(line)
            FaultyStore.fault = order.get("fault", FaultyStore.fault)
            FaultyStore.at = order.get("at", FaultyStore.at)
            FaultyStore.stopped_for = order.get("stopped_for", FaultyStore.stopped_for)
            if "offset" in order:
                clock.advance(order["offset"] - clock.offset)
                say(offset=clock.offset)
            if "wake" in order:
                clock.wake()
            if "file_size_limit" in order:
                limit_file_size(order["file_size_limit"])
            if "callers" in order:
                calls.create_task(call(manager, settings["base_url"], order["callers"]))


def run(settings: Mapping[str, Any], environ: Mapping[str, str], orders: Connection, messages: Connection) -> None:
    """Be a worker until the orders end."""
    os.environ.clear()
    os.environ.update(environ)
    Messages.pipe = messages
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(main(settings, orders))
