"""Builds wheel and sdist, checks their content, and installs each in an empty environment; `make build` runs it."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / ".build" / "dist"
PACKAGE = "bitbucket_auth_async"

# Runs in the empty environment, without the checkout on the path.
LOOK = """
import importlib, importlib.metadata, importlib.resources, json, pathlib, sys
import bitbucket_auth_async
from bitbucket_auth_async import TokenManager
own = importlib.metadata.distribution("bitbucket-auth-async")
for name in ("transports.aiohttp", "bearer.aiohttp", "stores.file"):
    importlib.import_module("bitbucket_auth_async." + name)
print(json.dumps({
    "version": own.version,
    "license": own.metadata["License-Expression"],
    "python": own.metadata["Requires-Python"],
    "extras": sorted(own.metadata.get_all("Provides-Extra")),
    "entry_points": sorted([point.group, point.name, point.value] for point in own.entry_points),
    "installed": pathlib.Path(bitbucket_auth_async.__file__).is_relative_to(sys.prefix),
    "typed": importlib.resources.files("bitbucket_auth_async").joinpath("py.typed").is_file(),
}))
"""


def need(condition: object, message: str) -> None:
    """Stop with *message* unless the condition holds; `python -O` would remove an assert."""
    if not condition:
        sys.exit(f"make build: {message}")


def run(*words: str | Path, where: Path = ROOT) -> str:
    """Run a program and return its output; stop if it fails."""
    # Without PYTHONPATH and the like, as on another machine.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, cwd=where, env=environment, capture_output=True, text=True, check=False)
    need(done.returncode == 0, f"{' '.join(map(str, words))} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def wanted_in_both() -> set[str]:
    """Return all files of the package in the checkout."""
    files = (path for path in (ROOT / PACKAGE).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in files}


def check_wheel(wheel: Path) -> None:
    """Check that the wheel has the whole package and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    need(inside == wanted_in_both(), f"the wheel differs from the package: {sorted(inside ^ wanted_in_both())}")
    need(any(name.endswith(".dist-info/licenses/LICENSE") for name in names), "the wheel has no LICENSE")


def check_sdist(sdist: Path) -> None:
    """Check that the sdist has the package, its tests and its documentation, and no generated files."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = wanted_in_both() - names
    need(not missing, f"the sdist lacks {sorted(missing)}")
    for name in (
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "Makefile",
        "tests/project/test_architecture.py",
        "docs/conf.py",
    ):
        need(name in names, f"the sdist lacks {name}")
    made = (".venv", ".build", "docs/reference/generated")
    generated = [name for name in names if "__pycache__" in name or name.startswith(made)]
    need(not generated, f"the sdist has generated files: {generated}")


def check_installed(artefact: Path, project: dict[str, Any], folder: Path) -> None:
    """Check that it installs into an empty environment, imports, and has the metadata of pyproject.toml."""
    environment = folder / artefact.name
    run(sys.executable, "-m", "venv", environment)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", artefact)
    seen = json.loads(run(python, "-c", LOOK, where=folder))
    points: dict[str, dict[str, str]] = {**project["entry-points"], "console_scripts": project["scripts"]}
    wanted = {
        "version": project["version"],
        "license": project["license"],
        "python": project["requires-python"],
        "extras": sorted(project["optional-dependencies"]),
        "entry_points": sorted([group, *point] for group, table in points.items() for point in table.items()),
        "installed": True,
        "typed": True,
    }
    need(seen == wanted, f"{artefact.name}: found {seen}, expected {wanted}")
    print(f"{artefact.name}: {artefact.stat().st_size / 1024:.0f} KiB, installs and imports, version {seen['version']}")


def main() -> None:
    """Build, check and install both."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    check_wheel(wheel)
    check_sdist(sdist)
    with tempfile.TemporaryDirectory() as folder:
        for artefact in (wheel, sdist):
            check_installed(artefact, project, Path(folder))


if __name__ == "__main__":
    main()
