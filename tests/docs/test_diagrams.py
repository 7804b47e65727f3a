"""The diagrams of the documentation are what their text says, and pages show those that there are."""

import re
from pathlib import Path

import pytest

from docs.render_diagrams import FOLDER, THEMES, drawn

SOURCES = sorted(FOLDER.glob("*.d2"))
PAGES = [path for path in FOLDER.parent.glob("**/*.md") if "generated" not in path.parts]


@pytest.mark.parametrize("tone", THEMES)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_diagram_is_current(source: Path, tone: str) -> None:
    svg = source.with_name(f"{source.stem}-{tone}.svg").read_text(encoding="utf-8")
    assert svg == drawn(source, tone), "run `make diagrams`"


def test_each_diagram_is_shown_and_each_that_is_shown_is_there() -> None:
    shown = {name for page in PAGES for name in re.findall(r"```\{diagram\} (\S+)", page.read_text(encoding="utf-8"))}
    assert shown == {source.stem for source in SOURCES}


def test_no_diagram_is_left_over() -> None:
    wanted = {f"{source.stem}-{tone}.svg" for source in SOURCES for tone in THEMES}
    assert {path.name for path in FOLDER.glob("*.svg")} == wanted
