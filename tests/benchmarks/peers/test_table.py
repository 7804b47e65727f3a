"""The published tables and plots match the published results."""

import re

import pytest

from benchmarks.peers import peer, scenario, table
from benchmarks.peers.figures import INK, PLOTS, Plot
from benchmarks.peers.results import FOLDER, Outcome, Results
from benchmarks.peers.scenario import Column


def results(**outcomes: Outcome) -> Results:
    return Results(
        date="2026-11-24",
        python="3.11",
        machine="a machine",
        titles={name: name.title() for name in outcomes},
        versions={},
        scenarios={"cancelled": outcomes},
    )


def outcome(let_go: float, served_strict: float, *, again: float = 0) -> Outcome:
    figures = {"let_go": let_go, "served_strict": served_strict, "served": 1.0, "again": again}
    made = Outcome()
    made.add(figures, figures)
    return made


def test_the_published_tables_are_made_from_the_published_results() -> None:
    assert table.FILE.read_text(encoding="utf-8") == table.render(Results.read()), "run `make compare ARGS=--draw`"


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: str(plot.name))
@pytest.mark.parametrize("shade", INK)
def test_the_published_plots_show_the_published_figures(plot: Plot, shade: str) -> None:
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", plot.file(shade).read_text(encoding="utf-8"))
    published = Results.read()
    column = next(each for each in scenario.load(plot.scenario).COLUMNS if each.key == plot.key)
    bars = {name: each for name, each in published.scenarios[plot.scenario].items() if each.lacks is None}
    wanted = [table.shown(column, each) for each in bars.values()]
    assert [text for text in texts if text in wanted] == wanted, "run `make compare ARGS=--draw`"
    assert set(texts) >= {published.titles[name] for name in bars} | {plot.title}


def test_one_run_measured_each_scenario_with_each_library() -> None:
    published = Results.read()
    assert tuple(published.scenarios) == scenario.NAMES
    for name, outcomes in published.scenarios.items():
        asked = scenario.load(name)
        assert tuple(outcomes) == peer.NAMES
        for each in outcomes.values():
            if each.lacks is None:
                assert {key: len(values) for key, values in each.rounds.items()} == {
                    column.key: asked.ROUNDS for column in asked.COLUMNS
                }
    assert all(each.lacks is None for outcomes in published.scenarios.values() for each in [outcomes["ours"]])


def test_the_page_shows_each_plot_for_light_and_dark() -> None:
    page = (FOLDER / "index.md").read_text(encoding="utf-8")
    for plot in PLOTS:
        for shade in INK:
            assert f"{plot.file(shade).name}\n:class: only-{shade}\n" in page


def test_only_a_figure_better_than_ours_is_bold() -> None:
    lines = table.section(results(ours=outcome(300, 0, again=1), fast=outcome(100, 1, again=2)), "cancelled")
    assert "| Ours | 300 | no | yes | 1 |" in lines
    assert "| Fast | **100** | **yes** | yes | 2 |" in lines


def test_a_figure_within_five_percent_of_ours_is_not_better() -> None:
    lines = table.section(results(ours=outcome(300, 1), fast=outcome(290, 1)), "cancelled")
    assert "| Fast | 290 | yes | yes | 0 |" in lines


def test_a_figure_within_the_noise_is_not_better() -> None:
    lines = table.section(results(ours=outcome(100, 1), fast=outcome(60, 1), faster=outcome(40, 1)), "cancelled")
    assert "| Fast | 60 | yes | yes | 0 |" in lines
    assert "| Faster | **40** | yes | yes | 0 |" in lines


def test_a_library_without_figures_is_shown_with_the_reason() -> None:
    lines = table.section(results(ours=outcome(300, 1), bare=Outcome("no renewal")), "cancelled")
    assert "| Bare | n/a: no renewal |  |  |  |" in lines


@pytest.mark.parametrize(
    "values,text",
    [([1.0, 1.0], "yes"), ([0.0, 0.0], "no"), ([1.0, 0.0], "1 of 2 times"), ([0.0, 1.0, 1.0], "2 of 3 times")],
)
def test_a_yes_or_no_figure_that_varies_between_rounds_says_how_often(values: list[float], text: str) -> None:
    assert table.shown(Column("served", "served", truth=True), Outcome(rounds={"served": values})) == text


@pytest.mark.parametrize(
    "value,digits,text", [(1234.6, 0, "1\N{NARROW NO-BREAK SPACE}235"), (-0.01, 1, "0.0"), (1.0123, 3, "1.012")]
)
def test_a_figure_is_rounded_to_its_digits(value: float, digits: int, text: str) -> None:
    assert table.shown(Column("ms", "ms", digits=digits), Outcome(rounds={"ms": [value]})) == text
