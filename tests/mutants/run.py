"""Mutation testing of the pure rooms with their fast tests alone: at least 85 % of the mutants must be killed.

mutmut works on a copy of the house, so that nothing of it stays behind; its settings are in pyproject.toml.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("bitbucket_auth_async", "tests", "pyproject.toml", "README.md")
LEAST = 0.85


def main() -> int:
    """Print the survivors and the score, and return the exit code."""
    with tempfile.TemporaryDirectory() as place:
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, Path(place, name), ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, Path(place, name))

        def mutmut(*words: str) -> str:
            command = [sys.executable, "-m", "mutmut", *words]
            return subprocess.run(command, cwd=place, check=True, stdout=subprocess.PIPE, text=True).stdout

        mutmut("run")
        survivors = mutmut("results")
        mutmut("export-cicd-stats")
        counts = json.loads(Path(place, "mutants", "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    print(survivors)
    killed, total = counts["killed"] + counts["timeout"], counts["total"]
    print(f"{killed} of {total} mutants were killed: {killed / total:.1%}; at least {LEAST:.0%} must be.")
    return 0 if killed >= LEAST * total else 1


if __name__ == "__main__":
    sys.exit(main())
