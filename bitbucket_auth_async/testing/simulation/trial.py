"""A trial: histories one after another, the shortest that fails told as a story."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bitbucket_auth_async.testing.simulation.fleet import Fleet
from bitbucket_auth_async.testing.simulation.history import Step, draw


@dataclass(slots=True)
class Verdict:
    """What some seeds came to."""

    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    """How often each step was taken, each event told and each error met."""
    broken: list[str] = field(default_factory=list[str])
    """The story of each seed that broke a promise, cut down to the steps that it takes."""


def is_strict(seed: int) -> bool:
    """Tell which server a seed meets: odd ones a strict one, even ones one with a grace of ten minutes."""
    return seed % 2 == 1


def live(seed: int, steps: tuple[Step, ...]) -> Fleet:
    """Live through one history, and return the fleet with its judge and its story."""
    fleet = Fleet(seed, steps, strict=is_strict(seed))
    asyncio.run(fleet.run())
    return fleet


def shortened(seed: int, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return as few of the steps as still break a promise: halves are left out first, single steps last."""
    size = max(len(steps) // 2, 1)
    while True:
        start = 0
        while start < len(steps):
            fewer = steps[:start] + steps[start + size :]
            if live(seed, fewer).judge.broken:
                steps = fewer
            else:
                start += size
        if size == 1:
            return steps
        size //= 2


def story(seed: int, steps: tuple[Step, ...]) -> str:
    """Tell what happened, and which promise broke."""
    fleet = live(seed, steps)
    server = "a strict server" if is_strict(seed) else "a server with a grace of ten minutes"
    return "\n".join([f"Seed {seed}, {server}:", *fleet.story, "", *fleet.judge.broken])


def trial(seeds: Iterable[int]) -> Verdict:
    """Live through the histories of these seeds; the log is silent meanwhile."""
    verdict = Verdict()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        for seed in seeds:
            steps = draw(seed)
            judge = live(seed, steps).judge
            verdict.seeds += 1
            verdict.counts += judge.counts
            verdict.counts.update(f"step: {step.what}" for step in steps)
            if judge.broken:
                verdict.broken.append(story(seed, shortened(seed, steps)))
    finally:
        logging.disable(before)
    return verdict
