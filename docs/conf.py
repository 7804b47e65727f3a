"""Sphinx's settings. The reference has no hand-made list: it gets a page for each module that is there."""

import importlib
import pkgutil
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
PACKAGE = "bitbucket_auth_async"
GENERATED = DOCS / "reference" / "generated"
METADATA = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = METADATA["name"]
author = "the bitbucket_auth_async authors"
project_copyright = f"2026, {author}"
version = release = METADATA["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py", "comparison/tables.md"]  # the tables are part of a page
html_theme = "furo"
html_title = f"{project} {release}"
default_role = "code"  # docstrings say `code` with single backticks
nitpicky = True
# No inventory of other projects is fetched, so that the documentation builds offline: only our own names are checked,
# and of those the ones that the reference shows.
nitpick_ignore_regex = [(r"py:.*", rf"(?!{PACKAGE}\b).*|.*\._\w+")]

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


def _modules() -> list[str]:
    """Name every public module of the package; `__main__` would run."""
    package = importlib.import_module(PACKAGE)
    found = (module.name for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."))
    return sorted(name for name in found if not name.rpartition(".")[2].startswith("_"))


def _public_names() -> list[str]:
    """Link every class and function that the package re-exports to the place where it is described."""
    package = importlib.import_module(PACKAGE)
    lines: list[str] = []
    for name in sorted(getattr(package, "__all__", ())):
        what = getattr(package, name)
        # A plain value does not know its home.
        lines.append(f"- {{py:obj}}`{name} <{what.__module__}.{name}>`" if callable(what) else f"- `{name}`")
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
    modules = _modules()
    for name in modules:
        title = name.removeprefix(f"{PACKAGE}.")
        _write(f"{name}.md", [f"# {title}", "", "```{eval-rst}", f".. automodule:: {name}", "```"])
    _write("public.md", ["# Public names", "", f"`from {PACKAGE} import …` gives:", "", *_public_names()])
    for page in GENERATED.glob("*.md"):
        if page.stem != "public" and page.stem not in modules:
            page.unlink()


def setup(app: Sphinx) -> None:
    """Write the reference before Sphinx looks for its pages."""
    app.connect("config-inited", lambda app, _config: _write_reference(app))
