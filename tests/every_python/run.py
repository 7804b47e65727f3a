"""Run the suite on each supported Python that this machine has; `make test-all` calls this."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST = (3, 11)
ASK = "import sys, ensurepip, ssl, venv; print(*sys.version_info[:3], sys.implementation.name, sys.executable)"


def candidates() -> Iterator[Path]:
    """Yield each python3.x on the PATH and each one installed by pyenv or uv."""
    for folder in os.get_exec_path():
        yield from sorted(Path(folder).glob("python3.[0-9]*"))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/*/bin/python3.[0-9]*"))
    if uv := shutil.which("uv"):
        asked = subprocess.run([uv, "python", "dir"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            yield from sorted(Path(asked.stdout.strip()).glob("*/bin/python3.[0-9]*"))


def ask(python: Path) -> tuple[int, int, int, Path] | None:
    """Return its version and its real path; None if it doesn't run, isn't CPython, or can't make an environment."""
    if not python.name.rpartition(".")[2].isdigit() or not os.access(python, os.X_OK):
        return None
    asked = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=False)
    words = asked.stdout.rstrip("\n").split(" ", 4)
    # A shim of pyenv fails here unless its version is the chosen one.
    if asked.returncode != 0 or len(words) != 5 or words[3] != "cpython":
        return None
    return int(words[0]), int(words[1]), int(words[2]), Path(words[4])


def newest_of_each_minor() -> dict[tuple[int, int], Path]:
    """Return the newest Python of each supported minor version, in order."""
    found: dict[tuple[int, int], tuple[int, Path]] = {}
    for major, minor, patch, python in filter(None, map(ask, candidates())):
        if (major, minor) >= OLDEST and patch > found.get((major, minor), (-1, python))[0]:
            found[major, minor] = (patch, python)
    return {minor: found[minor][1] for minor in sorted(found)}


def main() -> int:
    """Run `make test` in an environment of each, and print the results at the end."""
    failed: list[str] = []
    pythons = newest_of_each_minor()
    for (major, minor), python in pythons.items():
        name = f"{major}.{minor}"
        print(f"\n=== Python {name}: {python}", flush=True)
        words = ["make", "test", f"PYTHON={python}", f"VENV=.venvs/{name}"]
        if subprocess.run(words, check=False).returncode != 0:
            failed.append(name)
    names = ", ".join(f"{major}.{minor}" for major, minor in pythons)
    print(f"\nTried on Python {names}. " + (f"Failed on {', '.join(failed)}." if failed else "All passed."))
    return 1 if failed or not pythons else 0


if __name__ == "__main__":
    sys.exit(main())
