"""Seeds bugs into copies of the package, one at a time, and counts the histories until one breaks a promise.

`bugs.toml` lists the bugs. `python -m tests.simulation.bugs WORD …` tries only bugs with one of these words in their
names.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.changed_copies import Change, Copies, read_table

MOST_SEEDS = 3_000
AT_ONCE = 2
LONGEST = 1_200
"""Seconds for the search for one bug."""
_SEARCH = """
import sys
from tests.simulation.trial import run_seeds
for seed in range(int(sys.argv[1])):
    broken = run_seeds([seed]).broken
    if broken:
        print(seed + 1, broken[seed][0].split("s  ", 1)[1])
        break
"""


@dataclass(frozen=True)
class Bug:
    """A bug as changes of the code."""

    name: str
    changes: tuple[Change, ...]
    rare: bool = False
    """The seeds may miss it; the table names the tests that find it."""


@dataclass(frozen=True)
class Catch:
    """How the simulation caught a bug."""

    seeds: int
    promise: str
    """The first broken promise."""


def bugs(words: Sequence[str] = ()) -> list[Bug]:
    """Return the bugs in the table, or those with one of *words* in their names."""
    table = read_table(Path(__file__).parent / "bugs.toml", "bug")
    found = [Bug(entry["name"], changes, rare=entry.get("rare", False)) for entry, changes in table]
    return [bug for bug in found if not words or any(word in bug.name for word in words)]


def catch(bug: Bug, copies: Copies, most: int = MOST_SEEDS) -> Catch | None:
    """Return how the first *most* seeds catch a bug; None: they miss it.

    Raises:
        ValueError: The code to change does not stand exactly once in its file.
    """
    with copies.changed(bug.changes) as tree:
        done = subprocess.run(
            [sys.executable, "-c", _SEARCH, str(most)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
            timeout=LONGEST,
        )
    if not done.stdout:
        return None
    seeds, _, promise = done.stdout.strip().partition(" ")
    return Catch(int(seeds), promise)


def main(words: Sequence[str]) -> int:
    """Try the bugs, print a line for each, and return the exit code."""
    chosen, missed, rare = bugs(words), 0, 0
    with Copies.make(AT_ONCE) as copies, ThreadPoolExecutor(AT_ONCE) as workers:
        for bug, caught in zip(chosen, workers.map(partial(catch, copies=copies), chosen), strict=True):
            missed += caught is None and not bug.rare
            rare += caught is None and bug.rare
            outcome = f"{caught.seeds:>5} seeds" if caught is not None else "too rare" if bug.rare else "NOT CAUGHT"
            print(f"{outcome:<12}{bug.name}", flush=True)
            if caught is not None:
                print(f"{'':<12}    {caught.promise}")
    print(
        f"\n{len(chosen) - missed - rare} of {len(chosen)} bugs are caught; {rare} too rare for {MOST_SEEDS:,} seeds."
    )
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
