"""The figures of a run, saved as JSON; tables and plots are made from them."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Self

from benchmarks.peers.world import ROOT

FOLDER = ROOT / "docs" / "comparison"
FILE = FOLDER / "results.json"


@dataclass(slots=True)
class Outcome:
    """The figures of one library in one scenario."""

    lacks: str | None = None
    """Why the library has no figures."""
    rounds: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def add(self, figures: Mapping[str, float], wanted: Iterable[str]) -> None:
        """Add the figures of one round."""
        for key in wanted:
            self.rounds.setdefault(key, []).append(float(f"{figures[key]:.5g}"))

    def middle(self, key: str) -> float:
        """Return the median over the rounds."""
        return median(self.rounds[key])


@dataclass(slots=True, kw_only=True)
class Results:
    """A whole run."""

    date: str
    python: str
    machine: str
    titles: dict[str, str]
    versions: dict[str, str]
    scenarios: dict[str, dict[str, Outcome]] = field(default_factory=dict[str, dict[str, Outcome]])

    def save(self) -> None:
        """Write the file in a format in which two runs differ in their figures only."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls) -> Self:
        """Read the file."""
        found = json.loads(FILE.read_text(encoding="utf-8"))
        found["scenarios"] = {
            scenario: {peer: Outcome(**outcome) for peer, outcome in outcomes.items()}
            for scenario, outcomes in found["scenarios"].items()
        }
        return cls(**found)


def versions(distributions: Iterable[str]) -> str:
    """Return the measured releases."""
    return ", ".join(f"{name} {version(name)}" for name in distributions)


def machine() -> str:
    """Return the cores, processor and system of this machine."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{os.cpu_count()} cores ({model}), {platform.system()}"
