"""Takes each guard out of the code, one at a time, and sees that the tests which name it fail then.

The tables beside this file say what to take out, what stands there instead, and which tests must fail; a text that is
not found exactly once is an error. `run.py WORD …` tries only guards with one of these words in their names.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

ROOT = Path(__file__).parents[2]
COPIED = ("bitbucket_auth_async", "tests", "pyproject.toml", "README.md")
AT_ONCE = 2
LONGEST = 120


@dataclass(frozen=True)
class Guard:
    """One guard: where it stands, and which tests must miss it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def guards(words: Sequence[str]) -> list[Guard]:
    """Read the tables."""
    found: list[Guard] = []
    for table in sorted(Path(__file__).parent.glob("*.toml")):
        entries: list[dict[str, Any]] = tomllib.loads(table.read_text(encoding="utf-8"))["guard"]
        for entry in entries:
            tests: list[str] = entry.pop("tests")
            found.append(Guard(**entry, tests=tuple(tests)))
    return [guard for guard in found if not words or any(word in guard.name for word in words)]


def take_out(guard: Guard, tree: Path) -> str:
    """Change the file in *tree*, and return what it was.

    Raises:
        ValueError: The code has moved, so that the table must follow.
    """
    file = tree / guard.file
    before = file.read_text(encoding="utf-8")
    if before.count(guard.old) != 1:
        msg = f"what to take out stands {before.count(guard.old)} times in {guard.file}"
        raise ValueError(msg)
    file.write_text(before.replace(guard.old, guard.new), encoding="utf-8")
    return before


def failures(tests: Iterable[str], tree: Path, longest: float = LONGEST) -> tuple[set[str], str]:
    """Run tests in *tree*; return those that failed, and what pytest said."""
    options = ("-q", "-p", "no:cacheprovider", "-p", "tests.guards.swift", "--timeout=10", "--tb=line", "-rf")
    # No bytecode: a change of the same size within the same second would not be seen.
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


def unguarded(guard: Guard, tree: Path) -> str:
    """Return what is wrong with a guard's entry; nothing if each of its tests fails without it."""
    try:
        before = take_out(guard, tree)
    except ValueError as error:
        return str(error)
    try:
        failed, said = failures(guard.tests, tree)
    except subprocess.TimeoutExpired:
        return f"its tests did not end within {LONGEST} s"
    finally:
        (tree / guard.file).write_text(before, encoding="utf-8")
    # A test with parameters fails if one of its cases does.
    passed = [test for test in guard.tests if not any(each == test or each.startswith(f"{test}[") for each in failed)]
    return "\n".join(
        [*(f"does not fail without it: {test}" for test in passed), *said.splitlines()[-5:]] if passed else []
    )


def copy_of_the_house(place: Path) -> Path:
    """Copy what tests need."""
    place.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, place / name)
    return place


def main(words: Sequence[str]) -> int:
    """Try the guards, print the table, and return the exit code."""
    chosen = guards(words)
    with tempfile.TemporaryDirectory() as place:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            trees.put(copy_of_the_house(Path(place) / str(number)))
        first = trees.get()
        failed, said = failures(
            sorted({test for guard in chosen for test in guard.tests}), first, LONGEST * len(chosen)
        )
        if failed or " passed in " not in said:
            print(said, "\nThese fail although every guard stands.", file=sys.stderr)
            return 1
        trees.put(first)

        def judge(guard: Guard) -> str:
            tree = trees.get()
            try:
                return unguarded(guard, tree)
            finally:
                trees.put(tree)

        wrong = 0
        with ThreadPoolExecutor(AT_ONCE) as workers:
            for guard, problem in zip(chosen, workers.map(judge, chosen), strict=True):
                wrong += bool(problem)
                print(f"{'NOT GUARDED' if problem else 'guarded':<12}{guard.name:<60}{len(guard.tests)} test(s)")
                if problem:
                    print("    " + problem.replace("\n", "\n    "))
    print(f"\n{len(chosen) - wrong} of {len(chosen)} guards are guarded.")
    return 1 if wrong or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
