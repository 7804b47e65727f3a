"""Tables on standard output: aligned plain text, with some colour on a terminal."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from bitbucket_auth_async.cli.terminal.output import print_result

_COLOURS = {
    "good": "green",
    "ok": "green",
    "renewal due": "yellow",
    "expires soon": "yellow",
    "expired": "yellow",
    "warning": "yellow",
    "sign-in needed": "bold red",
    "refused": "bold red",
    "error": "bold red",
}


def print_fields(fields: Mapping[str, str]) -> None:
    """Print one line for each name and its value."""
    print_columns([name, value] for name, value in fields.items())


def print_columns(rows: Iterable[Sequence[str]]) -> None:
    """Print rows of two or more columns; the last column may be long."""
    lines = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][:-1]
    if not sys.stdout.isatty():
        for *cells, last in lines:
            padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
            print_result("  ".join([*padded, last]).rstrip())
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal waits for it
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    grid = Table.grid(padding=(0, 2))
    for first, *rest in lines:
        grid.add_row(Text(first, "dim"), *(Text(cell, _COLOURS.get(cell, "")) for cell in rest))
    Console(highlight=False).print(grid)
