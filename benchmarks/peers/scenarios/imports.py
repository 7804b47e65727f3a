"""What does a library cost before it does anything?"""

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
    "The import that a program begins with, in a new interpreter that has imported asyncio already, "
    "by the processor's time. Distributions are "
    "all that pip installs for it, itself included; this library's aiohttp comes at the first token request."
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


def conduct(name: str, control: int) -> Figures:  # noqa: ARG001 - others need a server
    """Import in a new interpreter, and look up what is installed."""
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
    """Add a distribution and all that it needs."""
    name = canonicalize_name(name)
    if name in found:
        return
    found.add(name)
    for line in distribution(name).requires or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            _gather(needed.name, found)


def _size(name: str) -> int:
    """Return the bytes of a distribution's files; our own, installed from its folder, are looked up there."""
    if name == "bitbucket-auth-async":
        return sum(path.stat().st_size for path in (ROOT / "bitbucket_auth_async").rglob("*.py"))
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return 0
    return sum(path.size or 0 for path in files)
