"""The demo's worker processes, as the demo sees them: started, killed, heard through their journals, and ended."""

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
"""Seconds that a worker is given to finish what it is at."""


class News(NamedTuple):
    """One thing that a worker met."""

    at: float
    """Epoch seconds."""
    who: str
    kind: str
    detail: str


@dataclass(slots=True)
class Child:
    """One life of a worker."""

    name: str
    process: Process
    journal: Path
    lines_read: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    state: str = "running"

    @property
    def broken(self) -> str | None:
        """What is wrong with how it ended; None if it runs, or ended as it was told to."""
        code = self.process.returncode
        if self.state == "killed" or code is None or (self.state == "ended" and code == 0):
            return None
        return f"{self.name} ended by itself, with exit code {code}"


class Crew:
    """All workers of one run, the dead ones included."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """Keep what every worker is told; none is started yet."""
        self._folder = folder
        self._settings = settings
        self.children: list[Child] = []

    async def start(self, name: str) -> None:
        """Start a worker."""
        journal = self._folder / f"{name}-{len(self.children)}.jsonl".replace(" ", "-")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bitbucket_auth_async.cli.demo.worker",
            stdin=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the demo, which then ends its workers in good order
        )
        self.children.append(Child(name, process, journal))
        if process.stdin is not None:
            process.stdin.write(json.dumps({**self._settings, "journal": str(journal)}).encode() + b"\n")

    async def kill(self, child: Child) -> None:
        """End a worker by SIGKILL, and wait for that."""
        child.state = "killed"
        child.process.kill()
        await child.process.wait()

    async def stop(self) -> None:
        """Let every worker end as it does when the demo dies: its standard input closes."""
        running = [child for child in self.children if child.process.returncode is None]
        for child in running:
            child.state = "ended"
            if child.process.stdin is not None:
                child.process.stdin.close()
        for child in running:
            with suppress(TimeoutError):
                await asyncio.wait_for(child.process.wait(), _PATIENCE)
            if child.process.returncode is None:
                child.process.kill()
                await child.process.wait()

    def broken(self) -> tuple[str, ...]:
        """Return what is wrong with how workers ended."""
        return tuple(child.broken for child in self.children if child.broken is not None)

    def total(self) -> Counter[str]:
        """Return all that the workers, dead or alive, have counted."""
        return sum((child.counts for child in self.children), Counter[str]())

    def read_journals(self) -> list[News]:
        """Take in what the workers wrote since the last look, and return what they met, in order."""
        news: list[News] = []
        for child in self.children:
            if not child.journal.exists():
                continue
            lines = child.journal.read_text(encoding="utf-8").split("\n")[:-1]  # the last one may be half written
            for line in lines[child.lines_read :]:
                entry: dict[str, Any] = json.loads(line)
                child.counts = Counter(entry["counts"])
                news += [News(at, child.name, kind, detail) for at, kind, detail in entry["news"]]
            child.lines_read = len(lines)
        return sorted(news)
