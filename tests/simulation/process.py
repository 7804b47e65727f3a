"""One operating-system process on its machine: it may be paused or killed at each point where it waits."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from bitbucket_auth_async.protocols import Timer
from tests.simulation.world import World

POINTS = (
    "load asked",
    "load answered",
    "claim asked",
    "claim answered",
    "request leaving",
    "answer arriving",
    "save asked",
    "save answered",
    "a timer",
)
"""The points at which a process waits for the store, the server or a timer."""


@dataclass(slots=True, eq=False)
class ScheduledFault:
    """A fault that happens when the process has reached its points *left* more times."""

    happen: Callable[[str], None]
    """Called with the point."""
    left: int = 1
    point: str | None = None
    """Only this point counts; None: each point counts."""


class Process:
    """A process with its clocks, which are the `Clock` of its manager; a restart makes a new one."""

    def __init__(self, world: World, number: int, life: int) -> None:
        """Start to run."""
        self._world = world
        self.number = number
        self.name = f"process {number}.{life}"
        self.rng = random.Random(f"{world.seed}/{number}/{life}")  # noqa: S311 - drawn again from the same seed
        self.dead = False
        self._running = asyncio.Event()
        self._running.set()
        self.scheduled: list[ScheduledFault] = []
        self.paused_at = self.resumed_at = 0.0
        self._paused_for = 0.0
        self._due_callbacks: list[Callable[[], object]] = []
        self.closing_since: float | None = None

    # The Clock protocol.

    def wall(self) -> float:
        """Return the wall clock of this machine, which may be wrong."""
        return self._world.clock.wall() + self._world.wall_clocks.errors[self.number]

    def boot(self) -> float:
        """Return the seconds since boot."""
        return self._world.clock.boot()

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back after *delay*: not if the process is dead by then, and after the pause if it is paused."""

        def due() -> None:
            if not self.dead:
                self._pass("a timer")
            if self.dead:
                return
            if self.is_running:
                callback()
            else:
                self._due_callbacks.append(callback)

        return self._world.clock.call_later(delay, due)

    # Signals.

    @property
    def is_running(self) -> bool:
        """True unless the process is paused."""
        return self._running.is_set()

    @property
    def is_serving(self) -> bool:
        """True until the process dies or begins to close."""
        return not self.dead and self.closing_since is None

    def pause(self) -> None:
        """Stop, as after SIGSTOP."""
        if self.is_running:
            self.paused_at = self._world.now()
        self._running.clear()

    def resume(self) -> None:
        """Continue, as after SIGCONT, and run the callbacks that came due."""
        if not self.is_running:
            self.resumed_at = self._world.now()
            self._paused_for += self.resumed_at - self.paused_at
        self._running.set()
        callbacks, self._due_callbacks = self._due_callbacks, []
        for callback in callbacks:
            callback()

    def kill(self) -> None:
        """Do nothing any more, as after SIGKILL."""
        self.dead = True
        self._due_callbacks = []
        self.resume()

    @property
    def paused_for(self) -> float:
        """The seconds of all its pauses, a present one included."""
        return self._paused_for + (0.0 if self.is_running else self._world.now() - self.paused_at)

    # Points.

    async def reach(self, point: str) -> None:
        """Pass a point at which the process waits: it may be killed or paused here."""
        if not self.dead:
            self._pass(point)
        await self.until_running()

    async def until_running(self) -> None:
        """Return once the process runs; never, if it is dead.

        Raises:
            CancelledError: The history is over.
        """
        while not self.dead and not self.is_running:
            await self._running.wait()
        if self._world.journal.over:
            raise asyncio.CancelledError
        if self.dead:
            await asyncio.get_running_loop().create_future()

    def _pass(self, point: str) -> None:
        for fault in tuple(self.scheduled):
            fault.left -= fault.point in {None, point}
            if fault.left <= 0:
                self.scheduled.remove(fault)
                fault.happen(point)

    def start(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Start a task that begins once the process runs."""
        return self._world.start(self._start(work))

    async def _start(self, work: Coroutine[object, object, None]) -> None:
        try:
            await self.until_running()
        except BaseException:
            work.close()
            raise
        await work
