"""A fleet: several processes that share one store and one server live through one history in virtual time."""

import asyncio
import random

from bitbucket_auth_async.errors import BitbucketAuthError
from bitbucket_auth_async.oauth2.tokens import Token
from tests.simulation.checks.judge import Judge
from tests.simulation.conflicting_program import ConflictingProgram
from tests.simulation.history import LENGTH, PROCESSES, Rules, Step
from tests.simulation.person import Person
from tests.simulation.process import Process
from tests.simulation.process_faults import ProcessFaults
from tests.simulation.server_faults import ServerFaults
from tests.simulation.worker import Worker
from tests.simulation.world import World

_RECOVERY = 700.0
"""Seconds without faults at the end: a lease and a third of the grace pass, and each rest ends."""
_CALL_LIMIT = 200
"""Seconds for the last call, more than it may take."""
_ATTEMPTS, _ATTEMPT_PAUSE = 80, 25
"""How often, and after how many seconds, a refused token is reported: a young one is not renewed at once."""


class Fleet:
    """One run of one history."""

    def __init__(self, seed: int, rules: Rules, steps: tuple[Step, ...], *, keep_story: bool = False) -> None:
        """Prepare the world; `run` starts the processes."""
        self._steps = steps
        self.world = World(seed, rules, keep_story=keep_story)
        self.journal = self.world.journal
        self._judge = Judge(self.world)
        self._workers: list[Worker] = []
        self._lives = [0] * PROCESSES
        self._person = Person(self.world, self._judge, self._workers)
        self._process_faults = ProcessFaults(self.world, self._person, self._restart)
        self._server_faults = ServerFaults(self.world, self._judge)

    async def run(self) -> None:
        """Carry out all steps, end all faults, and judge the outcome."""
        before = random.getstate()
        random.seed(self.world.seed)
        try:
            await self._live()
        finally:
            random.setstate(before)

    async def _live(self) -> None:
        self._workers += [self._start(number) for number in range(PROCESSES)]
        if not self.world.rules.app:
            self._person.start(self._workers[0], "sign_in")
        for step in self._steps:
            await self._until(step.at)
            if self.journal.broken:
                break
            self.journal.heading(str(step))
            self.journal.counts[f"step: {step.name}"] += 1
            self._begin(step)
        if not self.journal.broken:
            await self._finish()
        await self._stop()

    def _begin(self, step: Step) -> None:
        if step.process is not None:
            self._process_faults.begin(step, self._workers[step.process])
        elif step.name == "store_down_for_all":
            for worker in self._workers:
                self._process_faults.disturb_store(step, worker)
        elif step.name in {"lose_record", "restore_backup"}:
            self.world.pending_rollbacks.append(step)
        elif step.name.startswith("conflicting_program"):
            program = ConflictingProgram(self.world, self._judge, without_store=step.name.endswith("without_store"))
            _ = self.world.start(program.run())
        else:
            self._server_faults.begin(step)

    def _start(self, number: int) -> Worker:
        self._lives[number] += 1
        process = Process(self.world, number, self._lives[number])
        return Worker(self.world, self._judge, process, on_login_required=self._person.call)

    def _restart(self, worker: Worker) -> None:
        """Start a dead process again, unless that was done."""
        number = worker.process.number
        if self._workers[number] is worker:
            self.journal.tell(f"process {number} starts again")
            self._workers[number] = self._start(number)

    # The end.

    async def _finish(self) -> None:
        """End all faults, give the processes time to recover, and judge what each hands out then."""
        await self._until(LENGTH)
        self.journal.tell("all faults end")
        self.world.fake.clear_faults()
        self.world.pending_rollbacks.clear()
        for worker in tuple(self._workers):
            self._process_faults.heal(worker)
        await self._until(LENGTH + _RECOVERY)
        for worker in self._workers:
            self._judge.check_outcome(await self._outcome(worker))
        self._judge.check_end()

    async def _outcome(self, worker: Worker) -> Token | BitbucketAuthError | None:
        """Ask for a token, and report each one that the API refuses, until one is valid; None: no answer came."""
        rejected: Token | None = None
        for _ in range(_ATTEMPTS):
            answer = await self._answer(worker, rejected)
            if not isinstance(answer, Token) or self.world.fake.is_live(answer.access_token):
                return answer
            rejected = answer
            await self.world.clock.advance(_ATTEMPT_PAUSE)
        return rejected

    async def _answer(self, worker: Worker, rejected: Token | None) -> Token | BitbucketAuthError | None:
        call = asyncio.get_running_loop().create_task(_token_or_error(worker, rejected))
        for _ in range(_CALL_LIMIT):
            if call.done():
                break
            await self.world.clock.advance(1)
        return call.result() if call.done() else None

    async def _until(self, seconds: float) -> None:
        await self.world.clock.advance(max(0.0, seconds - self.world.now()))

    async def _stop(self) -> None:
        self.journal.over = True
        for worker in self._workers:
            worker.process.kill()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _token_or_error(worker: Worker, rejected: Token | None) -> Token | BitbucketAuthError:
    try:
        return await worker.manager.get_token(rejected)
    except BitbucketAuthError as error:
        return error
