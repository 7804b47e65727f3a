"""The table of the model's cases, its switches and the page about it agree; this needs no spin."""

import re

from tests.model.run import MODEL, PAGE, cases, figures
from tests.simulation.bugs import bugs

TEXT = "".join(file.read_text(encoding="utf-8") for file in sorted(MODEL.glob("*.pml")))


def test_the_cases_try_exactly_the_bugs_that_the_model_has() -> None:
    tried = {case.switches[-1] for case in cases() if case.breaks is not None}
    assert tried == set(re.findall(r"\bBUG_[A-Z][A-Z_]+", TEXT))


def test_each_bug_breaks_a_promise_that_the_model_checks() -> None:
    judged = set(re.findall(r"assert\((\w+)\)", TEXT))
    assert {case.breaks for case in cases() if case.breaks is not None} <= judged


def test_the_page_has_a_figure_for_each_case_and_a_row_for_each_bug() -> None:
    said = figures(PAGE.read_text(encoding="utf-8"))
    for case in cases():
        figure = said[case.name]
        assert figure.replace(",", "").isdigit() if case.breaks is None else case.breaks.startswith(f"{figure}_")
    assert {bug.name for bug in bugs()} <= said.keys()
