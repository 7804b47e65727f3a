"""Checks the model of the renewal protocol with spin: the correct model must hold, and each seeded bug must be found.

`cases.toml` lists the cases; the tables in docs/explanation/protocol.md must show their results. `run.py WORD …` tries
only cases with one of these words in their names, and `run.py --tell WORD` also prints the steps to a broken promise.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "docs" / "explanation" / "model"
PAGE = ROOT / "docs" / "explanation" / "protocol.md"
AT_ONCE = 2
LONGEST = 600
_MEGABYTES = 900
_DEPTH = 200_000
_OPTIONS = ("-w", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", f"-DMEMLIM={_MEGABYTES}")
"""Without partial order reduction, so that the number of states depends on the model alone."""


@dataclass(frozen=True)
class Case:
    """One run of the model with its switches."""

    name: str
    switches: tuple[str, ...]
    breaks: str | None = None
    """The promise that the seeded bug must break; None: the correct model."""


@dataclass(frozen=True)
class Finding:
    """The result of one run."""

    states: int
    broken: str | None
    """The first promise that broke."""
    whole: bool
    """True if spin visited every state."""
    story: str = ""


def cases(words: Sequence[str] = ()) -> list[Case]:
    """Return the cases in the table: the correct models, then the bugs."""
    table: dict[str, Any] = tomllib.loads((Path(__file__).parent / "cases.toml").read_text(encoding="utf-8"))
    settings: dict[str, list[str]] = {entry["name"]: entry["switches"] for entry in table["model"]}
    found = [Case(name, tuple(switches)) for name, switches in settings.items()]
    for entry in table["bug"]:
        switches = (*settings[entry["model"]], entry["switch"])
        found.append(Case(entry["name"], switches, entry["breaks"]))
    return [case for case in found if not words or any(word in case.name for word in words)]


def check(case: Case, *, tell: bool = False) -> Finding:
    """Generate, compile and run the checker for one case.

    Raises:
        RuntimeError: The model is invalid, or the checker gave up.
    """
    with tempfile.TemporaryDirectory() as place:
        for file in MODEL.glob("*.pml"):
            shutil.copy(file, place)
        switches = [f"-D{switch}" for switch in case.switches]
        _run(["spin", "-a", *switches, "renewal.pml"], place)
        # A bug is found in less time than -O2 would take.
        speed = "-O2" if case.breaks is None else "-O1"
        _run(["gcc", speed, *_OPTIONS, "-o", "pan", "pan.c"], place)
        said = _run(["./pan", "-n", f"-m{_DEPTH}"], place)
        states = re.search(r"(\d+) states, stored", said)
        if states is None or "max search depth too small" in said or "out of memory" in said or "MEMLIM" in said:
            msg = f"{case.name}: the checker gave up.\n{said}"
            raise RuntimeError(msg)
        broken = re.search(r"assertion violated (.+?) \(at depth", said)
        story = _run(["spin", "-t", "-p", "-g", *switches, "renewal.pml"], place) if broken and tell else ""
        return Finding(int(states[1]), None if broken is None else broken[1], "errors: 0" in said, story)


def _run(command: Sequence[str], place: str) -> str:
    done = subprocess.run(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=LONGEST
    )
    if done.returncode != 0:
        msg = f"{' '.join(command)} failed.\n{done.stdout}"
        raise RuntimeError(msg)
    return done.stdout


def figures(page: str) -> dict[str, str]:
    """Return the last column of the page's tables by the first column."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    return {row[0]: row[-1] for row in rows}


def verdict(case: Case, finding: Finding, said: str | None) -> str | None:
    """Return what is wrong with a finding or with its figure on the page; None: both are right."""
    if case.breaks is None:
        if finding.broken is not None or not finding.whole:
            return f"{finding.broken or 'a promise'} is broken, or states are left"
        expected = f"{finding.states:,}"
    elif finding.broken is None:
        return "NOT FOUND"
    else:
        expected = finding.broken.split("_")[0]
        if finding.broken != case.breaks:
            return f"breaks {finding.broken} instead of {case.breaks}"
    return None if said == expected else f"the page says {said}"


def main(arguments: Sequence[str]) -> int:
    """Run the cases, print a line for each, and return the exit code."""
    missing = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    if missing:
        print(f"Not installed: {', '.join(missing)}. Run apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    tell = "--tell" in arguments
    chosen = cases([word for word in arguments if word != "--tell"])
    said = figures(PAGE.read_text(encoding="utf-8"))
    with ThreadPoolExecutor(AT_ONCE) as workers:
        findings = workers.map(partial(check, tell=tell), chosen)
        wrong = sum(_print(case, finding, said) for case, finding in zip(chosen, findings, strict=True))
    print(f"\n{len(chosen) - wrong} of {len(chosen)} cases are as expected.")
    return 1 if wrong or not chosen else 0


def _print(case: Case, finding: Finding, said: dict[str, str]) -> bool:
    problem = verdict(case, finding, said.get(case.name))
    outcome = "holds" if finding.broken is None else f"breaks {finding.broken}"
    line = f"{finding.states:>12,} states  {case.name}: {outcome}"
    print(line if problem is None else f"{line}; WRONG: {problem}", flush=True)
    print(finding.story, end="")
    return problem is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
