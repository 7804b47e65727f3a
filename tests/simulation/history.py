"""A history: which server a fleet meets, and what befalls it, all drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Literal

LENGTH = 4_000.0
"""Seconds in which things happen; after that, all is mended and the fleet must be well."""
PROCESSES = 3
_DAY = 86_400.0

Temper = Literal["strict", "grace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Under which rules a history is lived."""

    strict: bool
    """A second use of a refresh token revokes the sign-in; otherwise it works for ten minutes more."""
    app: bool
    """The client speaks for itself, and nobody signs in."""
    rotates: bool
    last_pair_wins: bool
    """A second use kills what the first one had given."""
    revokes_access: bool
    """A renewal kills the access token before."""
    lifetime: float
    one_host: bool
    """The processes see at once that one of them is gone."""
    keep_fresh: bool
    """One process keeps its token fresh though nobody asks."""

    def __str__(self) -> str:
        """Return the first line of the story."""
        server = "a strict server" if self.strict else "a server with a grace of ten minutes"
        more = [
            "that does not rotate" * (not self.rotates),
            "where the last pair wins" * self.last_pair_wins,
            "that kills the access token on renewal" * self.revokes_access,
            "client credentials" * self.app,
            "one host" * self.one_host,
            "one process keeps its token fresh" * self.keep_fresh,
            f"tokens of {self.lifetime:.0f} s",
        ]
        return ", ".join([server, *(each for each in more if each)])


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens to one process, or to the server or the store of all (`process` None)."""

    at: float
    name: str
    process: int | None = None
    seconds: float = 0.0
    count: int = 0
    """Not at once, but when the process waits for the count-th time from then on, for store, server or timer."""

    def __str__(self) -> str:
        """Return a line of the story."""
        whom = "" if self.process is None else f" process {self.process}"
        when = f" {self.count}" if self.count else ""
        length = f" ({self.seconds:+.0f} s)" if self.seconds else ""
        return f"{self.at:7.1f} s  {self.name.replace('_', ' ')}{when}{whom}{length}"


@dataclass(frozen=True, slots=True)
class StepKind:
    """What can happen: how often beside the rest, to whom, and for how long."""

    name: str
    weight: int
    least: float = 0.0
    most: float = 0.0
    one: bool = True
    """It happens to one process."""
    waits: int = 0
    """It happens at one of so many waits."""
    passing: bool = False
    """Half of the time it meets the next request alone, however long that is in coming."""
    whose: Literal["all", "person", "app"] = "all"
    """Whose sign-in it takes."""


STEP_KINDS = (
    StepKind("crash", 4, 1, 120),
    StepKind("pause", 5, 5, 200),
    StepKind("crash_at_wait", 10, 1, 120, waits=14),
    StepKind("pause_at_wait", 10, 20, 200, waits=14),
    StepKind("pause_before_sending", 2, 20, 200),
    StepKind("pause_before_saving", 5, 20, 200),
    StepKind("pause_before_saving_unconfirmed", 3, 65, 200),
    StepKind("reject_and_crash", 3, 1, 2000),
    StepKind("restart", 3, 1, 30),
    StepKind("cancel_callers", 4),
    StepKind("cancel_callers_at_wait", 4, waits=14),
    StepKind("reject", 4),
    StepKind("reject_while_still_accepted", 1),
    StepKind("leave_loop", 3),
    StepKind("store_down", 4, 5, 120),
    StepKind("store_down_for_all", 2, 5, 90, one=False),
    StepKind("store_slow", 3, 5, 90),
    StepKind("lose_swap", 3),
    StepKind("delay_swap", 3, 1, 40),
    StepKind("lose_confirmation", 4),
    StepKind("unavailable", 3, 1, 100, one=False, passing=True),
    StepKind("rate_limited", 2, 1, 60, one=False, passing=True),
    StepKind("lose_request", 3, 1, 60, one=False, passing=True),
    StepKind("lose_answer", 6, 1, 60, one=False, passing=True),
    StepKind("cut_answer", 2, 1, 60, one=False, passing=True),
    StepKind("unreachable", 2, 1, 60, one=False, passing=True),
    StepKind("html", 2, 1, 60, one=False, passing=True),
    StepKind("wrong_secret", 1, 1, 60, one=False, passing=True),
    StepKind("refuse_grant", 3, 1, 60, one=False, passing=True, whose="app"),
    StepKind("slow_answer", 4, 1, 45, one=False),
    StepKind("slow_request", 2, 1, 45, one=False),
    StepKind("step_clock", 2, -_DAY, _DAY),
    StepKind("drift_clock", 4, -120, 120),
    StepKind("expire_access_tokens", 3, one=False),
    StepKind("sign_in", 1, whose="person"),
    StepKind("sign_in_by_code", 2, whose="person"),
    StepKind("sign_in_by_refresh_token", 1, whose="person"),
    StepKind("sign_in_without_refresh_token", 1, whose="person"),
    StepKind("sign_out", 2),
    StepKind("kill_current_refresh_token", 1, one=False, whose="person"),
    StepKind("revoke", 1, one=False, whose="person"),
    StepKind("forget_record", 2, one=False),
    StepKind("restore_record", 1, 1, 2000, one=False),
    StepKind("stranger", 1, one=False),
    StepKind("stranger_without_store", 1, one=False),
)


def draw_rules(seed: int, temper: Temper | None = None) -> Rules:
    """Return under which rules *seed* lives: a strict server if it is odd, unless *temper* says."""
    chance = random.Random(f"{seed}/setting")  # noqa: S311 - drawn again from the same seed
    strict = seed % 2 == 1 if temper is None else temper == "strict"
    app, rotates, last, revokes = (chance.random() < share for share in (1 / 8, 7 / 8, 1 / 4, 1 / 4))
    return Rules(
        strict=strict,
        app=app,
        rotates=rotates or strict,
        last_pair_wins=last and rotates and not strict,
        revokes_access=revokes,
        lifetime=chance.choice((300.0, 600.0, 900.0, 1800.0, 7200.0)),
        one_host=chance.random() < 1 / 3,
        keep_fresh=chance.random() < 1 / 4,
    )


def draw_steps(seed: int, *, app: bool = False) -> tuple[Step, ...]:
    """Return the steps of *seed*: between a few and some forty, in order of time."""
    chance = random.Random(seed)  # noqa: S311 - drawn again from the same seed
    kinds = [kind for kind in STEP_KINDS if kind.whose in {"all", "app" if app else "person"}]
    drawn = chance.choices(kinds, weights=[kind.weight for kind in kinds], k=chance.randint(3, 40))
    return tuple(sorted((_step(kind, chance) for kind in drawn), key=lambda step: step.at))


def _step(kind: StepKind, chance: random.Random) -> Step:
    passing = kind.passing and chance.random() < 1 / 2
    return Step(
        at=round(chance.uniform(0, LENGTH), 1),
        name=kind.name,
        process=chance.randrange(PROCESSES) if kind.one else None,
        seconds=0.0 if passing or not kind.most else round(chance.uniform(kind.least, kind.most), 1),
        count=chance.randint(1, kind.waits) if kind.waits else 0,
    )
