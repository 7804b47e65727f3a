"""When each process had a fault, so that a lost sign-in can be explained."""

import math
from typing import NamedTuple


class FaultPeriod(NamedTuple):
    """A period in which something was wrong."""

    start: float
    end: float


class FaultLog:
    """The fault periods of each process, in seconds since the simulation's start."""

    def __init__(self, processes: int) -> None:
        """Begin without faults."""
        self._periods: list[list[FaultPeriod]] = [[] for _ in range(processes)]

    def add(self, number: int | None, start: float, end: float) -> None:
        """Add a fault from *start* to *end* of one process, or of all processes if *number* is None."""
        for each in range(len(self._periods)) if number is None else (number,):
            self._periods[each].append(FaultPeriod(start, end))

    def longest_without(self, start: float, end: float) -> float:
        """Return the longest time between *start* and *end* in which some process had no fault."""
        return max(self._longest_gap(periods, start, end) for periods in self._periods)

    def seconds_without(self, number: int, now: float) -> float:
        """Return how long one process had been without a fault at *now*."""
        ends = (min(period.end, now) for period in self._periods[number] if period.start <= now)
        return now - max(ends, default=-math.inf)

    @staticmethod
    def _longest_gap(periods: list[FaultPeriod], start: float, end: float) -> float:
        longest, since = 0.0, start
        for period in sorted(periods):
            if period.end <= since:
                continue
            if period.start >= end:
                break
            longest = max(longest, period.start - since)
            since = period.end
        return max(longest, end - since)
