"""Mutation testing of the pure rooms with their fast tests: at least 85 % of the mutants must be killed.

mutmut works on a copy of the project, so it leaves nothing behind; its settings are in pyproject.toml.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.changed_copies import copy_project

LEAST = 0.85


def main() -> int:
    """Print the survivors and the score, and return the exit code."""
    with tempfile.TemporaryDirectory() as place:
        copy_project(Path(place))

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
