"""What the demo takes for wrong."""

from dataclasses import replace

import pytest

from bitbucket_auth_async.cli.demo.figures import Figures

GOOD = Figures(made=1100, failed=0, token_requests=5, met_outage=1, spent_twice=0, repairs=1, lost=0)


def test_good_figures_are_no_problem() -> None:
    assert GOOD.problems() == []


@pytest.mark.parametrize(
    "figures, problem",
    [
        (replace(GOOD, made=0), "no request"),
        (replace(GOOD, failed=1), "failed"),
        (replace(GOOD, met_outage=0), "outage"),
        (replace(GOOD, spent_twice=1), "spent twice"),
        (replace(GOOD, repairs=0), "0 times"),
        (replace(GOOD, repairs=2), "2 times"),
        (replace(GOOD, lost=1), "lost"),
    ],
)
def test_any_bad_figure_is_a_problem(figures: Figures, problem: str) -> None:
    (found,) = figures.problems()
    assert problem in found


def test_of_a_run_that_was_cut_short_only_the_reason_is_told() -> None:
    assert replace(GOOD, broken=("process A ended",), repairs=0).problems() == ["process A ended"]


def test_people_read_the_figures_under_plain_names() -> None:
    table = replace(GOOD, failed=2, lost=3).table()
    assert table["requests made"] == "1,100"
    assert table["requests failed"] == "2"
    assert table["sign-ins lost"] == "3"
