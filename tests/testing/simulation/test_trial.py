"""The promises in seeded histories; and that the simulation can tell a broken one."""

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bitbucket_auth_async import settlement
from bitbucket_auth_async.record import Record
from bitbucket_auth_async.testing.simulation.history import Step, draw
from bitbucket_auth_async.testing.simulation.trial import live, shortened, story, trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from bitbucket_auth_async.testing.simulation.fleet import Fleet

SEEDS = 200


def test_r1_r2_r3_r5_r7_r8_r9_hold_in_two_hundred_histories() -> None:
    verdict = trial(range(SEEDS))
    assert verdict.broken == [], verdict.broken[:1]
    assert verdict.seeds == SEEDS
    for what in ("renewed", "repeated", "refused", "kept_as_spare", "save_failed", "outage_began", "second spend"):
        assert verdict.counts[what] > 0, f"nobody met: {what}"


def test_the_same_seed_tells_the_same_story_in_any_process() -> None:
    program = (
        "from bitbucket_auth_async.testing.simulation.trial import story\n"
        "from bitbucket_auth_async.testing.simulation.history import draw\n"
        "import logging; logging.disable(logging.CRITICAL)\n"
        "print(story(14, draw(14)))"
    )
    stories = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(stories) == 1


def test_a_failing_history_is_cut_down_to_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Record | None] = settlement.settle

    def losing(record: Record | None, **options: object) -> Record | None:
        """Forget the claim of a renewal whose answer was lost, as if nothing had been spent."""
        if isinstance(options["outcome"], settlement.Outage):
            options["outcome"] = settlement.Refused()
        return real(record, **options)

    monkeypatch.setattr("bitbucket_auth_async.renewer.settle", losing)
    steps = (
        Step(at=100.0, what="cancel_callers", process=1),
        Step(at=300.0, what="lose_request", seconds=500.0),
        Step(at=900.0, what="reject", process=2),
    )
    fewest = shortened(2, steps)
    assert fewest == steps[1:2]
    told = story(2, fewest)
    assert "lose request" in told
    assert "R8" in told


def test_each_seed_has_its_own_history() -> None:
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_fleet_without_misfortune_renews_in_peace() -> None:
    fleet: Fleet = live(0, ())
    assert fleet.judge.broken == []
    assert fleet.fake.second_spends == []
    assert fleet.judge.counts["renewed"] >= 5
