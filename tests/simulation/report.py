"""The report of a trial: how often each thing happened, and what never happened."""

from collections import Counter
from collections.abc import Sequence

from bitbucket_auth_async.telemetry.events import EventKind
from tests.simulation.branches import DECISIONS, SETTLEMENTS
from tests.simulation.history import STEP_KINDS
from tests.simulation.process import POINTS
from tests.simulation.trial import Verdict

_ELSEWHERE = frozenset({EventKind.NOT_DURABLE, EventKind.API_REFUSED, EventKind.API_REPEATED})
"""Events that no fleet can meet: each of its processes has a store, and none sends API requests."""

EXPECTED = (
    *(f"step: {kind.name}" for kind in STEP_KINDS),
    *(f"{what} at: {point}" for what in ("crash", "pause", "cancel callers") for point in POINTS),
    *DECISIONS,
    *SETTLEMENTS,
    *(f"event: {kind.value}" for kind in EventKind if kind not in _ELSEWHERE),
    "presented again",
    "second spend",
    "sign-in lost",
    "closed",
    "conflicting program: refused",
)
"""What must happen at least once in enough seeds."""


def never(counts: Counter[str]) -> list[str]:
    """Return the names of all that did not happen."""
    return [name for name in EXPECTED if not counts[name]]


def report(verdict: Verdict, *, lasted: float, first: int, missing: Sequence[str]) -> str:
    """Return the report of a trial that began with seed *first*."""
    lines = [f"{count:>12,}  {name}" for name, count in sorted(verdict.counts.items())]
    lines += [f"{'never':>12}  {name}" for name in missing]
    lines.append("")
    if verdict.broken:
        seed = min(verdict.broken)
        lines.append(f"The first broken promise: seed {seed}, after {seed - first + 1} seeds.")
        shown = ", ".join(map(str, sorted(verdict.broken)[:20]))
        lines.append(f"{len(verdict.broken)} seeds broke promises: {shown}{', …' * (len(verdict.broken) > 20)}")
    lines.append(f"{verdict.seeds:,} seeds in {lasted:.0f} s, {len(verdict.broken)} broken.")
    return "\n".join(lines)
