"""How long does the first import take, beyond the modules that each asyncio program imports?"""

import subprocess
import sys
from pathlib import Path
from statistics import median

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import Figures, report, side_by_side

BASELINE = "import asyncio, dataclasses, json"
OURS = "from bitbucket_auth_async import TokenManager"
THEIRS = "from authlib.integrations.httpx_client import AsyncOAuth2Client"
PROGRAM = """
import sys, time
sys.path.insert(0, {root!r})
before = set(sys.modules)
begun = time.perf_counter()
{statement}
print(time.perf_counter() - begun)
print(*{{name.partition('.')[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names)
"""
ROOT = str(Path(__file__).parents[1])
ROUNDS = 25


def imported(statement: str) -> tuple[float, set[str]]:
    """Return the seconds that an import takes in a new interpreter, and the packages that it loads."""
    program = PROGRAM.format(root=ROOT, statement=statement)
    words = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    seconds, packages = done.stdout.splitlines()
    return float(seconds), set(packages.split())


class Importer:
    """Imports in a new interpreter each time, and records the seconds of the import alone."""

    def __init__(self, statement: str) -> None:
        self.statement = statement
        self.seconds: list[float] = []
        self.packages: set[str] = set()

    def __call__(self) -> None:
        seconds, self.packages = imported(self.statement)
        self.seconds.append(seconds)


def compare(benchmark: BenchmarkFixture, statement: str, what: str, **more: object) -> Importer:
    baseline, candidate = Importer(BASELINE), Importer(statement)
    side_by_side(benchmark, baseline=baseline, candidate=candidate, rounds=ROUNDS)
    pairs = list(zip(baseline.seconds[1:], candidate.seconds[1:], strict=True))  # the first one compiles
    added = Figures.of([(ours - theirs) * 1e3 for theirs, ours in pairs])
    report(
        benchmark,
        what,
        ratio=f"{median(ours / theirs for theirs, ours in pairs):.2f}",
        added_ms=f"{added:.1f}",
        baseline_ms=f"{Figures.of(baseline.seconds[1:]).times(1e3):.1f}",
        **more,
    )
    return candidate


def test_import(benchmark: BenchmarkFixture) -> None:
    ours = compare(benchmark, OURS, f"{OURS}, against {BASELINE}", target="at most 40 ms added")
    assert ours.packages == {"bitbucket_auth_async"}, "a third-party library is imported with the package"


def test_import_of_authlib(benchmark: BenchmarkFixture) -> None:
    compare(benchmark, THEIRS, f"{THEIRS}, against {BASELINE}")
