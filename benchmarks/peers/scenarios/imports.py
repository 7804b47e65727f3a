"""What does a library cost to import and install?"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.peers import peer
from benchmarks.peers.scenario import Column, Figures
from benchmarks.peers.world import ROOT

TITLE = "Importing and installing"
WHAT = (
    "The CPU time of the library's import in a new interpreter that has already imported asyncio. Distributions are "
    "all that pip installs for it, itself included; this library imports aiohttp at the first token request."
)
COLUMNS = (
    Column("ms", "import, ms"),
    Column("modules", "modules loaded"),
    Column("distributions", "distributions"),
    Column("megabytes", "installed, MB", digits=1),
)
ROUNDS = 7
_PROGRAM = """
import sys, time, json, asyncio
before = len(sys.modules)
begun = time.process_time()
{statement}
print(json.dumps([time.process_time() - begun, len(sys.modules) - before]))
"""


def conduct(name: str, control: int) -> Figures:  # noqa: ARG001 - other scenarios need a server
    """Import in a new interpreter, and measure the installed distributions."""
    adapter = peer.load(name)
    words = [sys.executable, "-W", "ignore", "-c", _PROGRAM.format(statement=adapter.STATEMENT)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    seconds, modules = json.loads(done.stdout)
    installed: set[str] = set()
    for each in adapter.DISTRIBUTIONS:
        _gather(each, installed)
    size = sum(_size(each) for each in installed)
    return {"ms": seconds * 1e3, "modules": modules, "distributions": len(installed), "megabytes": size / 1e6}


def _gather(name: str, found: set[str]) -> None:
    """Add a distribution and all its dependencies."""
    name = canonicalize_name(name)
    if name in found:
        return
    found.add(name)
    for line in distribution(name).requires or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            _gather(needed.name, found)


def _size(name: str) -> int:
    """Return the bytes of a distribution's files; our own package is measured in its source folder."""
    if name == "bitbucket-auth-async":
        return sum(path.stat().st_size for path in (ROOT / "bitbucket_auth_async").rglob("*.py"))
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return 0
    return sum(path.size or 0 for path in files)
