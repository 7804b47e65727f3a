"""Every public name has a docstring, a page that names it and code that shows it."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest
from sphinx.pycode import ModuleAnalyzer

from docs import reference_pages
from docs.contents import FENCE, PACKAGE, PAGES, modules, pages_that_show, public_names

ROOT = Path(__file__).parents[2]
FACE = ast.parse((ROOT / "tests" / "typing" / "public_face.py").read_text(encoding="utf-8"))
CODE = "\n".join(
    [fence for page in [ROOT / "README.md", *PAGES] for fence in FENCE.findall(page.read_text(encoding="utf-8"))]
    # The page on example programs leads to these.
    + [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "examples").glob("*.py")]
)
INSIDE = re.compile(rf"{PACKAGE}\.(cli|testing\.fake)\b")
"""Modules that no program imports; their constants need no docstring."""


def public() -> Iterator[tuple[str, str]]:
    """Yield each re-exported name, each import of the public face and each store, with its module."""
    for package in (PACKAGE, f"{PACKAGE}.api", f"{PACKAGE}.testing"):
        for name in import_module(package).__all__:
            yield name, package
    for node in ast.walk(FACE):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            for alias in node.names:
                yield alias.name, str(node.module)
    for module in modules():
        if module.startswith(f"{PACKAGE}.stores."):
            for name in vars(import_module(module)):
                if name.endswith("Store") and name != "TokenStore":
                    yield name, module


PUBLIC = sorted(set(public()))


def test_public_names_of_each_kind_are_found() -> None:
    assert {
        ("TokenManager", PACKAGE),
        ("BearerMiddleware", f"{PACKAGE}.bearer.aiohttp"),
        ("KeyringStore", f"{PACKAGE}.stores.keyring"),
    } <= set(PUBLIC)


@pytest.mark.parametrize("name, package", PUBLIC)
def test_a_public_name_is_on_a_page(name: str, package: str) -> None:
    assert pages_that_show(name), f"{name} of {package} is on no page of the documentation"


@pytest.mark.parametrize("name, package", PUBLIC)
def test_a_public_name_has_an_example_that_runs(name: str, package: str) -> None:
    assert re.search(rf"\b{name}\b", CODE), f"{name} of {package} is in no Python fence and in no example program"


def test_the_reference_describes_each_public_name_on_the_page_of_its_topic() -> None:
    named = {(name, module) for module, names in public_names().items() for name in names}
    left_out = {(name, package) for name, package in PUBLIC if f"{package}.{name}" not in modules()} - named
    assert left_out == set()
    text = {page: "\n".join(lines) for page, lines in reference_pages.pages().items()}
    described = {entry.full_name for entry in reference_pages.entries()}
    assert {name for name, _ in named} <= {entry.name for entry in reference_pages.entries()}
    assert [name for name in described if sum(f":: {name}\n" in page + "\n" for page in text.values()) != 1] == []


def test_the_reference_describes_public_names_only() -> None:
    lines = [line for page in reference_pages.pages().values() for line in page if line.startswith(".. auto")]
    assert {line.partition(":: ")[2] for line in lines} == {entry.full_name for entry in reference_pages.entries()}


def test_each_line_of_the_reference_says_what_the_name_gives_and_where_it_is_shown() -> None:
    rows = [line for page in reference_pages.pages().values() for line in page if line.startswith("| {py:")]
    assert len(rows) > 80
    assert [row for row in rows if "|  |" in row] == []


def undocumented(module: ModuleType) -> Iterator[str]:
    """Yield names without a leading underscore and without a docstring, which the reference would leave out."""
    for name, what in vars(module).items():
        if name.startswith("_") or getattr(what, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(what) or inspect.isfunction(what):
            if not what.__doc__:
                yield name
            for method, how in vars(what).items() if inspect.isclass(what) else ():
                if not method.startswith("_") and is_code(how) and not inspect.getdoc(how):
                    yield f"{name}.{method}"


def is_code(what: object) -> bool:
    """Return whether this attribute of a class is written as a function."""
    return inspect.isfunction(what) or isinstance(what, property | classmethod | staticmethod)


def bare_constants(module: ModuleType) -> Iterator[str]:
    """Yield the constants and aliases of a module without a docstring below them, which autodoc leaves out."""
    assert module.__file__ is not None
    explained = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if not isinstance(target, ast.Name) or target.id.startswith("_") or ("", target.id) in explained:
                continue
            if not isinstance(vars(module)[target.id], TypeVar):
                yield target.id


@pytest.mark.parametrize("name", modules())
def test_every_public_name_of_a_module_has_a_docstring(name: str) -> None:
    module = import_module(name)
    assert list(undocumented(module)) == []
    if not INSIDE.match(name):
        assert list(bare_constants(module)) == []


class Sloppy:
    """Lacks docstrings, which the check must find."""

    def plain(self) -> None:
        pass

    @classmethod
    def of_the_class(cls) -> None:
        pass

    @staticmethod
    def static() -> None:
        pass

    @property
    def asked(self) -> None:
        pass


def test_a_name_without_a_docstring_is_found() -> None:
    module = ModuleType(Sloppy.__module__)
    vars(module)["Sloppy"] = Sloppy
    names = ["plain", "of_the_class", "static", "asked"]
    assert list(undocumented(module)) == [f"Sloppy.{name}" for name in names]
