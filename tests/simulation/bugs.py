"""Seeds bugs into the protocol, one at a time, and counts the seeds that the simulation takes to catch each.

`bugs.toml` says what stands there instead of what; the package is changed in a copy. `python -m
tests.simulation.bugs WORD …` tries only bugs with one of these words in their names.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = "bitbucket_auth_async"
MOST = 3_000
"""Seeds that are tried."""
AT_ONCE = 2
LONGEST = 1_200
_SEARCH = """
import sys
from tests.simulation.trial import trial
for seed in range(int(sys.argv[1])):
    broken = trial([seed]).broken
    if broken:
        print(seed + 1, broken[seed][0].split("s  ", 1)[1])
        break
"""


@dataclass(frozen=True)
class Bug:
    """One bug: what is changed, and where."""

    name: str
    changes: tuple[tuple[str, str, str], ...]
    """File, what stands there, and what shall."""
    rare: bool = False
    """So many seeds may not meet what it takes; the table says what catches it."""


@dataclass(frozen=True)
class Caught:
    """How a bug was caught."""

    seeds: int
    promise: str


def bugs(words: Sequence[str] = ()) -> list[Bug]:
    """Read the table."""
    table = tomllib.loads((Path(__file__).parent / "bugs.toml").read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = table["bug"]
    found = [
        Bug(
            entry["name"],
            ((entry["file"], entry["old"], entry["new"]), *map(tuple, entry.get("more", ()))),
            rare=entry.get("rare", False),
        )
        for entry in entries
    ]
    return [bug for bug in found if not words or any(word in bug.name for word in words)]


def seeded(bug: Bug, place: Path) -> Path:
    """Copy the package to *place*, with the bug in it.

    Raises:
        ValueError: The code has moved, so that the table must follow.
    """
    copytree(ROOT / PACKAGE, place / PACKAGE, ignore=ignore_patterns("__pycache__"))
    for name, old, new in bug.changes:
        file = place / name
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            msg = f"{bug.name}: what to change stands {text.count(old)} times in {name}"
            raise ValueError(msg)
        file.write_text(text.replace(old, new), encoding="utf-8")
    return place


def caught(bug: Bug, most: int = MOST) -> Caught | None:
    """Return how the simulation catches *bug*; None: it does not."""
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, "-c", _SEARCH, str(most)],
            cwd=seeded(bug, Path(place)),
            env={**os.environ, "PYTHONPATH": place, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
            timeout=LONGEST,
        )
    if not done.stdout:
        return None
    seeds, _, promise = done.stdout.strip().partition(" ")
    return Caught(int(seeds), promise)


def main(words: Sequence[str]) -> int:
    """Try the bugs, print the table, and return the exit code."""
    chosen, missed, rare = bugs(words), 0, 0
    with ThreadPoolExecutor(AT_ONCE) as workers:
        for bug, found in zip(chosen, workers.map(caught, chosen), strict=True):
            missed += found is None and not bug.rare
            rare += found is None and bug.rare
            outcome = f"{found.seeds:>5} seeds" if found is not None else "not met" if bug.rare else "NOT CAUGHT"
            print(f"{outcome:<12}{bug.name}", flush=True)
            if found is not None:
                print(f"{'':<12}    {found.promise}")
    print(f"\n{len(chosen) - missed - rare} of {len(chosen)} bugs are caught; {rare} too rare for {MOST} seeds.")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
