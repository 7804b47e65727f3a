"""A progress bar on standard error, for what takes its time on a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """Shows how many items have come, and goes away in the end."""

    def __init__(self) -> None:
        """Show nothing yet."""
        columns = (TextColumn("items"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # Left to itself, rich would lead what is written to standard output to its own console.
        self._progress = Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._task = self._progress.add_task("items", total=None)

    def show(self, count: int, size: object) -> None:
        """Show how many items have come, of how many if the API says so."""
        total = size if isinstance(size, int) else None
        self._progress.update(self._task, completed=count, total=total)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._progress.stop()
