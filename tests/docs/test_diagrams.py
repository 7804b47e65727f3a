"""The diagrams are drawn from their sources, and pages show them."""

import re
from pathlib import Path

import pytest

from docs.render_diagrams import FOLDER, THEMES, drawn

SOURCES = sorted(FOLDER.glob("*.d2"))
PAGES = [path for path in FOLDER.parent.glob("**/*.md") if "generated" not in path.parts]


@pytest.mark.parametrize("tone", THEMES)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_each_diagram_matches_its_source(source: Path, tone: str) -> None:
    svg = source.with_name(f"{source.stem}-{tone}.svg").read_text(encoding="utf-8")
    assert svg == drawn(source, tone), "run `make diagrams`"


def test_pages_show_every_diagram_and_only_existing_ones() -> None:
    shown = {name for page in PAGES for name in re.findall(r"```\{diagram\} (\S+)", page.read_text(encoding="utf-8"))}
    assert shown == {source.stem for source in SOURCES}


def test_every_svg_has_a_source() -> None:
    wanted = {f"{source.stem}-{tone}.svg" for source in SOURCES for tone in THEMES}
    assert {path.name for path in FOLDER.glob("*.svg")} == wanted
