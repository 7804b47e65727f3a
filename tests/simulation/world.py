"""The surroundings that all processes of one history share: clock, server, store, random numbers, journal."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import replace

from bitbucket_auth_async.bitbucket.cloud import BITBUCKET_CLOUD
from bitbucket_auth_async.stores.memory import MemoryStore
from bitbucket_auth_async.testing.fake_bitbucket import FakeBitbucket
from bitbucket_auth_async.testing.fake_clock import FakeClock
from tests.simulation.fault_log import FaultLog
from tests.simulation.history import PROCESSES, Rules, Step
from tests.simulation.journal import Journal

KEY = "alice"
"""The key under which all processes keep their record."""


class WallClocks:
    """By how many seconds the wall clock of each machine is wrong."""

    def __init__(self) -> None:
        """Start with correct clocks."""
        self.errors = [0.0] * PROCESSES
        self.lowest_errors = [0.0] * PROCESSES
        self.stepped = False
        """A clock was changed, so hosts may differ by more than the leeway."""

    def step(self, number: int, seconds: float) -> None:
        """Move one machine's clock."""
        self.stepped = True
        self.errors[number] += seconds
        self.lowest_errors[number] = min(self.lowest_errors[number], self.errors[number])


class World:
    """Everything outside the processes; it does not know them."""

    def __init__(self, seed: int, rules: Rules, *, keep_story: bool = False) -> None:
        """Register the client, without any sign-in."""
        self.seed = seed
        self.rules = rules
        self.clock = FakeClock()
        self._boot_at_start = self.clock.boot()
        self._wall_at_start = self.clock.wall()
        self.fake = FakeBitbucket(
            self.clock,
            strict=rules.strict,
            revoke_access_on_refresh=rules.revokes_access,
            lifetime=rules.lifetime,
            token_length=40,
            seed=str(seed),
        )
        self.fake.rules.rotates = rules.rotates
        self.fake.rules.last_pair_wins = rules.last_pair_wins
        self.server = replace(BITBUCKET_CLOUD, reuse_grace=0.0) if rules.strict else BITBUCKET_CLOUD
        self.store = MemoryStore()
        self.rng = random.Random(f"{seed}/fleet")  # noqa: S311 - drawn again from the same seed
        self.wall_clocks = WallClocks()
        self.fault_log = FaultLog(PROCESSES)
        self.journal = Journal(self.now, keep_story=keep_story)
        self.pending_rollbacks: list[Step] = []
        """Rollbacks of the store that take place during the next token request."""
        self.delaying_faults: set[str] = set()
        """Names of the faults that delay a request on its way to the server."""
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Return the seconds since the start."""
        return self.clock.boot() - self._boot_at_start

    def since_start(self, wall: float) -> float:
        """Convert the server's time to seconds since the start."""
        return wall - self._wall_at_start

    def add_fault(self, number: int | None, seconds: float = 0.0) -> None:
        """Record a fault that begins now, of one process or of all (None)."""
        now = self.now()
        self.fault_log.add(number, now, now + seconds)

    def start(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        """Start a task; an exception in it is a broken promise."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.journal.breaks(f"R7: a task failed with {task.exception()!r}.")
