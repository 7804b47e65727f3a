"""Copies of the project in which code is changed: to seed a bug, or to take out a guard."""

import shutil
import tempfile
import tomllib
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
COPIED = ("bitbucket_auth_async", "tests", "pyproject.toml", "README.md")


class Change(NamedTuple):
    """A text in a file that is replaced."""

    file: str
    old: str
    new: str


def read_table(table: Path, kind: str) -> list[tuple[dict[str, Any], tuple[Change, ...]]]:
    """Return the entries of a table, each with its changes: `file`, `old` and `new`, and those in `more`."""
    entries: list[dict[str, Any]] = tomllib.loads(table.read_text(encoding="utf-8"))[kind]
    return [
        (entry, (Change(entry["file"], entry["old"], entry["new"]), *(Change(*each) for each in entry.get("more", ()))))
        for entry in entries
    ]


def changed_texts(changes: Iterable[Change], tree: Path) -> dict[Path, str]:
    """Return the files that the changes concern, with their texts after the changes.

    Raises:
        ValueError: An old text does not stand exactly once in its file, so the table must be updated.
    """
    texts: dict[Path, str] = {}
    for change in changes:
        file = tree / change.file
        text = texts.get(file) or file.read_text(encoding="utf-8")
        if text.count(change.old) != 1:
            msg = f"{change.file} has the text to change {text.count(change.old)} times, not once"
            raise ValueError(msg)
        texts[file] = text.replace(change.old, change.new)
    return texts


def copy_project(place: Path) -> Path:
    """Copy the package and its tests to *place*."""
    place.mkdir(exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, place / name)
    return place


class Copies:
    """A few copies of the project; each is lent to one thread at a time."""

    def __init__(self, trees: Sequence[Path]) -> None:
        """Lend *trees*."""
        self._free: SimpleQueue[Path] = SimpleQueue()
        for tree in trees:
            self._free.put(tree)

    @classmethod
    @contextmanager
    def make(cls, number: int) -> Generator["Copies"]:
        """Make copies that exist inside the block."""
        with tempfile.TemporaryDirectory() as place:
            yield cls([copy_project(Path(place) / str(each)) for each in range(number)])

    @contextmanager
    def changed(self, changes: Iterable[Change] = ()) -> Generator[Path]:
        """Lend a copy with these changes; they are undone afterwards.

        Raises:
            ValueError: As `changed_texts`.
        """
        tree = self._free.get()
        before: dict[Path, str] = {}
        try:
            for file, text in changed_texts(changes, tree).items():
                before[file] = file.read_text(encoding="utf-8")
                file.write_text(text, encoding="utf-8")
            yield tree
        finally:
            for file, text in before.items():
                file.write_text(text, encoding="utf-8")
            self._free.put(tree)
