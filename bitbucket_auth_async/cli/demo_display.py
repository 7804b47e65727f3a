"""What the demo shows: a live table where there is a terminal and rich, plain lines everywhere else."""

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_SHOWN = 14


class Display:
    """Tells what happens, as it happens."""

    def __init__(self) -> None:
        """Look at where we write to."""
        self._began = time.monotonic()
        self._lines: list[str] = []
        self._figures: Mapping[str, object] = {}
        self._live = _live() if sys.stdout.isatty() else None

    def shown(self) -> AbstractContextManager[Any]:
        """Return the context in which the live picture stands on the screen."""
        return nullcontext() if self._live is None else self._live

    def say(self, who: str, what: str) -> None:
        """Show one thing that happened."""
        line = f"{time.monotonic() - self._began:5.1f} s  {who:<9}  {what}"
        self._lines = [*self._lines, line][-_SHOWN:]
        if self._live is None:
            print(line, flush=True)  # noqa: T201 - what it is for
        else:
            self._live.update(self._picture())

    def count(self, figures: Mapping[str, object]) -> None:
        """Show how far things are; plain output gets figures at the end alone."""
        self._figures = figures
        if self._live is not None:
            self._live.update(self._picture())

    def conclude(self, figures: Mapping[str, object], verdict: str) -> None:
        """Show the last figures and what they mean."""
        self.count(figures)
        width = max(len(name) for name in figures)
        lines = [f"{name:<{width}}  {value}" for name, value in figures.items()]
        print("\n".join(["", *lines, "", verdict]), flush=True)  # noqa: T201 - what it is for

    def _picture(self) -> "RenderableType":
        from rich.console import Group  # noqa: PLC0415 - an extra
        from rich.panel import Panel  # noqa: PLC0415 - an extra
        from rich.table import Table  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415 - an extra

        table = Table.grid(padding=(0, 2))
        for name, value in self._figures.items():
            table.add_row(name, Text(str(value), style="bold"))
        return Group(Panel(table, title="One sign-in, two processes, 400 coroutines"), *map(Text, self._lines))


def _live() -> "Live | None":
    try:
        from rich.live import Live  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return Live(refresh_per_second=8, transient=True)
