"""A history: the rules of the server that a fleet meets, and the steps that happen to the fleet, drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Literal

LENGTH = 4_000.0
"""Seconds in which steps happen; after that, all faults end and each process must recover."""
PROCESSES = 3
_DAY = 86_400.0

ServerKind = Literal["strict", "grace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one history."""

    strict: bool
    """A second use of a refresh token revokes the sign-in; otherwise the token works for ten more minutes."""
    app: bool
    """The client uses client credentials, so no person signs in."""
    rotates: bool
    last_pair_wins: bool
    """A second use revokes the tokens that the first use returned."""
    revokes_access: bool
    """A renewal revokes the previous access token."""
    lifetime: float
    one_host: bool
    """Each process can see at once that another one is dead."""
    keep_fresh: bool
    """One process renews its token although no caller asks."""

    def __str__(self) -> str:
        """Return the first line of the story."""
        server = "a strict server" if self.strict else "a server with a grace period of ten minutes"
        more = [
            "refresh tokens do not rotate" * (not self.rotates),
            "the last pair wins" * self.last_pair_wins,
            "a renewal revokes the access token" * self.revokes_access,
            "client credentials" * self.app,
            "one host" * self.one_host,
            "one process keeps its token fresh" * self.keep_fresh,
            f"tokens of {self.lifetime:.0f} s",
        ]
        return ", ".join([server, *(each for each in more if each)])


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens to one process, or (`process` None) to the server or to all stores."""

    at: float
    name: str
    process: int | None = None
    seconds: float = 0.0
    count: int = 0
    """If not 0, the step happens later: when the process waits for the count-th time, for store, server or timer."""

    def __str__(self) -> str:
        """Return a line of the story."""
        process = "" if self.process is None else f" process {self.process}"
        count = f" {self.count}" if self.count else ""
        length = f" ({self.seconds:+.0f} s)" if self.seconds else ""
        return f"{self.at:7.1f} s  {self.name.replace('_', ' ')}{count}{process}{length}"


@dataclass(frozen=True, slots=True)
class StepKind:
    """One kind of step: how often it is drawn, and within which bounds."""

    name: str
    weight: int
    least: float = 0.0
    most: float = 0.0
    one: bool = True
    """It happens to one process."""
    waits: int = 0
    """It happens at one of the process's next *waits* waits."""
    single: bool = False
    """Half of the time it hits only the next request, whenever that comes."""
    sign_in: Literal["all", "person", "app"] = "all"
    """In which histories it happens: all, those with a person's sign-in, those with client credentials."""


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
    StepKind("end_event_loop", 3),
    StepKind("store_down", 4, 5, 120),
    StepKind("store_down_for_all", 2, 5, 90, one=False),
    StepKind("store_slow", 3, 5, 90),
    StepKind("lose_swap", 3),
    StepKind("delay_swap", 3, 1, 40),
    StepKind("lose_confirmation", 4),
    StepKind("unavailable", 3, 1, 100, one=False, single=True),
    StepKind("rate_limited", 2, 1, 60, one=False, single=True),
    StepKind("lose_request", 3, 1, 60, one=False, single=True),
    StepKind("lose_answer", 6, 1, 60, one=False, single=True),
    StepKind("truncate_answer", 2, 1, 60, one=False, single=True),
    StepKind("unreachable", 2, 1, 60, one=False, single=True),
    StepKind("html_answer", 2, 1, 60, one=False, single=True),
    StepKind("wrong_secret", 1, 1, 60, one=False, single=True),
    StepKind("refuse_grant", 3, 1, 60, one=False, single=True, sign_in="app"),
    StepKind("slow_answer", 4, 1, 45, one=False),
    StepKind("slow_request", 2, 1, 45, one=False),
    StepKind("step_clock", 2, -_DAY, _DAY),
    StepKind("drift_clock", 4, -120, 120),
    StepKind("expire_access_tokens", 3, one=False),
    StepKind("sign_in", 1, sign_in="person"),
    StepKind("sign_in_by_code", 2, sign_in="person"),
    StepKind("sign_in_by_refresh_token", 1, sign_in="person"),
    StepKind("sign_in_without_refresh_token", 1, sign_in="person"),
    StepKind("sign_out", 2),
    StepKind("revoke_refresh_token", 1, one=False, sign_in="person"),
    StepKind("revoke_sign_ins", 1, one=False, sign_in="person"),
    StepKind("lose_record", 2, one=False),
    StepKind("restore_backup", 1, 1, 2000, one=False),
    StepKind("conflicting_program", 1, one=False),
    StepKind("conflicting_program_without_store", 1, one=False),
)


def draw_rules(seed: int, kind: ServerKind | None = None) -> Rules:
    """Return the rules of *seed*; the server is strict if the seed is odd, unless *kind* says otherwise."""
    rng = random.Random(f"{seed}/setting")  # noqa: S311 - drawn again from the same seed
    strict = seed % 2 == 1 if kind is None else kind == "strict"
    app, rotates, last, revokes = (rng.random() < share for share in (1 / 8, 7 / 8, 1 / 4, 1 / 4))
    return Rules(
        strict=strict,
        app=app,
        rotates=rotates or strict,
        last_pair_wins=last and rotates and not strict,
        revokes_access=revokes,
        lifetime=rng.choice((300.0, 600.0, 900.0, 1800.0, 7200.0)),
        one_host=rng.random() < 1 / 3,
        keep_fresh=rng.random() < 1 / 4,
    )


def draw_steps(seed: int, *, app: bool = False) -> tuple[Step, ...]:
    """Return the 3 to 40 steps of *seed* in order of time."""
    rng = random.Random(seed)  # noqa: S311 - drawn again from the same seed
    kinds = [kind for kind in STEP_KINDS if kind.sign_in in {"all", "app" if app else "person"}]
    drawn = rng.choices(kinds, weights=[kind.weight for kind in kinds], k=rng.randint(3, 40))
    return tuple(sorted((_draw_step(kind, rng) for kind in drawn), key=lambda step: step.at))


def _draw_step(kind: StepKind, rng: random.Random) -> Step:
    single = kind.single and rng.random() < 1 / 2
    return Step(
        at=round(rng.uniform(0, LENGTH), 1),
        name=kind.name,
        process=rng.randrange(PROCESSES) if kind.one else None,
        seconds=0.0 if single or not kind.most else round(rng.uniform(kind.least, kind.most), 1),
        count=rng.randint(1, kind.waits) if kind.waits else 0,
    )
