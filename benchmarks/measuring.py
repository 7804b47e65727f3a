"""How two ways of doing one thing are measured side by side, and how the ratio is told."""

# pytest-benchmark has no annotations.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import math
from collections.abc import Callable
from itertools import count
from statistics import median
from time import perf_counter
from typing import NamedTuple, TypeVar

from pytest_benchmark.fixture import BenchmarkFixture

_T = TypeVar("_T")
_SPREAD = 1.96
"""Standard deviations on each side that hold 95 % of a normal distribution."""


class Figures(NamedTuple):
    """A median over the rounds, and the 95 % interval in which the true one lies."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Figures":
        """Take the interval from the order of the values, whatever their distribution."""
        ordered, many = sorted(values), len(values)
        rank = max(0, math.floor(many / 2 - _SPREAD * math.sqrt(many) / 2))
        return cls(median(ordered), ordered[rank], ordered[many - 1 - rank])

    def times(self, factor: float) -> "Figures":
        """Return the same in another unit."""
        return Figures(self.middle * factor, self.low * factor, self.high * factor)

    def __format__(self, spec: str) -> str:
        """Write all three with one format."""
        return f"{self.middle:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


class Comparison(NamedTuple):
    """What came out: seconds of each, and the ratio and the difference of each round's pair."""

    baseline: Figures
    candidate: Figures
    ratio: Figures
    added: Figures


def side_by_side(
    benchmark: BenchmarkFixture,
    *,
    baseline: Callable[[], object],
    candidate: Callable[[], object],
    rounds: int = 20,
    slices: int = 1,
) -> Comparison:
    """Time both in each of the rounds, taking turns at going first, so that whatever the machine does hits both.

    A round may have several slices, that is turns of each: the finer they interleave, the less a busy machine shows.
    """
    baselines: list[float] = []

    def time_baseline() -> None:
        begun = perf_counter()
        baseline()
        baselines.append(perf_counter() - begun)

    def before() -> None:
        if next(befores) % 2 == 0:
            time_baseline()

    def after() -> None:
        if next(afters) % 2 == 1:
            time_baseline()

    befores, afters = count(), count()
    baseline()
    candidate()
    timed(benchmark, candidate, setup=before, teardown=after, rounds=rounds * slices)
    candidates = _sums(_seconds(benchmark), slices)
    baselines = _sums(baselines, slices)
    pairs = list(zip(baselines, candidates, strict=True))
    return Comparison(
        Figures.of(baselines),
        Figures.of(candidates),
        Figures.of([ours / theirs for theirs, ours in pairs]),
        Figures.of([ours - theirs for theirs, ours in pairs]),
    )


def tell(benchmark: BenchmarkFixture, what: str, **figures: object) -> None:
    """Print one line of results, and keep it with pytest-benchmark's own."""
    benchmark.extra_info.update({name: str(value) for name, value in figures.items()})
    listed = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
    print(f"\n    {what}: {listed}")


def timed(benchmark: BenchmarkFixture, target: Callable[[], _T], **options: object) -> _T:
    """Let pytest-benchmark time *target*, a round at a time, and return what the last round gave."""
    pedantic: Callable[..., _T] = benchmark.pedantic  # it has no annotations of its own
    return pedantic(target, **options)


def _sums(values: list[float], slices: int) -> list[float]:
    return [sum(values[begin : begin + slices]) for begin in range(0, len(values), slices)]


def _seconds(benchmark: BenchmarkFixture) -> list[float]:
    found = benchmark.stats
    assert found is not None, "there are no figures: --benchmark-disable is on"
    return list(found.stats.data)
