"""Faults of one process: it is killed, paused or restarted; its connections, callers and clock fail."""

from collections.abc import Callable
from functools import partial

from tests.simulation.history import Step
from tests.simulation.person import Person
from tests.simulation.process import ScheduledFault
from tests.simulation.worker import Worker
from tests.simulation.world import World

_POINTS = {
    "pause_before_sending": "request leaving",
    "pause_before_saving": "save asked",
    "pause_before_saving_unconfirmed": "save asked",
    "reject_and_crash": "answer arriving",
}


class ProcessFaults:
    """Carries out the steps that concern one process."""

    def __init__(self, world: World, person: Person, restart: Callable[[Worker], None]) -> None:
        """Use *restart* to start a dead worker's process again."""
        self._world = world
        self._person = person
        self._restart = restart

    def begin(self, step: Step, worker: Worker) -> None:
        """Carry out a step now, or schedule it for the point that it names."""
        if step.count:
            self._schedule(step, worker, left=step.count)
        elif step.name in _POINTS:
            self._schedule(step, worker, point=_POINTS[step.name])
            if step.name.startswith("reject"):
                _ = worker.process.start(worker.reject(still_accepted=False))
        elif step.name.startswith("sign_"):
            self._person.start(worker, step.name)
        elif step.name in {"step_clock", "drift_clock"}:
            self._world.wall_clocks.step(worker.process.number, step.seconds)
        elif step.name in {"store_down", "store_slow"}:
            self.disturb_store(step, worker)
        else:
            self._strike(step, worker)

    def disturb_store(self, step: Step, worker: Worker) -> None:
        """Make the store slow or unreachable for one process."""
        name = "slow" if step.name == "store_slow" else "down"
        self._world.add_fault(worker.process.number, step.seconds)

        def add(count: int) -> None:
            setattr(worker.store, name, max(0, getattr(worker.store, name) + count))

        add(1)
        self._world.clock.call_later(step.seconds, partial(add, -1))

    def heal(self, worker: Worker) -> None:
        """End all faults of one process; a dead process is started again."""
        worker.store.heal()
        worker.server.teardowns = 0
        worker.process.scheduled.clear()
        worker.process.resume()
        if worker.process.dead:
            self._restart(worker)

    def _schedule(self, step: Step, worker: Worker, *, left: int = 1, point: str | None = None) -> None:
        happen = partial(self._strike_at, step, worker)
        worker.process.scheduled.append(ScheduledFault(happen, left, point))

    def _strike_at(self, step: Step, worker: Worker, point: str) -> None:
        name = step.name.partition("_at_wait")[0].partition("_before_")[0].removeprefix("reject_and_").replace("_", " ")
        self._world.journal.counts[f"{name} at: {point}"] += 1
        self._world.journal.tell(f"{worker.process.name}: {name} at: {point}")
        self._strike(step, worker)

    def _strike(self, step: Step, worker: Worker) -> None:
        name = step.name.removesuffix("_at_wait").removeprefix("reject_and_")
        if name == "crash":
            self._kill(worker, step.seconds)
        elif name.startswith("pause"):
            worker.store.confirmations_to_lose += name.endswith("unconfirmed")
            self._pause(worker, step.seconds)
        elif name == "restart":
            self._world.add_fault(worker.process.number, step.seconds)
            _ = worker.process.start(self._close(worker, step.seconds))
        elif name == "cancel_callers":
            worker.cancel_callers()
        elif name.startswith("reject"):
            _ = worker.process.start(worker.reject(still_accepted=name != "reject"))
        elif name == "end_event_loop":
            worker.server.teardowns += 1
        elif name == "lose_swap":
            worker.store.swaps_to_lose += 1
        elif name == "delay_swap":
            worker.store.swaps_to_delay.append(step.seconds)
        else:
            worker.store.confirmations_to_lose += 1

    def _pause(self, worker: Worker, seconds: float) -> None:
        worker.process.pause()
        self._world.add_fault(worker.process.number, seconds)
        self._world.clock.call_later(seconds, worker.process.resume)

    def _kill(self, worker: Worker, seconds: float) -> None:
        worker.process.kill()
        self._world.add_fault(worker.process.number, seconds)
        self._world.clock.call_later(seconds, partial(self._restart, worker))

    async def _close(self, worker: Worker, seconds: float) -> None:
        await worker.close()
        self._kill(worker, seconds)
