"""Runs histories one after another; one that breaks a promise is cut down and told as a story."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.branches import counted
from tests.simulation.fleet import Fleet
from tests.simulation.history import Rules, ServerKind, Step, draw_rules, draw_steps
from tests.simulation.story import fold_renewals


@dataclass(slots=True)
class Verdict:
    """The result of some seeds."""

    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    """How often each step, branch, event and error occurred."""
    broken: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """The broken promises of each seed that broke any."""

    def add(self, other: "Verdict") -> None:
        """Add the result of other seeds."""
        self.seeds += other.seeds
        self.counts += other.counts
        self.broken |= other.broken


def run_history(seed: int, rules: Rules, steps: tuple[Step, ...], *, keep_story: bool = False) -> Fleet:
    """Run one history without log output, and return the fleet with its journal."""
    fleet = Fleet(seed, rules, steps, keep_story=keep_story)
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(fleet.run())
    finally:
        logging.disable(before)
    return fleet


def shorten(seed: int, rules: Rules, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return as few of the steps as still break a promise, leaving out large parts first and single steps last."""
    size = max(len(steps) // 2, 1)
    while True:
        start, before = 0, len(steps)
        while start < len(steps):
            fewer = steps[:start] + steps[start + size :]
            if run_history(seed, rules, fewer).journal.broken:
                steps = fewer
            else:
                start += size
        if size == 1 and len(steps) == before:  # each of the steps is needed
            return steps
        size = max(size // 2, 1)


def story(seed: int, rules: Rules, steps: tuple[Step, ...]) -> str:
    """Return what happens in a history, up to the first broken promise."""
    lines = run_history(seed, rules, steps, keep_story=True).journal.story
    end = next((number for number, line in enumerate(lines, 1) if "BROKEN: " in line), len(lines))
    return "\n".join([f"Seed {seed}: {rules}.", *fold_renewals(lines[:end])])


def shortest_story(seed: int, kind: ServerKind | None = None) -> str:
    """Return the story of the shortest history that still breaks a promise as *seed* does."""
    rules = draw_rules(seed, kind)
    return story(seed, rules, shorten(seed, rules, draw_steps(seed, app=rules.app)))


def run_seeds(seeds: Iterable[int], kind: ServerKind | None = None) -> Verdict:
    """Run the histories of these seeds, and return their result."""
    verdict = Verdict()
    with counted(verdict.counts):
        for seed in seeds:
            rules = draw_rules(seed, kind)
            journal = run_history(seed, rules, draw_steps(seed, app=rules.app)).journal
            verdict.seeds += 1
            verdict.counts += journal.counts
            if journal.broken:
                verdict.broken[seed] = journal.broken
    return verdict
