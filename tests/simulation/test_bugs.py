"""The seeded bugs apply to the code as it is, and the simulation catches three of them within a few seeds."""

import pytest

from tests.simulation.bugs import Bug, bugs, catch
from tests.support.changed_copies import ROOT, Copies, changed_texts

FEW = 40
"""Seeds; `make bugs` shows how many each bug needs, and these three need at most ten."""


@pytest.mark.parametrize("bug", bugs(), ids=[bug.name for bug in bugs()])
def test_the_code_that_a_bug_changes_stands_once_in_its_file(bug: Bug) -> None:
    assert changed_texts(bug.changes, ROOT)


@pytest.mark.parametrize(
    "name,promise",
    [
        ("a token is handed out before it is saved", "R2"),
        ("a request is repeated while the claim's owner lives", "R1"),
        ("a refused token is not remembered", "R8"),
    ],
)
def test_the_simulation_catches_a_bug_within_a_few_seeds(name: str, promise: str) -> None:
    (bug,) = bugs([name])
    with Copies.make(1) as copies:
        caught = catch(bug, copies, FEW)
    assert caught is not None
    assert caught.promise.startswith(promise)
