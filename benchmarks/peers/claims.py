"""The claims of README and documentation about this library, and the figures that support each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.peers import scenario
from benchmarks.peers.results import Outcome, Results

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, and the bounds that a scenario's figures must keep in every round."""

    words: str
    scenario: str
    bounds: Mapping[str, tuple[float, float]]

    def holds(self, outcome: Outcome) -> bool:
        """Return whether the figures of every round keep the bounds."""
        return outcome.lacks is None and all(
            low <= value <= high for key, (low, high) in self.bounds.items() for value in outcome.rounds[key]
        )


_NONE, _ONE, _YES, _ALL = (0, 0), (1, 1), (1, 1), (8, 8)
CLAIMS = (
    Claim("A valid token is handed out immediately", "fresh", {"ns": (0, 1_000)}),
    Claim(
        "The callers of one process spend a refresh token once",
        "at_expiry",
        {"requests": _ONE, "errors": _NONE, "survives_strict": _YES, "survives": _YES},
    ),
    Claim(
        "All processes that share a store spend it once, and each continues to work",
        "processes",
        {"requests": _ONE, "errors": _NONE, "go_on": _ALL, "go_on_strict": _ALL},
    ),
    Claim(
        "A renewal runs in the background, and no caller gets an expired token",
        "ahead",
        {"expired": _NONE, "max": (0, 1_000)},  # half of what the token endpoint takes
    ),
    Claim(
        "While the token endpoint is down, the present token is handed out until it expires",
        "outage",
        {"errors_percent": _NONE, "expired": _NONE},
    ),
    Claim(
        "A cancelled caller costs no sign-in",
        "cancelled",
        {"served_strict": _YES, "served": _YES, "again": _NONE},
    ),
    Claim(
        "A lost response costs no sign-in at a server with Bitbucket's grace period of ten minutes",
        "lost",
        {"served": _YES},
    ),
    Claim(
        "A crash between spending and saving costs no sign-in there",
        "crash",
        {"served": _YES, "served_late": _YES, "sibling_errors": _NONE},
    ),
)
"""In the order of the tables."""


def section(results: Results) -> list[str]:
    """Return a table of the claims whose scenarios the run has."""
    lines = ["## Claims and their figures", "", "| claim of README and documentation | holds | figures |"]
    lines.append("| --- | --- | --- |")
    for claim in CLAIMS:
        if claim.scenario in results.scenarios:
            holds = "yes" if claim.holds(results.scenarios[claim.scenario][OURS]) else "**no**"
            title = scenario.load(claim.scenario).TITLE
            lines.append(f"| {claim.words} | {holds} | [{title}](#{anchor(title)}) |")
    return [*lines, ""]


def anchor(title: str) -> str:
    """Return the link target of a heading."""
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
