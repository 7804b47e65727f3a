"""The figures that are drawn as bars, and their files."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.results import FOLDER

INK = {"light": "#1f2328", "dark": "#e6edf3"}
"""The text colour, by the shade of the page."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure of each library as a bar."""

    name: str
    scenario: str
    key: str
    title: str
    log: bool = False

    def file(self, shade: str) -> Path:
        """Return the file for light or dark pages."""
        return FOLDER / f"{self.name}-{shade}.svg"


PLOTS = (
    Plot("fresh", "fresh", "ns", "A valid token: ns a call (logarithmic)", log=True),
    Plot("waits", "ahead", "p99", "Renewal at a slow token endpoint: p99 of the wait, ms (logarithmic)", log=True),
    Plot("outage", "outage", "errors_percent", "Token endpoint down while a renewal is due: calls with an error, %"),
    Plot(
        "processes",
        "processes",
        "requests",
        "8 processes with 25 callers each at expiry: token requests (logarithmic)",
        log=True,
    ),
)
