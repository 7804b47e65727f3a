"""What README and documentation say of this library, each with the figures of a run that bear it out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.peers import scenario
from benchmarks.peers.results import Outcome, Results

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, and within which bounds each of a scenario's figures must be in every round."""

    words: str
    scenario: str
    bounds: Mapping[str, tuple[float, float]]

    def holds(self, outcome: Outcome) -> bool:
        """Tell whether every round bears it out."""
        return outcome.lacks is None and all(
            low <= value <= high for key, (low, high) in self.bounds.items() for value in outcome.rounds[key]
        )


_NONE, _ONE, _YES, _ALL = (0, 0), (1, 1), (1, 1), (8, 8)
CLAIMS = (
    Claim("A token that is good is handed out at once", "fresh", {"ns": (0, 1_000)}),
    Claim(
        "Callers of one process spend a refresh token once",
        "at_expiry",
        {"requests": _ONE, "errors": _NONE, "survives_strict": _YES, "survives": _YES},
    ),
    Claim(
        "So do all processes that share a store, and each goes on",
        "processes",
        {"requests": _ONE, "errors": _NONE, "go_on": _ALL, "go_on_strict": _ALL},
    ),
    Claim(
        "A renewal runs beside its callers, and none gets an expired token",
        "ahead",
        {"expired": _NONE, "max": (0, 1_000)},  # half of what the token endpoint takes
    ),
    Claim(
        "While the token endpoint is down, the present token is handed out as long as it is good",
        "outage",
        {"errors_percent": _NONE, "expired": _NONE},
    ),
    Claim(
        "A caller who is cancelled costs no sign-in",
        "cancelled",
        {"served_strict": _YES, "served": _YES, "again": _NONE},
    ),
    Claim("A lost response costs none at a server with Bitbucket's ten minutes of grace", "lost", {"served": _YES}),
    Claim(
        "Nor does a crash between spending and saving",
        "crash",
        {"served": _YES, "served_late": _YES, "sibling_errors": _NONE},
    ),
)
"""The order is that of the tables."""


def section(results: Results) -> list[str]:
    """Return the claims as a table, as far as the run has their scenarios."""
    lines = ["## What is claimed, and where its figures are", "", "| README and these pages say | so it was | see |"]
    lines.append("| --- | --- | --- |")
    for claim in CLAIMS:
        if claim.scenario in results.scenarios:
            borne_out = "yes" if claim.holds(results.scenarios[claim.scenario][OURS]) else "**no**"
            title = scenario.load(claim.scenario).TITLE
            lines.append(f"| {claim.words} | {borne_out} | [{title}](#{anchor(title)}) |")
    return [*lines, ""]


def anchor(title: str) -> str:
    """Return the name by which a heading is linked to."""
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
