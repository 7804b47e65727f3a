"""The connection of one process to the server; the judge sees each request and its answer."""

import asyncio

from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.runtime.clocks import sleep
from tests.simulation.checks.judge import Judge
from tests.simulation.checks.token_requests import TokenRequest
from tests.simulation.process import Process
from tests.simulation.store_rollback import roll_back_if_due
from tests.simulation.world import World


class ServerConnection:
    """A `Transport` to the fake server."""

    def __init__(self, world: World, judge: Judge, process: Process) -> None:
        """Start without faults."""
        self._world = world
        self._judge = judge
        self._process = process
        self.teardowns = 0
        """How many of the next requests are cancelled, as if their event loop ended."""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        """Send a request, as the `Transport` protocol says."""
        process, checks = self._process, self._judge.requests
        began = self._world.now()
        await process.reach("request leaving")
        if self._world.now() - began > timeout:
            msg = "The process was paused for longer than the time limit."
            raise TransportError(msg, sent=False)
        sent = checks.sending(process, request, began=began, limit=timeout)
        try:
            response = await self._deliver(sent, request, timeout)
        except asyncio.CancelledError:
            await process.until_running()
            checks.given_up(sent)
            raise
        except TransportError:
            await process.until_running()
            checks.failed(sent)
            raise
        await process.reach("answer arriving")
        checks.answered(sent, response)
        return response

    async def aclose(self) -> None:
        """Leave the fake server open: all processes use it."""

    async def _deliver(self, sent: TokenRequest, request: Request, limit: float) -> Response:
        rng = self._process.rng
        torn_down = self.teardowns > 0
        if torn_down:
            self.teardowns -= 1
        if torn_down and rng.random() < 1 / 2:
            await self._tear_down(sent)
        response = await self._world.fake.send(request, timeout=limit)
        if torn_down:
            await self._tear_down(sent)
        await roll_back_if_due(self._world, self._judge)
        late = rng.choice((0, 0, 0, 1, 8))
        if late:
            await sleep(self._world.clock, rng.uniform(0, late))
        return response

    async def _tear_down(self, sent: TokenRequest) -> None:
        """Cancel the renewal, as the end of its event loop would."""
        task = asyncio.current_task()
        if task is not None:
            sent.torn_down = True
            task.cancel()
        await asyncio.sleep(0)

    def __repr__(self) -> str:
        """Name the process."""
        return f"<ServerConnection of {self._process.name}>"
