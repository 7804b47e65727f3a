"""The promises hold in seeded histories; a seed gives the same history each time; a broken history is cut down."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bitbucket_auth_async.renewal import settle
from bitbucket_auth_async.telemetry.events import ROUTINE
from tests.simulation.__main__ import options, verdicts
from tests.simulation.history import Rules, Step, draw_rules, draw_steps
from tests.simulation.trial import Verdict, run_history, shorten, shortest_story, story

if TYPE_CHECKING:
    from collections.abc import Callable

    from bitbucket_auth_async.renewal.record import Record

SEEDS = 200
CALM = Rules(
    strict=False,
    app=False,
    rotates=True,
    last_pair_wins=False,
    revokes_access=False,
    lifetime=900.0,
    one_host=False,
    keep_fresh=False,
)


def test_r1_to_r9_hold_in_two_hundred_histories() -> None:
    verdict = Verdict()
    for part in verdicts(options(["--seeds", str(SEEDS)])):
        verdict.add(part)
    assert not verdict.broken, shortest_story(min(verdict.broken))
    assert verdict.seeds == SEEDS
    for what in (
        "spend: current, repeated",
        "renewed: late, becomes a spare",
        "refused: current",
        "second spend",
        "closed",
    ):
        assert verdict.counts[what] > 0, f"never happened: {what}"


def test_a_seed_gives_the_same_story_in_each_process() -> None:
    program = (
        "from tests.simulation.trial import story\n"
        "from tests.simulation.history import draw_rules, draw_steps\n"
        "for seed in range(12):\n"
        "    rules = draw_rules(seed)\n"
        "    print(story(seed, rules, draw_steps(seed, app=rules.app)))"
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
    assert len(stories.pop()) > 10_000


def test_a_failing_history_is_cut_down_to_the_steps_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Record | None] = settle.settle

    def losing(record: "Record | None", **options: object) -> "Record | None":
        """Treat a lost answer as a refusal."""
        if isinstance(options["outcome"], settle.Outage):
            options["outcome"] = settle.Refused()
        return real(record, **options)

    monkeypatch.setattr("bitbucket_auth_async.manager.renewer.settle", losing)
    steps = (
        Step(at=100.0, name="cancel_callers", process=1),
        Step(at=300.0, name="lose_request", seconds=900.0),
        Step(at=1300.0, name="reject", process=2),
    )
    fewest = shorten(2, CALM, steps)
    assert fewest == steps[1:2]
    story_of_it = story(2, CALM, fewest)
    assert "lose request" in story_of_it
    assert "BROKEN: R8" in story_of_it.splitlines()[-1]


def test_two_seeds_give_different_histories() -> None:
    assert draw_steps(1) == draw_steps(1)
    assert draw_steps(1) != draw_steps(2)


@pytest.mark.parametrize("seed", range(4))
def test_r1_a_fleet_without_faults_spends_each_refresh_token_once(seed: int) -> None:
    fleet = run_history(seed, draw_rules(seed), ())
    assert fleet.journal.broken == []
    assert fleet.world.fake.second_spends == []
    assert fleet.journal.counts["event: renewed"] >= 3
    routine = {f"event: {kind.value}" for kind in ROUTINE}
    assert set(fleet.journal.counts) <= {"caller: token", "event: renewed", "event: adopted"} | routine


def test_a_sign_in_lost_to_a_request_that_arrives_after_its_timeout_is_explained() -> None:
    rules = replace(CALM, strict=True, lifetime=600.0)
    fleet = run_history(0, rules, (Step(250.0, "slow_request", seconds=42.0),))
    assert fleet.journal.broken == []
    assert fleet.journal.counts["sign-in lost"] == 1
    assert fleet.journal.counts["sign-in lost to a request that arrived after its timeout"] == 1
