"""Takes each guard out of the code, one at a time, and checks that its tests fail without it.

Each table in this folder lists guards: the code to take out, the code to put there instead, and the tests that must
fail. `python -m tests.guards.run WORD …` tries only guards with one of these words in their names.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.support.changed_copies import Change, Copies, read_table

AT_ONCE = 2
LONGEST = 120
"""Seconds for the tests of one guard."""


@dataclass(frozen=True)
class Guard:
    """A guard: how to take it out of the code, and the tests that must fail without it."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


def guards(words: Sequence[str] = ()) -> list[Guard]:
    """Return the guards in all tables, or those with one of *words* in their names."""
    found = [
        Guard(entry["name"], changes, tuple(entry["tests"]))
        for table in sorted(Path(__file__).parent.glob("*.toml"))
        for entry, changes in read_table(table, "guard")
    ]
    return [guard for guard in found if not words or any(word in guard.name for word in words)]


def run_tests(tests: Iterable[str], tree: Path, longest: float = LONGEST) -> tuple[set[str], str]:
    """Run tests in *tree*; return the names of those that failed, and the output of pytest.

    Raises:
        TimeoutExpired: They took longer than *longest* seconds.
    """
    options = ("-q", "-p", "no:cacheprovider", "-p", "tests.guards.no_shrinking", "--timeout=10", "--tb=line", "-rf")
    # Python would not notice a change of the same size within the same second in its bytecode.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=longest,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return {line.removeprefix("FAILED ").split(" - ")[0] for line in lines}, done.stdout


def problem(guard: Guard, copies: Copies) -> str:
    """Return what is wrong with a guard, or an empty string if each of its tests fails without it."""
    try:
        with copies.changed(guard.changes) as tree:
            failed, output = run_tests(guard.tests, tree)
    except ValueError as error:
        return str(error)
    except subprocess.TimeoutExpired:
        return f"its tests did not end within {LONGEST} s"
    # A test with parameters fails if one of its cases fails.
    passed = [test for test in guard.tests if not any(each == test or each.startswith(f"{test}[") for each in failed)]
    lines = [*(f"does not fail without it: {test}" for test in passed), *output.splitlines()[-5:]]
    return "\n".join(lines) if passed else ""


def pass_unchanged(chosen: Sequence[Guard], copies: Copies) -> bool:
    """Return whether all tests pass while each guard stands; print the output of pytest if not."""
    tests = sorted({test for guard in chosen for test in guard.tests})
    with copies.changed() as tree:
        failed, output = run_tests(tests, tree, LONGEST * len(chosen))
    if failed or " passed in " not in output:
        print(output, "\nThese tests fail although every guard stands.", file=sys.stderr)
        return False
    return True


def main(words: Sequence[str]) -> int:
    """Try the guards, print a line for each, and return the exit code."""
    chosen, wrong = guards(words), 0
    with Copies.make(AT_ONCE) as copies, ThreadPoolExecutor(AT_ONCE) as workers:
        if not pass_unchanged(chosen, copies):
            return 1
        for guard, found in zip(chosen, workers.map(partial(problem, copies=copies), chosen), strict=True):
            wrong += bool(found)
            print(f"{'NOT GUARDED' if found else 'guarded':<12}{len(guard.tests)} test(s)  {guard.name}", flush=True)
            if found:
                print("    " + found.replace("\n", "\n    "))
    print(f"\n{len(chosen) - wrong} of {len(chosen)} guards are guarded.")
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
