"""Nothing that is public is left unexplained: it has a docstring, and a page that shows it."""

import inspect
from collections.abc import Iterator
from importlib import import_module

import pytest

from docs.contents import PACKAGE, modules, pages_that_show

PUBLIC = [
    (name, package)
    for package in (PACKAGE, f"{PACKAGE}.api", f"{PACKAGE}.testing")
    for name in import_module(package).__all__
]


@pytest.mark.parametrize("name, package", PUBLIC)
def test_a_public_name_is_on_a_page(name: str, package: str) -> None:
    assert pages_that_show(name), f"{name} of {package} is on no page of the documentation"


def undocumented(module: str) -> Iterator[str]:
    """Yield what the reference would leave out: public classes, functions and methods without a docstring."""
    for name, what in vars(import_module(module)).items():
        if name.startswith("_") or getattr(what, "__module__", None) != module:
            continue
        if inspect.isclass(what) or inspect.isfunction(what):
            if not what.__doc__:
                yield name
            for method, how in vars(what).items() if inspect.isclass(what) else ():
                if (
                    not method.startswith("_")
                    and (inspect.isfunction(how) or isinstance(how, property))
                    and not how.__doc__
                ):
                    yield f"{name}.{method}"


@pytest.mark.parametrize("module", modules())
def test_the_reference_leaves_nothing_out(module: str) -> None:
    assert list(undocumented(module)) == []
