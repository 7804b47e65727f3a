"""An API session at a scripted server, on a clock that never waits."""

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


class OpenSession(NamedTuple):
    """An API session, its server, its clock and its token source."""

    api: BitbucketAPI
    server: ScriptedServer
    clock: InstantClock
    source: CountingSource

    def targets(self) -> list[str]:
        """Return method and target of each request that the server received."""
        return [f"{request.method} {request.target}" for request in self.server.received]


def json_response(value: object, status: int = 200, **headers: str) -> bytes:
    """Return a complete response with a JSON body; keyword arguments are headers."""
    more = {name.replace("_", "-"): text for name, text in headers.items()}
    return answer(status, json.dumps(value).encode(), {**_JSON, **more})


def responses_in_turn(*responses: bytes) -> Script:
    """Return a script that sends these responses in turn and repeats the last one; b"" closes the connection."""
    left = list(responses)

    async def script(_: ReceivedRequest, writer: asyncio.StreamWriter) -> None:
        data = left.pop(0) if len(left) > 1 else left[0]
        writer.write(data)
        await writer.drain()
        if not data:
            writer.close()

    return script


@asynccontextmanager
async def open_session(script: Script, **options: Any) -> AsyncGenerator[OpenSession]:  # noqa: ANN401 - what BitbucketAPI takes
    """Open a session at a server that follows *script*, with a clock on which each wait ends at once."""
    clock, source = InstantClock(), CountingSource()
    async with (
        scripted_server(script) as port,
        BitbucketAPI(options.pop("source", source), base_url=f"{port.origin}/2.0", clock=clock, **options) as api,
    ):
        yield OpenSession(api, port, clock, source)
