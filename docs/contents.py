"""What there is to document and the pages that are there, without Sphinx, so that tests can ask too."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

DOCS = Path(__file__).parent
PACKAGE = "bitbucket_auth_async"
PACKAGES = (PACKAGE, f"{PACKAGE}.api", f"{PACKAGE}.testing")
"""Those that re-export what most programs need."""
PAGES = sorted(path for part in ("how-to", "explanation", "project", ".") for path in (DOCS / part).glob("*.md"))
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)
FACE = DOCS.parent / "tests" / "typing" / "public_face.py"
"""What a type checker sees of the package as its users do."""


def modules() -> list[str]:
    """Name every public module of the package; `__main__` would run."""
    package = importlib.import_module(PACKAGE)
    found = (module.name for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."))
    return sorted(name for name in found if not name.rpartition(".")[2].startswith("_"))


def public_names() -> dict[str, list[str]]:
    """Return what programs import, by module: what packages re-export, and what the public face and the pages show."""
    found = {package: set(importlib.import_module(package).__all__) for package in PACKAGES}
    texts = [FACE.read_text(encoding="utf-8")]
    texts += [fence for page in PAGES for fence in FENCE.findall(page.read_text(encoding="utf-8"))]
    adapters = set(modules())
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(f"{PACKAGE}."):
            names = {alias.name for alias in node.names if f"{node.module}.{alias.name}" not in adapters}
            if names and node.module not in PACKAGES:
                found.setdefault(node.module, set()).update(names)
    return {module: sorted(names) for module, names in found.items()}


def pages_that_show(name: str) -> list[Path]:
    """Return the hand-written pages that name *name*, those with a fence that uses it first, three at most."""
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    named = [page for page, text in texts.items() if re.search(rf"\b{name}\b", text)]
    used = [page for page in named if any(re.search(rf"\b{name}\b", fence) for fence in FENCE.findall(texts[page]))]
    return [*used, *(page for page in named if page not in used)][:3]
