"""The Protocol of a scenario, and the child processes in which scenarios measure."""

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from benchmarks.peers.world import ROOT, World

Figures = Mapping[str, float]

NAMES: tuple[str, ...] = (
    "fresh",
    "at_expiry",
    "processes",
    "ahead",
    "outage",
    "cancelled",
    "lost",
    "crash",
    "request",
    "identities",
    "imports",
)
"""In the order of the table."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a scenario."""

    key: str
    header: str
    digits: int = 0
    better: str | None = "low"
    """`low`, `high`, or None if no value is better."""
    truth: bool = False
    """True for a yes-or-no figure: 1 is yes, 0 is no."""
    noise: float = 0.0
    """Differences up to this do not count: rounds on one machine differ as much."""


class Scenario(Protocol):
    """A module of benchmarks.peers.scenarios."""

    TITLE: str
    WHAT: str
    """A description for readers of the table."""
    COLUMNS: tuple[Column, ...]
    ROUNDS: int

    def conduct(self, peer: str, control: int) -> Figures:
        """Measure one library, once."""
        ...


def load(name: str) -> Scenario:
    """Import a scenario."""
    return cast("Scenario", import_module(f"benchmarks.peers.scenarios.{name}"))


def in_child(scenario: str, peer: str, world: World, **options: float) -> dict[str, float]:
    """Measure one library in a new process, so that it has an interpreter to itself."""
    words = [sys.executable, "-m", "benchmarks.peers.child", scenario, peer, world.to_json(), json.dumps(options)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own program
    if done.returncode != 0:
        msg = f"{scenario} of {peer} failed:\n{done.stderr}"
        raise RuntimeError(msg)
    return dict(json.loads(done.stdout.splitlines()[-1]))


class Worker:
    """A process that runs one library and carries out orders, one per line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def send(self, **order: Any) -> None:  # noqa: ANN401 - JSON
        """Give an order; `answer` returns its result."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the result of the last order."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            msg = f"A worker ended early: {self.process.args!r}"
            raise RuntimeError(msg)
        return dict(json.loads(line))

    def do(self, **order: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Give an order and wait for its result."""
        self.send(**order)
        return self.answer()

    def kill(self) -> None:
        """Kill the process, as a crash does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def worker(peer: str, world: World, file: str) -> Generator[Worker]:
    """Run a worker until the end of the block."""
    words = [sys.executable, "-m", "benchmarks.peers.worker", peer, world.to_json(), file]
    with subprocess.Popen(  # noqa: S603 - our own program
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()
