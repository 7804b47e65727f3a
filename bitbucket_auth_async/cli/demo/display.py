"""What the demo shows: a live picture where there is a terminal and rich, plain lines everywhere else."""

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from bitbucket_auth_async.cli.demo.figures import Figures

_NEWS_EVERY = 5.0
_STYLES = {"process A": "cyan", "process B": "magenta", "Bitbucket": "yellow", "demo": "bold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How things stand at one moment."""

    elapsed: float
    seconds: float
    """How long the whole takes."""
    workers: Sequence[tuple[str, str, int, int]]
    """Each one's name and state, and how many requests it has made and failed."""
    endpoint: str
    """How the token endpoint is."""
    figures: "Figures"


class Display:
    """Tells what happens, as it happens."""

    def __init__(self, title: str) -> None:
        """Look at where we write to."""
        self._title = title
        self.began = time.time()
        """Epoch seconds."""
        self._told = 0.0
        self._live = _live() if sys.stdout.isatty() else None

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.time() - self.began

    def shown(self) -> AbstractContextManager[Any]:
        """Return the context in which the live picture stands on the screen."""
        return nullcontext() if self._live is None else self._live

    def say(self, who: str, what: str, *, at: float | None = None) -> None:
        """Show one thing that happened, now or at *at* in epoch seconds; it stays on the screen."""
        elapsed = self.elapsed if at is None else at - self.began
        moment, name = f"{max(elapsed, 0):5.1f} s", f"{who:<9}"
        if self._live is None:
            print(f"{moment}  {name}  {what}", flush=True)  # noqa: T201 - what it is for
            return
        from rich.text import Text  # noqa: PLC0415 - an extra

        parts = ((moment, "dim"), "  ", (name, _STYLES.get(who, "")), "  ", what)
        self._live.console.print(Text.assemble(*parts))

    def show(self, scene: Scene) -> None:
        """Show how things stand; in plain lines now and then."""
        if self._live is not None:
            self._live.update(_picture(self._title, scene))
        elif self.elapsed >= self._told + _NEWS_EVERY:
            self._told = self.elapsed
            figures = scene.figures
            self.say("demo", f"{figures.made:,} requests so far, {figures.failed or 'none'} failed")

    def conclude(self, figures: "Figures") -> None:
        """Show the last figures and what they mean."""
        problems, table = figures.problems(), figures.table()
        verdict = "All as it should be." if not problems else f"Not as it should be: {'; '.join(problems)}."
        width = max(len(name) for name in table)
        lines = "".join(f"{name:<{width}}  {value}\n" for name, value in table.items())
        if self._live is None:
            print(f"\n{lines}\n{verdict}", flush=True)  # noqa: T201 - what it is for
            return
        from rich.text import Text  # noqa: PLC0415 - an extra

        self._live.console.print(Text.assemble(f"\n{lines}\n", (verdict, "bold red" if problems else "bold green")))


def _picture(title: str, scene: Scene) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - an extra
    from rich.panel import Panel  # noqa: PLC0415 - an extra
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415 - an extra
    from rich.text import Text  # noqa: PLC0415 - an extra

    workers = Table.grid(padding=(0, 2))
    for name, state, made, failed in scene.workers:
        colour = "green" if state == "running" else "red"
        calls = f"{made:>7,} requests, {failed or 'none'} failed"
        workers.add_row(Text(name, _STYLES.get(name, "")), Text(state, colour), calls)
    up = scene.endpoint == "up"
    workers.add_row(Text("endpoint", _STYLES["Bitbucket"]), Text(scene.endpoint, "green" if up else "bold red"))
    figures = Table.grid(padding=(0, 2))
    for name, value in scene.figures.table().items():
        figures.add_row(name, Text(value, "bold"))
    bar = ProgressBar(total=scene.seconds, completed=min(scene.elapsed, scene.seconds))
    return Panel(Group(workers, "", figures, "", bar), title=title)


def _live() -> "Live | None":
    try:
        from rich.live import Live  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return Live(refresh_per_second=8, transient=True)
