"""Which results of the demo are wrong."""

from dataclasses import replace

import pytest

from bitbucket_auth_async.cli.demo.results import Results

EXPECTED = Results(
    requests=1100, failed=0, token_requests=5, token_requests_in_outage=1, spent_twice=0, repairs=1, lost_sign_ins=0
)


def test_expected_results_are_no_problem() -> None:
    assert EXPECTED.problems() == []


@pytest.mark.parametrize(
    "figures, problem",
    [
        (replace(EXPECTED, requests=0), "no request"),
        (replace(EXPECTED, failed=1), "failed"),
        (replace(EXPECTED, token_requests_in_outage=0), "outage"),
        (replace(EXPECTED, spent_twice=1), "sent twice"),
        (replace(EXPECTED, repairs=0), "0 times"),
        (replace(EXPECTED, repairs=2), "2 times"),
        (replace(EXPECTED, lost_sign_ins=1), "lost"),
    ],
)
def test_each_wrong_result_is_a_problem(figures: Results, problem: str) -> None:
    (found,) = figures.problems()
    assert problem in found


def test_a_run_that_ended_early_reports_only_the_reason() -> None:
    assert replace(EXPECTED, aborted_because=("process A ended",), repairs=0).problems() == ["process A ended"]


def test_the_table_has_readable_names() -> None:
    table = replace(EXPECTED, failed=2, lost_sign_ins=3).table()
    assert table["requests"] == "1,100"
    assert table["requests failed"] == "2"
    assert table["sign-ins lost"] == "3"
