"""A trial: histories one after another, the shortest that fails told as a story."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.branches import counted
from tests.simulation.fleet import Fleet
from tests.simulation.history import Rules, Step, Temper, draw_rules, draw_steps
from tests.simulation.story import folded


@dataclass(slots=True)
class Verdict:
    """What some seeds came to."""

    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    """How often each step was taken, each branch, each event and each error met."""
    broken: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """Which promises each seed broke that broke any."""

    def add(self, other: "Verdict") -> None:
        """Count in what other seeds came to."""
        self.seeds += other.seeds
        self.counts += other.counts
        self.broken |= other.broken


def live(seed: int, rules: Rules, steps: tuple[Step, ...], *, keep_story: bool = False) -> Fleet:
    """Live through one history, and return the fleet with its judge and its story; the log is silent meanwhile."""
    fleet = Fleet(seed, rules, steps, keep_story=keep_story)
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(fleet.run())
    finally:
        logging.disable(before)
    return fleet


def shortened(seed: int, rules: Rules, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return as few of the steps as still break a promise: halves are left out first, single steps last."""
    size = max(len(steps) // 2, 1)
    while True:
        start, before = 0, len(steps)
        while start < len(steps):
            fewer = steps[:start] + steps[start + size :]
            if live(seed, rules, fewer).journal.broken:
                steps = fewer
            else:
                start += size
        if size == 1 and len(steps) == before:  # leaving out one more, whichever, mends it
            return steps
        size = max(size // 2, 1)


def story(seed: int, rules: Rules, steps: tuple[Step, ...]) -> str:
    """Tell what happened, and which promise broke."""
    fleet = live(seed, rules, steps, keep_story=True)
    lines = fleet.journal.story
    end = next((number for number, line in enumerate(lines, 1) if "BROKEN: " in line), len(lines))
    return "\n".join([f"Seed {seed}: {rules}.", *folded(lines[:end])])


def told(seed: int, temper: Temper | None = None) -> str:
    """Tell the shortest history that still breaks what *seed* breaks."""
    rules = draw_rules(seed, temper)
    return story(seed, rules, shortened(seed, rules, draw_steps(seed, app=rules.app)))


def trial(seeds: Iterable[int], temper: Temper | None = None) -> Verdict:
    """Live through the histories of these seeds."""
    verdict = Verdict()
    with counted(verdict.counts):
        for seed in seeds:
            rules = draw_rules(seed, temper)
            journal = live(seed, rules, draw_steps(seed, app=rules.app)).journal
            verdict.seeds += 1
            verdict.counts += journal.counts
            if journal.broken:
                verdict.broken[seed] = journal.broken
    return verdict
