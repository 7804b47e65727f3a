"""The way of one process to the server, where the judge sees what is presented and what comes back."""

import asyncio
from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import TransportError
from bitbucket_auth_async.oauth2.http_messages import Request, Response
from bitbucket_auth_async.runtime.clocks import sleep

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.spends import Spend


class Line:
    """The server, as one process reaches it."""

    def __init__(self, process: "Process") -> None:
        """Begin without misfortune."""
        self._process = process
        self.teardowns = 0
        """How many of the next requests are torn down with their loop."""

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        """Send, as the port wants it of every transport."""
        process, fleet = self._process, self._process.fleet
        began = fleet.now()
        await process.wait("request leaving")
        if fleet.now() - began > timeout:
            msg = "The process was stopped for too long."
            raise TransportError(msg, sent=False)
        spend = fleet.judge.spends.sending(process, request, began=began, limit=timeout)
        try:
            response = await self._travel(spend, request, timeout)
        except asyncio.CancelledError:
            await process.alive()
            fleet.judge.spends.given_up(spend, torn_down=spend.torn_down)
            raise
        except TransportError:
            await process.alive()
            fleet.judge.spends.failed(spend)
            raise
        await process.wait("answer arriving")
        fleet.judge.spends.answered(spend, response)
        return response

    async def aclose(self) -> None:
        """Leave the fake open: it is everybody's."""

    async def _travel(self, spend: "Spend", request: Request, limit: float) -> Response:
        process, fleet = self._process, self._process.fleet
        torn_down = self.teardowns > 0
        if torn_down:
            self.teardowns -= 1
        if torn_down and process.chance.random() < 1 / 2:
            await self._tear_down(spend)
        response = await fleet.fake.send(request, timeout=limit)
        if torn_down:
            await self._tear_down(spend)
        await fleet.meanwhile()
        late = process.chance.choice((0, 0, 0, 1, 8))
        if late:
            await sleep(fleet.clock, process.chance.uniform(0, late))
        return response

    async def _tear_down(self, spend: "Spend") -> None:
        """Cancel the renewal, as the end of an event loop would."""
        task = asyncio.current_task()
        if task is not None:
            spend.torn_down = True
            task.cancel()
        await asyncio.sleep(0)

    def __repr__(self) -> str:
        """Name the process."""
        return f"<Line of {self._process.name}>"
