"""That the seeded bugs still apply to the code, and that the simulation catches some of them within a few seeds."""

from pathlib import Path

import pytest

from tests.simulation.bugs import Bug, bugs, caught, seeded

FEW = 40
"""Seeds; `make bugs` tells how many each bug takes, and these take ten at the most."""


@pytest.mark.parametrize("bug", bugs(), ids=[bug.name for bug in bugs()])
def test_what_a_bug_changes_stands_once_in_the_code(bug: Bug, tmp_path: Path) -> None:
    assert seeded(bug, tmp_path).is_dir()


@pytest.mark.parametrize(
    "name,promise",
    [("publish before save", "R2"), ("repeat while the owner lives", "R1"), ("a dead token is not remembered", "R8")],
)
def test_the_simulation_catches_a_bug_within_a_few_seeds(name: str, promise: str) -> None:
    (bug,) = bugs([name])
    found = caught(bug, FEW)
    assert found is not None
    assert found.promise.startswith(promise)
