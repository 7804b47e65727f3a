"""Rows on standard output: aligned and plain everywhere, with a little colour on a terminal."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from bitbucket_auth_async.cli.terminal.outcome import out

_COLOURS = {"good": "green", "fine": "green", "renewal due": "yellow", "expires soon": "yellow", "warning": "yellow"}
_BAD = {"expired": "yellow", "sign-in needed": "bold red", "refused": "bold red", "wrong": "bold red"}


def table(rows: Mapping[str, str]) -> None:
    """Show names and what they are."""
    columns([name, value] for name, value in rows.items())


def columns(rows: Iterable[Sequence[str]]) -> None:
    """Show rows of two or more columns; the last one may be long."""
    lines = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][:-1]
    if not sys.stdout.isatty():
        for *cells, last in lines:
            padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
            out("  ".join([*padded, last]).rstrip())
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal waits for it
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    grid = Table.grid(padding=(0, 2))
    for cells in lines:
        first, *rest = cells
        grid.add_row(Text(first, "dim"), *(Text(cell, {**_COLOURS, **_BAD}.get(cell, "")) for cell in rest))
    Console(highlight=False).print(grid)
