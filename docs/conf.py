"""Sphinx's settings; the reference is generated from docstrings, one page for each topic."""

import re
import tomllib

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from docs.contents import DOCS
from docs.reference_pages import entries, pages

GENERATED = DOCS / "reference" / "generated"
METADATA = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = METADATA["name"]
author = "the bitbucket_auth_async authors"
project_copyright = f"2026, {author}"
version = release = METADATA["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py", "comparison/tables.md", "reference/generated/scopes.md"]  # tables are parts of pages
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["diagrams.css"]
html_domain_indices = False  # the reference lists the names by topic
html_title = f"{project} {release}"
default_role = "code"  # docstrings say `code` with single backticks
nitpicky = True
# No inventory of other projects is fetched, so that the documentation builds offline: only public names are checked.
_PUBLIC = "|".join(re.escape(entry.full_name) for entry in entries())
nitpick_ignore_regex = [(r"py:.*", rf"(?!({_PUBLIC})(\.|$)).*")]

linkcheck_anchors_ignore_for_url = [r"https://developer\.atlassian\.com/"]  # scripts make its pages, and their anchors
linkcheck_ignore = [r"https://www\.npmjs\.com/"]  # answers 403 to whatever is no browser

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    "ignore-module-all": True,  # what a package re-exports is described where it is made, and only there
}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes told of in the class's docstring are documented once


def _write(page: str, lines: list[str]) -> None:
    text = "\n".join([*lines, ""])
    path = GENERATED / page
    # An unchanged page keeps its date, so that only what changed is built again.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _write_reference(_app: Sphinx) -> None:
    """Write a page for each topic of the reference; remove the pages of topics that are gone."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    made = pages()
    for name, lines in made.items():
        _write(f"{name}.md", lines)
    for page in GENERATED.glob("*.md"):
        if page.stem not in made:
            page.unlink()


def natural_width(name: str) -> str:
    """Return the width at which a diagram's words are three quarters as large as the page's; D2 says none."""
    drawn = (DOCS / "diagrams" / f"{name}-light.svg").read_text(encoding="utf-8")
    found = re.search(r'viewBox="0 0 (\d+) ', drawn)
    if found is None:
        message = f"The diagram {name} says nothing of its size."
        raise ValueError(message)
    return f"{int(found[1]) * 3 // 4}px"


class Diagram(SphinxDirective):
    """Shows one of the diagrams, in the colours that the reader chose; its content says in words what it shows."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return both pictures, of which furo shows one."""
        name, words = self.arguments[0], " ".join(self.content)
        width = natural_width(name)
        pictures = [
            nodes.image(uri=f"/diagrams/{name}-{tone}.svg", alt=words, classes=[f"only-{tone}"], width=width)
            for tone in ("light", "dark")
        ]
        return [nodes.container("", *pictures, classes=["diagram"])]


def setup(app: Sphinx) -> None:
    """Write the reference before Sphinx looks for its pages."""
    app.connect("config-inited", lambda app, _config: _write_reference(app))
    app.add_directive("diagram", Diagram)
