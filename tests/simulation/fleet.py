"""The fleet: several processes on one store and one server, in virtual time, through one history."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.telemetry.events import ROUTINE, Event, EventKind
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from tests.simulation.history import LENGTH, PROCESSES, Setting, Step
from tests.simulation.judge import Judge
from tests.simulation.misfortunes import Misfortunes
from tests.simulation.process import Process
from tests.simulation.weather import Weather

_QUIET = 700.0
"""Seconds after the last step: a lease and a third of the grace pass, and every rest ends."""
_LONG = 200
"""Seconds that one caller is given, which is more than it may take."""
_OFTEN, _SECONDS = 80, 25
"""A token that died young is not renewed by force at once, but it does expire."""
_SILENT = ROUTINE | {EventKind.ADOPTED}


class Fleet:
    """One run of one history."""

    def __init__(self, seed: int, setting: Setting, steps: tuple[Step, ...], *, telling: bool = False) -> None:
        """Register the client; nobody has signed in yet."""
        self.seed = seed
        self.setting = setting
        self.steps = steps
        self.story: list[str] = []
        self._telling = telling
        self.clock = FakeClock()
        self.fake = FakeBitbucket(
            self.clock,
            strict=setting.strict,
            revoke_access_on_refresh=setting.revokes_access,
            lifetime=setting.lifetime,
            token_length=40,
            seed=str(seed),
        )
        self.fake.rules.rotates = setting.rotates
        self.fake.rules.last_pair_wins = setting.last_pair_wins
        self.server = replace(BITBUCKET_CLOUD, reuse_grace=0.0) if setting.strict else BITBUCKET_CLOUD
        self.records = MemoryStore()
        self.chance = random.Random(f"{seed}/fleet")  # noqa: S311 - drawn again from the same seed
        self._began = self.clock.boot()
        self._began_wall = self.clock.wall()
        self.weather = Weather(PROCESSES)
        self.offsets = [0.0] * PROCESSES
        """By how much each machine's wall clock is wrong."""
        self.lowest_offsets = [0.0] * PROCESSES
        self.judge = Judge(self)
        self.misfortunes = Misfortunes(self)
        self._lives = [0] * PROCESSES
        self._person_is_coming = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.processes: list[Process] = []

    async def run(self) -> Judge:
        """Live through the history, mend everything, and judge."""
        before = random.getstate()
        random.seed(self.seed)
        try:
            await self._live()
        finally:
            random.setstate(before)
        return self.judge

    async def _live(self) -> None:
        self.processes = [self._start(number) for number in range(PROCESSES)]
        if not self.setting.app:
            self.misfortunes.sign_in(self.processes[0], "sign_in")
        for step in self.steps:
            await self._until(step.at)
            if self.judge.broken:
                break
            if self._telling:
                self.story.append(str(step))
            self.judge.counts[f"step: {step.what}"] += 1
            await self.misfortunes.befall(step)
        if not self.judge.broken:
            await self._end()
        await self._stop()

    # What the others ask.

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return self.clock.boot() - self._began

    def since_began(self, wall: float) -> float:
        """Turn the server's time into seconds since the beginning."""
        return wall - self._began_wall

    def tell(self, what: str) -> None:
        """Add a line to the story."""
        if self._telling:
            self.story.append(f"{self.now():7.1f} s      {what}")

    def heard(self, process: Process, event: Event) -> None:
        """Take an event of a process into the story."""
        self.judge.heard(process, event)
        if event.kind not in _SILENT:
            self.tell(f"{process.name}: {event.kind.value}. {event.detail}")

    def begin(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Start a task, whose failure is a broken promise."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def strike(self, process: Process, step: Step, point: str | None = None) -> None:
        """Let one process have its misfortune, now."""
        if point is not None:
            what = (
                step.what.partition("_at_wait")[0]
                .partition("_before_")[0]
                .removeprefix("reject_and_")
                .replace("_", " ")
            )
            self.judge.counts[f"{what} at: {point}"] += 1
            self.tell(f"{process.name}: {what} at: {point}")
        self.misfortunes.strike(process, step)

    async def meanwhile(self) -> None:
        """Let happen what is to happen while a request is under way."""
        await self.misfortunes.meanwhile()

    def restart(self, process: Process) -> None:
        """Start a dead process again, unless that was done."""
        if self.processes[process.number] is process:
            self.tell(f"process {process.number} starts again")
            self.processes[process.number] = self._start(process.number)

    def call_the_person(self, process: Process) -> None:
        """Ask the person to sign in again, which takes a while."""
        if self._person_is_coming or self.setting.app:
            return
        self._person_is_coming = True
        self.clock.call_later(self.chance.uniform(20, 200), partial(self._person_comes, process.number))

    def _person_comes(self, number: int) -> None:
        self._person_is_coming = False
        if not self.judge.records.hopeful:
            self.tell("the person signs in again")
            self.misfortunes.sign_in(self.processes[number], "sign_in")

    def _start(self, number: int) -> Process:
        self._lives[number] += 1
        return Process(self, number, self._lives[number])

    # The end.

    async def _end(self) -> None:
        await self._until(LENGTH)
        self.tell("everything is mended")
        self.fake.clear_faults()
        for process in tuple(self.processes):
            self.misfortunes.mend(process)
        await self._until(LENGTH + _QUIET)
        for process in self.processes:
            self.judge.at_the_end(await self._outcome(process))
        self.judge.nothing_is_missing()

    async def _outcome(self, process: Process) -> Token | BitbucketAuthError | None:
        """Ask as a caller does, who is refused with a token that is not good, until there is one, or an error."""
        rejected: Token | None = None
        for _ in range(_OFTEN):
            asked = asyncio.get_running_loop().create_task(_answer(process, rejected))
            for _ in range(_LONG):
                if asked.done():
                    break
                await self.clock.advance(1)
            answer = asked.result() if asked.done() else None
            if not isinstance(answer, Token) or self.fake.is_live(answer.access_token):
                return answer
            rejected = answer
            await self.clock.advance(_SECONDS)
        return rejected

    async def _until(self, seconds: float) -> None:
        await self.clock.advance(max(0.0, seconds - self.now()))

    async def _stop(self) -> None:
        self.judge.over = True
        for process in self.processes:
            process.kill()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.judge.breaks(f"R7: somebody got {task.exception()!r}.")


async def _answer(process: Process, rejected: Token | None) -> Token | BitbucketAuthError:
    try:
        return await process.manager.get_token(rejected)
    except BitbucketAuthError as error:
        return error
