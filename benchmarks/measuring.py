"""Measures two ways of doing the same thing side by side, and prints their ratio."""

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
    """A median over the rounds, and its 95 % confidence interval."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Figures":
        """Compute both from the ranks of the values, for any distribution."""
        ordered, many = sorted(values), len(values)
        rank = max(0, math.floor(many / 2 - _SPREAD * math.sqrt(many) / 2))
        return cls(median(ordered), ordered[rank], ordered[many - 1 - rank])

    def times(self, factor: float) -> "Figures":
        """Convert to another unit."""
        return Figures(self.middle * factor, self.low * factor, self.high * factor)

    def __format__(self, spec: str) -> str:
        """Format all three figures alike."""
        return f"{self.middle:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


class Comparison(NamedTuple):
    """The seconds of both, and the ratios and differences of the pairs in each round."""

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
    """Time both in each round, each of them first in every other round, so that other load slows both alike.

    A round may have several slices, each with a turn of both. More slices make a busy machine matter less.
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


def report(benchmark: BenchmarkFixture, what: str, **figures: object) -> None:
    """Print one line of results, and store it with pytest-benchmark's results."""
    benchmark.extra_info.update({name: str(value) for name, value in figures.items()})
    listed = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
    print(f"\n    {what}: {listed}")


def timed(benchmark: BenchmarkFixture, target: Callable[[], _T], **options: object) -> _T:
    """Let pytest-benchmark time *target* once a round, and return the last round's result."""
    pedantic: Callable[..., _T] = benchmark.pedantic  # it has no annotations
    return pedantic(target, **options)


def _sums(values: list[float], slices: int) -> list[float]:
    return [sum(values[begin : begin + slices]) for begin in range(0, len(values), slices)]


def _seconds(benchmark: BenchmarkFixture) -> list[float]:
    found = benchmark.stats
    assert found is not None, "no figures: run without --benchmark-disable"
    return list(found.stats.data)
