"""Sphinx's settings. The reference has no hand-made list: it gets a page for each module that is there."""

import importlib
import re
import tomllib

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bitbucket_auth_async.bitbucket.scopes import SCOPES
from docs.contents import DOCS, PACKAGE, PACKAGES, modules, pages_that_show, public_names

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
html_domain_indices = False  # the reference lists the modules
html_title = f"{project} {release}"
default_role = "code"  # docstrings say `code` with single backticks
nitpicky = True
# No inventory of other projects is fetched, so that the documentation builds offline: only our own names are checked,
# and of those the ones that the reference shows.
nitpick_ignore_regex = [(r"py:.*", rf"(?!{PACKAGE}\b).*|.*\._\w+")]

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


def _public_names(module_name: str, names: list[str]) -> list[str]:
    """Link every name to its description, and to the pages that show how to use it."""
    module = importlib.import_module(module_name)
    lines: list[str] = []
    for name in names:
        what = getattr(module, name)
        # A plain value does not know its home.
        home = what.__module__ if callable(what) else module_name
        link = f"`{name}`" if module_name in PACKAGES and not callable(what) else f"{{py:obj}}`{name} <{home}.{name}>`"
        pages = [f"[](../../{page.relative_to(DOCS)})" for page in pages_that_show(name)]
        lines.append(f"- {link}: {', '.join(pages)}")
    return lines


def _scopes() -> list[str]:
    """Make a table of all scopes; what no endpoint asks for any more stands at its end."""
    lines = ["| scope | what a token with it may do | comes with |", "| --- | --- | --- |"]
    for name, scope in sorted(SCOPES.items(), key=lambda item: (not item[1].served, item[0])):
        allows = scope.allows if scope.served else f"{scope.allows} *Serves nothing any more.*"
        lines.append(f"| `{name}` | {allows} | {', '.join(f'`{other}`' for other in sorted(scope.implies))} |")
    return lines


def _write(page: str, lines: list[str]) -> None:
    text = "\n".join([*lines, ""])
    path = GENERATED / page
    # An unchanged page keeps its date, so that only what changed is built again.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _write_reference(_app: Sphinx) -> None:
    """Write a page for each module, and the list of public names; remove the pages of modules that are gone."""
    GENERATED.mkdir(parents=True, exist_ok=True)
    names = modules()
    for name in names:
        title = name.removeprefix(f"{PACKAGE}.")
        _write(f"{name}.md", [f"# {title}", "", "```{eval-rst}", f".. automodule:: {name}", "```"])
    public = ["# Public names", "", "Each with its description and the pages that show it in use."]
    named = public_names()
    for module in (*PACKAGES, *sorted(named.keys() - set(PACKAGES))):
        public += ["", f"## from {module}", "", *_public_names(module, named[module])]
    _write("public.md", public)
    _write("scopes.md", _scopes())
    for page in GENERATED.glob("*.md"):
        if page.stem not in {"public", "scopes", *names}:
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
