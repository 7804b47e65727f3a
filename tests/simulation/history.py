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
class Setting:
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
    keen: bool
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
            "one process keeps its token fresh" * self.keen,
            f"tokens of {self.lifetime:.0f} s",
        ]
        return ", ".join([server, *(each for each in more if each)])


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens to one process, or to the server or the store of all (`process` None)."""

    at: float
    what: str
    process: int | None = None
    seconds: float = 0.0
    count: int = 0
    """Not at once, but when the process waits for the count-th time from then on, for store, server or timer."""

    def __str__(self) -> str:
        """Return a line of the story."""
        whom = "" if self.process is None else f" process {self.process}"
        when = f" {self.count}" if self.count else ""
        length = f" ({self.seconds:+.0f} s)" if self.seconds else ""
        return f"{self.at:7.1f} s  {self.what.replace('_', ' ')}{when}{whom}{length}"


@dataclass(frozen=True, slots=True)
class Kind:
    """What can happen: how often beside the rest, to whom, and for how long."""

    what: str
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


KINDS = (
    Kind("crash", 4, 1, 120),
    Kind("pause", 5, 5, 200),
    Kind("crash_at_wait", 10, 1, 120, waits=14),
    Kind("pause_at_wait", 10, 20, 200, waits=14),
    Kind("pause_before_sending", 2, 20, 200),
    Kind("pause_before_saving", 5, 20, 200),
    Kind("pause_before_saving_unconfirmed", 3, 65, 200),
    Kind("reject_and_crash", 3, 1, 2000),
    Kind("restart", 3, 1, 30),
    Kind("cancel_callers", 4),
    Kind("cancel_callers_at_wait", 4, waits=14),
    Kind("reject", 4),
    Kind("reject_while_still_accepted", 1),
    Kind("leave_loop", 3),
    Kind("store_down", 4, 5, 120),
    Kind("store_down_for_all", 2, 5, 90, one=False),
    Kind("store_slow", 3, 5, 90),
    Kind("lose_swap", 3),
    Kind("delay_swap", 3, 1, 40),
    Kind("lose_confirmation", 4),
    Kind("unavailable", 3, 1, 100, one=False, passing=True),
    Kind("rate_limited", 2, 1, 60, one=False, passing=True),
    Kind("lose_request", 3, 1, 60, one=False, passing=True),
    Kind("lose_answer", 6, 1, 60, one=False, passing=True),
    Kind("cut_answer", 2, 1, 60, one=False, passing=True),
    Kind("unreachable", 2, 1, 60, one=False, passing=True),
    Kind("html", 2, 1, 60, one=False, passing=True),
    Kind("wrong_secret", 1, 1, 60, one=False, passing=True),
    Kind("refuse_grant", 3, 1, 60, one=False, passing=True, whose="app"),
    Kind("slow_answer", 4, 1, 45, one=False),
    Kind("slow_request", 2, 1, 45, one=False),
    Kind("step_clock", 2, -_DAY, _DAY),
    Kind("drift_clock", 4, -120, 120),
    Kind("expire_access_tokens", 3, one=False),
    Kind("sign_in", 1, whose="person"),
    Kind("sign_in_by_code", 2, whose="person"),
    Kind("sign_in_by_refresh_token", 1, whose="person"),
    Kind("sign_in_without_refresh_token", 1, whose="person"),
    Kind("sign_out", 2),
    Kind("kill_current_refresh_token", 1, one=False, whose="person"),
    Kind("revoke", 1, one=False, whose="person"),
    Kind("forget_record", 2, one=False),
    Kind("restore_record", 1, 1, 2000, one=False),
    Kind("stranger", 1, one=False),
    Kind("stranger_without_store", 1, one=False),
)


def setting(seed: int, temper: Temper | None = None) -> Setting:
    """Return under which rules *seed* lives: a strict server if it is odd, unless *temper* says."""
    chance = random.Random(f"{seed}/setting")  # noqa: S311 - drawn again from the same seed
    strict = seed % 2 == 1 if temper is None else temper == "strict"
    app, rotates, last, revokes = (chance.random() < share for share in (1 / 8, 7 / 8, 1 / 4, 1 / 4))
    return Setting(
        strict=strict,
        app=app,
        rotates=rotates or strict,
        last_pair_wins=last and rotates and not strict,
        revokes_access=revokes,
        lifetime=chance.choice((300.0, 600.0, 900.0, 1800.0, 7200.0)),
        one_host=chance.random() < 1 / 3,
        keen=chance.random() < 1 / 4,
    )


def draw(seed: int, *, app: bool = False) -> tuple[Step, ...]:
    """Return the steps of *seed*: between a few and some forty, in order of time."""
    chance = random.Random(seed)  # noqa: S311 - drawn again from the same seed
    kinds = [kind for kind in KINDS if kind.whose in {"all", "app" if app else "person"}]
    drawn = chance.choices(kinds, weights=[kind.weight for kind in kinds], k=chance.randint(3, 40))
    return tuple(sorted((_step(kind, chance) for kind in drawn), key=lambda step: step.at))


def _step(kind: Kind, chance: random.Random) -> Step:
    passing = kind.passing and chance.random() < 1 / 2
    return Step(
        at=round(chance.uniform(0, LENGTH), 1),
        what=kind.what,
        process=chance.randrange(PROCESSES) if kind.one else None,
        seconds=0.0 if passing or not kind.most else round(chance.uniform(kind.least, kind.most), 1),
        count=chance.randint(1, kind.waits) if kind.waits else 0,
    )
