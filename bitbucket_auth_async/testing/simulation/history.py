"""A history: what befalls a fleet, drawn from a seed, one step after another."""

import random
from dataclasses import dataclass

LENGTH = 4_000.0
"""Seconds in which things happen; after that, all is mended and the fleet must be well."""
PROCESSES = 3
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens to one process, or to the server or the store of all (`process` None)."""

    at: float
    what: str
    process: int | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return a line of the story."""
        whom = "" if self.process is None else f" process {self.process}"
        length = f" ({self.seconds:+.0f} s)" if self.seconds else ""
        return f"{self.at:7.1f} s  {self.what.replace('_', ' ')}{whom}{length}"


# What can happen, how often beside the rest, whether to one process, and for how long at the least and the most.
_KINDS: tuple[tuple[str, int, bool, float, float], ...] = (
    ("crash", 6, True, 1, 120),
    ("pause", 6, True, 5, 200),
    ("die_before_sending", 3, True, 1, 120),
    ("die_before_saving", 4, True, 1, 120),
    ("stop_before_sending", 3, True, 20, 200),
    ("stop_before_saving", 5, True, 20, 200),
    ("cancel_callers", 4, True, 0, 0),
    ("reject", 5, True, 0, 0),
    ("leave_loop", 2, True, 0, 0),
    ("store_down", 4, True, 5, 120),
    ("store_down_for_all", 2, False, 5, 90),
    ("store_slow", 3, True, 5, 90),
    ("lose_confirmation", 5, True, 0, 0),
    ("unavailable", 4, False, 1, 100),
    ("rate_limited", 2, False, 1, 60),
    ("lose_request", 3, False, 1, 60),
    ("lose_answer", 6, False, 1, 60),
    ("unreachable", 2, False, 1, 60),
    ("html", 2, False, 1, 60),
    ("slow_answer", 4, False, 1, 45),
    ("step_clock", 2, True, -_DAY, _DAY),
    ("expire_access_tokens", 3, False, 0, 0),
    ("sign_in", 1, True, 0, 0),
    ("sign_out", 1, True, 0, 0),
    ("kill_current_refresh_token", 1, False, 0, 0),
)


def draw(seed: int) -> tuple[Step, ...]:
    """Return the history of *seed*: between a few and some thirty steps, in order of time."""
    chance = random.Random(seed)  # noqa: S311 - drawn again from the same seed
    kinds = chance.choices(_KINDS, weights=[kind[1] for kind in _KINDS], k=chance.randint(3, 30))
    steps = [
        Step(
            at=round(chance.uniform(0, LENGTH), 1),
            what=what,
            process=chance.randrange(PROCESSES) if one else None,
            seconds=round(chance.uniform(least, most), 1) if most else 0.0,
        )
        for what, _, one, least, most in kinds
    ]
    return tuple(sorted(steps, key=lambda step: step.at))
