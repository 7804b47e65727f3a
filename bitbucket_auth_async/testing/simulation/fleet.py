"""The fleet: several processes on one store and one server, in virtual time, through one history."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD, REUSE_GRACE
from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.tokens import Token
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.telemetry.events import Event, EventKind
from bitbucket_auth_async.testing.clock import FakeClock
from bitbucket_auth_async.testing.fake import faults
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.simulation.history import LENGTH, PROCESSES, Step
from bitbucket_auth_async.testing.simulation.judge import Judge
from bitbucket_auth_async.testing.simulation.process import KEY, Process

_LIFETIME = 900.0
_ENDPOINT_FAULTS = {
    "unavailable": lambda: faults.status(503),
    "rate_limited": lambda: faults.status(429, retry_after=20),
    "lose_request": lambda: faults.reset(processed=False),
    "lose_answer": lambda: faults.reset(processed=True),
    "unreachable": faults.unreachable,
    "html": faults.html,
}
_REPAIR = 280.0
"""Seconds that the grace of 600 s leaves for outages: the rest is a look every 200 s, a lease and some slack."""
_QUIET = 700.0
"""Seconds after the last step: a lease and a third of the grace pass, and every rest ends."""


class Fleet:
    """One run of one history."""

    def __init__(self, seed: int, steps: tuple[Step, ...], *, strict: bool) -> None:
        """Sign somebody in, and start the processes."""
        self.seed = seed
        self.steps = steps
        self.strict = strict
        self.clock = FakeClock()
        self.fake = FakeBitbucket(self.clock, strict=strict, lifetime=_LIFETIME, token_length=40, seed=str(seed))
        self.server = replace(BITBUCKET_CLOUD, reuse_grace=0.0) if strict else BITBUCKET_CLOUD
        self.records = MemoryStore()
        self.judge = Judge(self)
        self.story: list[str] = []
        self.began = self.clock.boot()
        self.stepped = any(step.what == "step_clock" for step in steps)
        self._tasks: set[asyncio.Task[None]] = set()
        self._lives = [0] * PROCESSES
        self.processes: list[Process] = []

    async def run(self) -> Judge:
        """Live through the history, mend everything, and judge."""
        random.seed(self.seed)
        self.processes = [self._start(number) for number in range(PROCESSES)]
        _ = self.begin(self._sign(self.processes[0], "sign_in"))
        for step in self.steps:
            await self._until(step.at)
            if self.judge.broken:
                break
            self._tell(str(step))
            await self._do(step)
        if not self.judge.broken:
            await self._end()
        await self._stop()
        return self.judge

    def begin(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Start a task that is ended with the fleet, and whose failure is a broken promise."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def heard(self, process: Process, event: Event) -> None:
        """Take an event of a process into the story."""
        self.judge.counts[event.kind.value] += 1
        if event.kind is EventKind.SAVE_FAILED:
            process.save_failed = True
        if event.kind is not EventKind.ADOPTED:
            self._tell(f"{self._now():7.1f} s      {process.name}: {event.kind.value}. {event.detail}")

    def strike(self, process: Process, step: Step) -> None:
        """Kill or stop a process now, and let it start again, or go on, after the step's seconds."""
        if step.what.startswith(("crash", "die_")):
            process.kill()
            self.clock.call_later(step.seconds, partial(self._restart, process))
        else:
            process.pause()
            self.clock.call_later(step.seconds, process.resume)
        if step.what not in {"crash", "pause"}:
            self._tell(f"{self._now():7.1f} s  {process.name}: {step.what.replace('_', ' ')}")

    def excused(self) -> bool:
        """Tell whether losing the sign-in may be nobody's fault: an answer was lost, and no repeat could save it."""
        if {step.what for step in self.steps} & {"sign_out", "kill_current_refresh_token"}:
            return True
        # A strict server turns each lost answer into a lost sign-in; one with a grace, only if nobody could repeat.
        return self.judge.answers_lost() and (self.strict or self._disturbed() > _REPAIR)

    def _disturbed(self) -> float:
        """Return the longest time within 600 s of each other that store or server were out, or a process was."""
        longest = 0.0
        lasting = [step for step in self.steps if step.seconds > 0 and step.what != "step_clock"]
        for first in lasting:
            near = [step for step in lasting if first.at <= step.at < first.at + REUSE_GRACE]
            longest = max(longest, sum(step.seconds for step in near))
        return longest

    async def _do(self, step: Step) -> None:
        process = self.processes[step.process or 0]
        if step.what in _ENDPOINT_FAULTS:
            fault = self.fake.inject(_ENDPOINT_FAULTS[step.what](), times=None)
            self.clock.call_later(step.seconds, fault.remove)
        elif step.what == "slow_answer":
            fault = self.fake.inject(faults.latency(step.seconds), times=2)
        elif step.what in {"crash", "pause"}:
            self.strike(process, step)
        elif step.what.startswith(("die_", "stop_")):
            process.fates[step.what.partition("_")[2]] = step
        elif step.what in {"store_down", "store_down_for_all", "store_slow"}:
            self._store(step, process)
        else:
            await self._do_at_once(step, process)

    def _store(self, step: Step, process: Process) -> None:
        name = "store_slow" if step.what == "store_slow" else "store_down"
        whom = self.processes if step.what == "store_down_for_all" else [process]
        for each in whom:
            setattr(each, name, True)
            self.clock.call_later(step.seconds, partial(setattr, each, name, False))  # noqa: FBT003 - setattr's own

    async def _do_at_once(self, step: Step, process: Process) -> None:
        if step.what == "cancel_callers":
            process.cancel_callers()
        elif step.what == "reject":
            _ = self.begin(process.reject())
        elif step.what == "leave_loop":
            process.leave_loop()
        elif step.what == "lose_confirmation":
            process.confirmations_to_lose += 1
        elif step.what == "step_clock":
            process.wall_offset += step.seconds
        elif step.what == "expire_access_tokens":
            self.fake.expire_access_tokens()
        elif step.what == "kill_current_refresh_token":
            await self._kill_current()
        else:
            _ = self.begin(self._sign(process, step.what))

    async def _sign(self, process: Process, what: str) -> None:
        try:
            if what == "sign_in":
                await process.manager.adopt(self.fake.sign_in())
            else:
                await process.manager.logout()
        except BitbucketAuthError as error:
            self.judge.failed(process, error)

    async def _kill_current(self) -> None:
        found = await self.records.load(KEY)
        if found is not None and found.record.token is not None and found.record.token.refresh_token is not None:
            self.fake.kill_refresh_token(found.record.token.refresh_token)

    def _start(self, number: int) -> Process:
        self._lives[number] += 1
        return Process(self, number, self._lives[number])

    def _restart(self, process: Process) -> None:
        if self.processes[process.number] is process:
            self._tell(f"{self._now():7.1f} s  process {process.number} starts again")
            self.processes[process.number] = self._start(process.number)

    async def _end(self) -> None:
        await self._until(LENGTH)
        self._tell(f"{self._now():7.1f} s  everything is mended")
        self.fake.mend()
        for process in self.processes:
            process.store_down = process.store_slow = False
            process.confirmations_to_lose = 0
            process.fates.clear()
            process.resume()
            if process.dead:
                self._restart(process)
        await self._until(LENGTH + _QUIET)
        found = await self.records.load(KEY)
        for process in self.processes:
            asked = asyncio.get_running_loop().create_task(_outcome(process))
            for _ in range(200):
                if asked.done():
                    break
                await self.clock.advance(1)
            self.judge.at_the_end(None if found is None else found.record, await asked)

    async def _until(self, seconds: float) -> None:
        await self.clock.advance(max(0.0, self.began + seconds - self.clock.boot()))

    async def _stop(self) -> None:
        for process in self.processes:
            process.kill()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.judge.broken.append(f"{self._now():7.1f} s  R7: a caller got {task.exception()!r}.")

    def _now(self) -> float:
        return self.clock.boot() - self.began

    def _tell(self, line: str) -> None:
        self.story.append(line)


async def _outcome(process: Process) -> Token | BitbucketAuthError:
    try:
        return await process.manager.get_token()
    except BitbucketAuthError as error:
        return error
