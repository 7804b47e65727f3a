"""A progress bar on standard error."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """Shows how many items have arrived, and disappears at the end."""

    def __init__(self) -> None:
        """Prepare the bar; it is shown on entering the context."""
        columns = (TextColumn("items"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # By default rich would redirect standard output to its own console.
        self._progress = Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._task = self._progress.add_task("items", total=None)

    def show(self, count: int, size: object) -> None:
        """Show that *count* items have arrived, of *size* in all if that is a number."""
        total = size if isinstance(size, int) else None
        self._progress.update(self._task, completed=count, total=total)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the bar."""
        self._progress.stop()
