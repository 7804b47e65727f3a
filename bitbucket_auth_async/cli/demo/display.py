"""The demo's output: a live picture on a terminal with rich installed, otherwise plain lines."""

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from bitbucket_auth_async.cli.demo.results import Results

_SUMMARY_INTERVAL = 5.0
_STYLES = {"process A": "cyan", "process B": "magenta", "Bitbucket": "yellow", "demo": "bold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of the demo at one moment."""

    elapsed: float
    seconds: float
    """Duration of the demo."""
    workers: Sequence[tuple[str, str, int, int]]
    """Name, state, requests sent and requests failed of each worker."""
    endpoint: str
    """State of the token endpoint."""
    results: "Results"


class Display:
    """Prints events and results as they happen."""

    def __init__(self, title: str) -> None:
        """Choose between a live picture and plain lines."""
        self._title = title
        self.started_at = time.time()
        """Epoch seconds."""
        self._summary_at = 0.0
        self._live = _live_picture() if sys.stdout.isatty() else None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.time() - self.started_at

    def shown(self) -> AbstractContextManager[Any]:
        """Return the context in which the live picture is on the screen."""
        return nullcontext() if self._live is None else self._live

    def print_event(self, who: str, what: str, *, at: float | None = None) -> None:
        """Print an event that happened now, or at *at* in epoch seconds; it stays on the screen."""
        elapsed = self.elapsed if at is None else at - self.started_at
        moment, name = f"{max(elapsed, 0):5.1f} s", f"{who:<9}"
        if self._live is None:
            print(f"{moment}  {name}  {what}", flush=True)  # noqa: T201 - a program's output
            return
        from rich.text import Text  # noqa: PLC0415 - an extra

        parts = ((moment, "dim"), "  ", (name, _STYLES.get(who, "")), "  ", what)
        self._live.console.print(Text.assemble(*parts))

    def update(self, snapshot: Snapshot) -> None:
        """Update the live picture, or print a summary line every few seconds."""
        if self._live is not None:
            self._live.update(_picture(self._title, snapshot))
        elif self.elapsed >= self._summary_at + _SUMMARY_INTERVAL:
            self._summary_at = self.elapsed
            results = snapshot.results
            self.print_event("demo", f"{results.requests:,} requests so far, {results.failed or 'none'} failed")

    def conclude(self, results: "Results") -> None:
        """Print the final results and the verdict."""
        problems, table = results.problems(), results.table()
        verdict = (
            f"Failed: {'; '.join(problems)}." if problems else "Passed: the sign-in survived the kill and the outage."
        )
        width = max(len(name) for name in table)
        lines = "".join(f"{name:<{width}}  {value}\n" for name, value in table.items())
        if self._live is None:
            print(f"\n{lines}\n{verdict}", flush=True)  # noqa: T201 - a program's output
            return
        from rich.text import Text  # noqa: PLC0415 - an extra

        self._live.console.print(Text.assemble(f"\n{lines}\n", (verdict, "bold red" if problems else "bold green")))


def _picture(title: str, snapshot: Snapshot) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - an extra
    from rich.panel import Panel  # noqa: PLC0415 - an extra
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415 - an extra
    from rich.text import Text  # noqa: PLC0415 - an extra

    workers = Table.grid(padding=(0, 2))
    for name, state, requests, failed in snapshot.workers:
        colour = "green" if state == "running" else "red"
        calls = f"{requests:>7,} requests, {failed or 'none'} failed"
        workers.add_row(Text(name, _STYLES.get(name, "")), Text(state, colour), calls)
    up = snapshot.endpoint == "up"
    workers.add_row(Text("endpoint", _STYLES["Bitbucket"]), Text(snapshot.endpoint, "green" if up else "bold red"))
    results = Table.grid(padding=(0, 2))
    for name, value in snapshot.results.table().items():
        results.add_row(name, Text(value, "bold"))
    bar = ProgressBar(total=snapshot.seconds, completed=min(snapshot.elapsed, snapshot.seconds))
    return Panel(Group(workers, "", results, "", bar), title=title)


def _live_picture() -> "Live | None":
    try:
        from rich.live import Live  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return Live(refresh_per_second=8, transient=True)
