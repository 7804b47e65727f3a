"""What there is to document and the pages that are there, without Sphinx, so that tests can ask too."""

import importlib
import pkgutil
import re
from pathlib import Path

DOCS = Path(__file__).parent
PACKAGE = "bitbucket_auth_async"
PAGES = sorted(path for part in ("how-to", "explanation", "project", ".") for path in (DOCS / part).glob("*.md"))
FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def modules() -> list[str]:
    """Name every public module of the package; `__main__` would run."""
    package = importlib.import_module(PACKAGE)
    found = (module.name for module in pkgutil.walk_packages(package.__path__, f"{PACKAGE}."))
    return sorted(name for name in found if not name.rpartition(".")[2].startswith("_"))


def pages_that_show(name: str) -> list[Path]:
    """Return the hand-written pages that name *name*, those with a fence that uses it first, three at most."""
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    named = [page for page, text in texts.items() if re.search(rf"\b{name}\b", text)]
    used = [page for page in named if any(re.search(rf"\b{name}\b", fence) for fence in FENCE.findall(texts[page]))]
    return [*used, *(page for page in named if page not in used)][:3]
