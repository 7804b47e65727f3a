"""The weather: when each process had which misfortune, so that a lost sign-in can be explained, or not."""

import math
from typing import NamedTuple


class Spell(NamedTuple):
    """A stretch of time in which something was wrong."""

    start: float
    end: float


class Weather:
    """What was wrong, and when, for each process; times are the fleet's."""

    def __init__(self, processes: int) -> None:
        """Begin with a clear sky."""
        self._spells: list[list[Spell]] = [[] for _ in range(processes)]

    def bad(self, number: int | None, start: float, end: float) -> None:
        """Note that something is wrong from *start* to *end*, with one process or (None) with all."""
        for each in range(len(self._spells)) if number is None else (number,):
            self._spells[each].append(Spell(start, end))

    def longest_fair(self, start: float, end: float) -> float:
        """Return the longest stretch between the two in which some process had no misfortune at all."""
        return max(self._fair(spells, start, end) for spells in self._spells)

    def fair_for(self, number: int, now: float) -> float:
        """Return for how long a process had had no misfortune by *now*."""
        return now - max(
            (min(spell.end, now) for spell in self._spells[number] if spell.start <= now), default=-math.inf
        )

    @staticmethod
    def _fair(spells: list[Spell], start: float, end: float) -> float:
        longest, since = 0.0, start
        for spell in sorted(spells):
            if spell.end <= since:
                continue
            if spell.start >= end:
                break
            longest = max(longest, spell.start - since)
            since = spell.end
        return max(longest, end - since)
