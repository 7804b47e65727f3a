"""The demo's worker processes, seen from the demo: start, kill, read their journals, stop."""

import asyncio
import json
import subprocess
import sys
from asyncio.subprocess import Process
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

_PATIENCE = 15.0
"""Seconds for a worker to finish its requests."""


class WorkerEvent(NamedTuple):
    """One event of a worker."""

    at: float
    """Epoch seconds."""
    worker: str
    kind: str
    detail: str


@dataclass(slots=True)
class WorkerProcess:
    """One process of a worker, from start to end."""

    name: str
    process: Process
    journal: Path
    lines_read: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    state: str = "running"

    @property
    def failure(self) -> str | None:
        """Why its end is a failure; None: it runs, or ended because the demo ended it."""
        code = self.process.returncode
        if self.state == "killed" or code is None or (self.state == "ended" and code == 0):
            return None
        return f"{self.name} ended unexpectedly with exit code {code}"


class WorkerProcesses:
    """All worker processes of one run, including those that have ended."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """Keep the settings for all workers; no worker is started."""
        self._folder = folder
        self._settings = settings
        self.processes: list[WorkerProcess] = []

    async def start(self, name: str) -> None:
        """Start a worker."""
        journal = self._folder / f"{name}-{len(self.processes)}.jsonl".replace(" ", "-")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bitbucket_auth_async.cli.demo.worker",
            stdin=subprocess.PIPE,
            process_group=0,  # Ctrl-C reaches only the demo, which then stops its workers
        )
        self.processes.append(WorkerProcess(name, process, journal))
        if process.stdin is not None:
            process.stdin.write(json.dumps({**self._settings, "journal": str(journal)}).encode() + b"\n")

    async def kill(self, worker: WorkerProcess) -> None:
        """End a worker by SIGKILL, and wait for its end."""
        worker.state = "killed"
        worker.process.kill()
        await worker.process.wait()

    async def stop(self) -> None:
        """Close each worker's standard input, which ends it, also when the demo itself is killed."""
        running = [worker for worker in self.processes if worker.process.returncode is None]
        for worker in running:
            worker.state = "ended"
            if worker.process.stdin is not None:
                worker.process.stdin.close()
        for worker in running:
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.process.wait(), _PATIENCE)
            if worker.process.returncode is None:
                worker.process.kill()
                await worker.process.wait()

    def failures(self) -> tuple[str, ...]:
        """Return a sentence for each worker that ended unexpectedly."""
        return tuple(worker.failure for worker in self.processes if worker.failure is not None)

    def total(self) -> Counter[str]:
        """Return the sum of all workers' counts."""
        return sum((worker.counts for worker in self.processes), Counter[str]())

    def read_journals(self) -> list[WorkerEvent]:
        """Update the counts from the workers' journals, and return their new events in order of time."""
        events: list[WorkerEvent] = []
        for worker in self.processes:
            if not worker.journal.exists():
                continue
            lines = worker.journal.read_text(encoding="utf-8").split("\n")[:-1]  # the last line may be incomplete
            for line in lines[worker.lines_read :]:
                entry: dict[str, Any] = json.loads(line)
                worker.counts = Counter(entry["counts"])
                events += [WorkerEvent(at, worker.name, kind, detail) for at, kind, detail in entry["events"]]
            worker.lines_read = len(lines)
        return sorted(events)
