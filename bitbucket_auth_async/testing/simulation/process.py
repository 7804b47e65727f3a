"""A process of the fleet: its clocks, its ways to store and server, and its callers; it can be paused and killed."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from bitbucket_auth_async.clocks import sleep
from bitbucket_auth_async.errors import BitbucketAuthError, TransportError
from bitbucket_auth_async.manager import TokenManager
from bitbucket_auth_async.oauth2.messages import Request, Response
from bitbucket_auth_async.protocols import Timer, Versioned
from bitbucket_auth_async.record import Record

if TYPE_CHECKING:
    from bitbucket_auth_async.testing.simulation.fleet import Fleet
    from bitbucket_auth_async.testing.simulation.history import Step

KEY = "alice"


class Process:
    """One manager with its callers, and the machine under it; a restart makes a new one."""

    def __init__(self, fleet: "Fleet", number: int, life: int) -> None:
        """Start the callers."""
        self.fleet = fleet
        self.number = number
        self.name = f"process {number}.{life}"
        self.chance = random.Random(f"{fleet.seed}/{number}/{life}")  # noqa: S311 - drawn again from the same seed
        self.dead = False
        self.resumed: asyncio.Event = asyncio.Event()
        self.resumed.set()
        self._backlog: list[Callable[[], object]] = []
        self.wall_offset = 0.0
        self.store_down = False
        self.store_slow = False
        self.confirmations_to_lose = 0
        self.last_swap_at = 0.0
        self.save_failed = False
        self.fates: dict[str, Step] = {}
        """What is to happen at a point of its next renewal."""
        self.owner: str | None = None
        """Under which name it claims, once it has claimed."""
        self.sending: asyncio.Task[object] | None = None
        """The task whose token request is out."""
        self.manager = TokenManager(
            fleet.fake.client,
            store=self,
            transport=_Line(self),
            server=fleet.server,
            clock=self,
            key=KEY,
            on_event=lambda event: fleet.heard(self, event),
        )
        self.callers = [fleet.begin(self._call(index)) for index in range(2)]

    # Its clocks: the fleet's, as far as they reach a process that is paused or dead.

    def wall(self) -> float:
        """Return what this machine takes for the time."""
        return self.fleet.clock.wall() + self.wall_offset

    def boot(self) -> float:
        """Return the seconds since boot."""
        return self.fleet.clock.boot()

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back, unless the process is dead by then; once it goes on, if it is paused."""

        def due() -> None:
            if self.dead:
                return
            if self.resumed.is_set():
                callback()
            else:
                self._backlog.append(callback)

        return self.fleet.clock.call_later(delay, due)

    def pause(self) -> None:
        """Stop, as SIGSTOP would."""
        self.resumed.clear()

    def resume(self) -> None:
        """Go on, as SIGCONT would."""
        self.resumed.set()
        backlog, self._backlog = self._backlog, []
        for callback in backlog:
            callback()

    def kill(self) -> None:
        """Do nothing any more, as after SIGKILL."""
        self.dead = True
        self.resume()

    async def meet(self, point: str) -> None:
        """Die or stop at this point of a renewal, if that is what the history wants."""
        step = self.fates.pop(point, None)
        if step is not None:
            self.fleet.strike(self, step)
        await self.alive()

    async def alive(self) -> None:
        """Go on once the process runs; never, if it is dead."""
        while not self.dead and not self.resumed.is_set():
            await self.resumed.wait()
        if self.dead:
            await asyncio.get_running_loop().create_future()

    # Its way to the store.

    async def load(self, key: str, /) -> Versioned | None:
        """Load, late or not at all."""
        await self._reach_the_store()
        found = await self.fleet.records.load(key)
        await self._reach_the_store()
        return found

    async def swap(self, key: str, record: Record, /, *, expected: int) -> int:
        """Swap, late or not at all, or without hearing of it."""
        await self._reach_the_store()
        before = await self.fleet.records.load(key)
        version = await self.fleet.records.swap(key, record, expected=expected)
        if version:
            self.last_swap_at = self.fleet.clock.boot()
            if record.claim is not None and (before is None or record.claim != before.record.claim):
                self.owner = record.claim.owner
            self.fleet.judge.swapped(self, before, record)
        if version and self.confirmations_to_lose:
            self.confirmations_to_lose -= 1
            self.save_failed = True
            raise ConnectionResetError
        await self._reach_the_store()
        return version

    async def _reach_the_store(self) -> None:
        await self.alive()
        if self.store_slow:
            await sleep(self, self.chance.uniform(0, 12))
        elif self.chance.random() < 0.3:  # noqa: PLR2004 - now and then
            await sleep(self, self.chance.uniform(0, 0.05))
        await self.alive()
        if self.store_down:
            self.save_failed = True
            raise ConnectionRefusedError

    # Its callers.

    async def _call(self, index: int) -> None:
        chance = random.Random(f"{self.name}/{index}")  # noqa: S311 - drawn again from the same seed
        while True:
            await sleep(self, chance.uniform(1, 25))
            await self.alive()
            try:
                token = await self.manager.get_token()
                self.fleet.judge.handed(self, token)
                if not self.fleet.fake.is_live(token.access_token):
                    token = await self.manager.get_token(rejected=token)
                    self.fleet.judge.handed(self, token)
            except BitbucketAuthError as error:
                self.fleet.judge.failed(self, error)

    def cancel_callers(self) -> None:
        """Cancel all callers, wherever they are, and let others come."""
        for caller in self.callers:
            caller.cancel()
        self.callers = [self.fleet.begin(self._call(index + self.chance.randrange(10**6))) for index in range(2)]

    def leave_loop(self) -> None:
        """Cancel the renewal, as the end of an event loop would."""
        if self.sending is not None:
            self.sending.cancel()

    async def reject(self) -> None:
        """Let an endpoint refuse the present token, for whatever reason."""
        try:
            token = await self.manager.get_token()
            self.fleet.judge.handed(self, await self.manager.get_token(rejected=token))
        except BitbucketAuthError as error:
            self.fleet.judge.failed(self, error)


class _Line:
    """The way of one process to the server."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def send(self, request: Request, /, *, timeout: float) -> Response:  # noqa: ASYNC109 - the port's own word
        process, fleet = self._process, self._process.fleet
        began = fleet.clock.boot()
        await process.alive()
        await process.meet("before_sending")
        if fleet.clock.boot() - began > timeout:  # as the port wants it of every transport
            msg = "The process was stopped for too long."
            raise TransportError(msg, sent=False)
        spend = fleet.judge.sending(process, request)
        process.sending = asyncio.current_task()
        try:
            response = await fleet.fake.send(request, timeout=timeout)
        except BaseException:  # whoever gives up waiting, or is torn down, holds no successor
            await process.alive()
            spend.failed = True
            raise
        finally:
            process.sending = None
        await process.alive()
        await process.meet("before_saving")
        fleet.judge.answered(spend, response)
        return response

    async def aclose(self) -> None:
        """Leave the fake open: it is everybody's."""
