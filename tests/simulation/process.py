"""A process of the fleet: its clocks, its misfortunes and its callers; it may stop or die wherever it waits."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.manager.token_manager import TokenManager
from bitbucket_auth_async.oauth2.grants import ClientCredentials
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.protocols import Timer
from bitbucket_auth_async.runtime.clocks import sleep
from tests.simulation.line import Line
from tests.simulation.shelf import Shelf

if TYPE_CHECKING:
    from tests.simulation.fleet import Fleet
    from tests.simulation.history import Step

KEY = "alice"
CALLERS = 2


@dataclass(slots=True)
class Fate:
    """What is to happen once the process has waited so often."""

    step: "Step"
    left: int = 1
    point: str | None = None
    """Waits elsewhere do not count."""


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
        self.fates: list[Fate] = []
        self.stopped_at = self.resumed_at = 0.0
        self._stopped_for = 0.0
        self._backlog: list[Callable[[], object]] = []
        self.closing_since: float | None = None
        self.shelf = Shelf(self)
        self.line = Line(self)
        self.manager = TokenManager(
            fleet.fake.client,
            grant=ClientCredentials() if fleet.setting.app else None,
            store=self.shelf,
            transport=self.line,
            server=fleet.server,
            clock=self,
            key=KEY,
            keep_fresh=fleet.setting.keen and number == 0,
            on_event=lambda event: fleet.heard(self, event),
        )
        self.callers: list[asyncio.Task[None]] = []
        self._come()

    # Its clocks: the fleet's, as far as they reach a process that is paused or dead.

    def wall(self) -> float:
        """Return what this machine takes for the time."""
        return self.fleet.clock.wall() + self.fleet.offsets[self.number]

    def boot(self) -> float:
        """Return the seconds since boot."""
        return self.fleet.clock.boot()

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back, unless the process is dead by then; once it goes on, if it is paused."""

        def due() -> None:
            if not self.dead:
                self.meet("a timer")
            if self.dead:
                return
            if self.resumed.is_set():
                callback()
            else:
                self._backlog.append(callback)

        return self.fleet.clock.call_later(delay, due)

    # What befalls it.

    def pause(self) -> None:
        """Stop, as SIGSTOP would."""
        if self.resumed.is_set():
            self.stopped_at = self.fleet.now()
        self.resumed.clear()

    def resume(self) -> None:
        """Go on, as SIGCONT would."""
        if not self.resumed.is_set():
            self.resumed_at = self.fleet.now()
            self._stopped_for += self.resumed_at - self.stopped_at
        self.resumed.set()
        backlog, self._backlog = self._backlog, []
        for callback in backlog:
            callback()

    @property
    def stopped_for(self) -> float:
        """How many seconds it has been stopped, all in all."""
        running = self.resumed.is_set()
        return self._stopped_for + (0.0 if running else self.fleet.now() - self.stopped_at)

    def kill(self) -> None:
        """Do nothing any more, as after SIGKILL."""
        self.dead = True
        self._backlog = []
        self.resume()

    def meet(self, point: str) -> None:
        """Count one wait, and let happen what is to happen at it."""
        for fate in tuple(self.fates):
            fate.left -= fate.point in {None, point}
            if fate.left <= 0:
                self.fates.remove(fate)
                self.fleet.strike(self, fate.step, point)

    async def wait(self, point: str) -> None:
        """Be at a point where it waits for store or server: it may die here, or stop for a while."""
        if not self.dead:
            self.meet(point)
        await self.alive()

    async def alive(self) -> None:
        """Go on once the process runs; never, if it is dead.

        Raises:
            CancelledError: The fleet is being taken down.
        """
        while not self.dead and not self.resumed.is_set():
            await self.resumed.wait()
        if self.fleet.judge.over:
            raise asyncio.CancelledError
        if self.dead:
            await asyncio.get_running_loop().create_future()

    def cancel_callers(self) -> None:
        """Cancel all callers, wherever they are, and let others come."""
        for caller in self.callers:
            caller.cancel()
        self._come()

    async def close(self) -> None:
        """End as a well-behaved program does."""
        for caller in self.callers:
            caller.cancel()
        began, stopped = self.fleet.now(), self.stopped_for
        self.closing_since = began
        await self.manager.aclose()
        self.fleet.judge.closed(self, self.fleet.now() - began - (self.stopped_for - stopped))

    # Its callers.

    def _come(self) -> None:
        seeds = [f"{self.name}/{self.chance.random()}" for _ in range(CALLERS)]
        self.callers = [self.fleet.begin(self._call(random.Random(seed))) for seed in seeds]  # noqa: S311 - drawn again

    async def _call(self, chance: random.Random) -> None:
        while True:
            await sleep(self.fleet.clock, chance.uniform(1, 25))
            await self.alive()
            token = await self.ask()
            # An endpoint that does not take it says so, now and then late.
            if token is not None and not self.fleet.fake.is_live(token.access_token):
                await sleep(self.fleet.clock, chance.choice((0, 0, 2)))
                await self.alive()
                await self.ask(rejected=token)

    async def ask(self, *, rejected: Token | None = None, still_accepted: bool = False) -> Token | None:
        """Ask the manager as a caller does, and have the answer judged."""
        if self.closing_since is not None:
            return None
        question = self.fleet.judge.asked(self, rejected)
        try:
            token = await self.manager.get_token(rejected, still_accepted)
        except BitbucketAuthError as error:
            self.fleet.judge.failed(question, error)
            return None
        except asyncio.CancelledError:
            self.fleet.judge.left(question)
            raise
        self.fleet.judge.handed(question, token)
        return token

    async def reject(self, *, still_accepted: bool) -> None:
        """Let an endpoint refuse the present token, for whatever reason."""
        await self.alive()
        token = await self.ask()
        if token is not None:
            await self.ask(rejected=token, still_accepted=still_accepted)

    def begin(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Start something that only a running process does."""
        return self.fleet.begin(self._begin(work))

    async def _begin(self, work: Coroutine[object, object, None]) -> None:
        try:
            await self.alive()
        except BaseException:
            work.close()
            raise
        await work
