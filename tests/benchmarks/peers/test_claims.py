"""Each claim holds in the published run; after a run in which it does not hold, the claim must be corrected."""

from pathlib import Path

import pytest

from benchmarks.peers import claims, peer, scenario
from benchmarks.peers.claims import CLAIMS, Claim
from benchmarks.peers.results import Outcome, Results

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.scenario))
def test_a_claim_holds_in_each_round_of_the_published_run(claim: Claim) -> None:
    outcome = Results.read().scenarios[claim.scenario][claims.OURS]
    assert {column.key for column in scenario.load(claim.scenario).COLUMNS} >= claim.bounds.keys()
    assert claim.holds(outcome), {key: outcome.rounds[key] for key in claim.bounds}


def test_one_round_out_of_bounds_refutes_a_claim() -> None:
    claim = Claim("It is spent once", "at_expiry", {"requests": (1, 1)})
    assert claim.holds(Outcome(rounds={"requests": [1.0, 1.0]}))
    assert not claim.holds(Outcome(rounds={"requests": [1.0, 2.0]}))
    assert not claim.holds(Outcome("there are no figures"))


def test_a_refuted_claim_is_shown_as_refuted() -> None:
    published = Results.read()
    assert not any("**no**" in line for line in claims.section(published))
    published.scenarios["outage"][claims.OURS].rounds["errors_percent"][0] = 0.1
    refuted = [line for line in claims.section(published) if "**no**" in line]
    assert len(refuted) == 1
    assert refuted[0].endswith("| **no** | [The token endpoint is down](#the-token-endpoint-is-down) |")


@pytest.mark.parametrize("name", [name for name in peer.NAMES if name not in {claims.OURS, "bare"}])
def test_the_readme_names_each_compared_library(name: str) -> None:
    assert Results.read().titles[name] in README
