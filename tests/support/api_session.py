"""What tests of the API session share: a session at a port, and scripts of what that port answers."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from bitbucket_auth_async.api import BitbucketAPI
from bitbucket_auth_async.testing.counting_source import CountingSource
from bitbucket_auth_async.testing.scripted_server import (
    ReceivedRequest,
    Script,
    ScriptedServer,
    answer,
    scripted_server,
)
from tests.support.clocks import InstantClock

_JSON = {"Content-Type": "application/json"}


class Opened(NamedTuple):
    """A session, the port that it talks to, and the clock on which it waits."""

    api: BitbucketAPI
    server: ScriptedServer
    clock: InstantClock
    source: CountingSource

    def targets(self) -> list[str]:
        """Return method and address of each request that came."""
        return [f"{request.method} {request.target}" for request in self.server.received]


def reply(value: object, status: int = 200, **headers: str) -> bytes:
    """Return a whole answer in JSON."""
    more = {name.replace("_", "-"): text for name, text in headers.items()}
    return answer(status, json.dumps(value).encode(), {**_JSON, **more})


def in_turn(*answers: bytes) -> Script:
    """Return a script that gives these answers one after the other, the last one for ever; b"" closes instead."""
    left = list(answers)

    async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        data = left.pop(0) if len(left) > 1 else left[0]
        writer.write(data)
        await writer.drain()
        if not data:
            writer.close()

    return script


@asynccontextmanager
async def opened(script: Script, **options: Any) -> AsyncGenerator[Opened]:  # noqa: ANN401 - what BitbucketAPI takes
    """Open a session at a port that answers by *script*, with a clock on which nobody waits for long."""
    clock, source = InstantClock(), CountingSource()
    async with (
        scripted_server(script) as port,
        BitbucketAPI(options.pop("source", source), base_url=f"{port.origin}/2.0", clock=clock, **options) as api,
    ):
        yield Opened(api, port, clock, source)
