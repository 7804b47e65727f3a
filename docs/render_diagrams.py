"""Draws docs/diagrams/*.d2 with D2, once for light pages and once for dark ones, beside their sources.

`python -m docs.render_diagrams` draws; with `--check` it only says what is not current.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parent / "diagrams"
D2 = Path(sys.executable).parent / "d2"
THEMES = {"light": "1", "dark": "200"}
"""Numbers of D2's own themes."""


def drawn(source: Path, tone: str) -> str:
    """Return the diagram as SVG."""
    with TemporaryDirectory() as folder:
        svg = Path(folder, "drawn.svg")
        subprocess.run(  # noqa: S603 - our own tool, on our own file
            # ELK keeps labels off the lines; the salt keeps two pictures of one page apart.
            [D2, "--layout=elk", f"--theme={THEMES[tone]}", "--pad=12", f"--salt={tone}", source, svg],
            check=True,
            capture_output=True,
            text=True,
        )
        return svg.read_text(encoding="utf-8") + "\n"


def main() -> int:
    """Draw what is not current, or only name it."""
    old: list[str] = []
    for source in sorted(FOLDER.glob("*.d2")):
        for tone in THEMES:
            target = source.with_name(f"{source.stem}-{tone}.svg")
            svg = drawn(source, tone)
            if not target.exists() or target.read_text(encoding="utf-8") != svg:
                old.append(target.name)
                if "--check" not in sys.argv:
                    target.write_text(svg, encoding="utf-8")
    print(f"Not current: {', '.join(old)}" if "--check" in sys.argv and old else f"{len(old)} drawn anew.")
    return 1 if "--check" in sys.argv and old else 0


if __name__ == "__main__":
    sys.exit(main())
