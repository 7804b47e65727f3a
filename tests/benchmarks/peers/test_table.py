"""The published tables and plots say what the results say."""

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
    assert table.FILE.read_text(encoding="utf-8") == table.rendered(Results.read()), "run `make compare ARGS=--draw`"


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: str(plot.name))
@pytest.mark.parametrize("shade", INK)
def test_the_published_plots_bear_the_published_figures(plot: Plot, shade: str) -> None:
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", plot.file(shade).read_text(encoding="utf-8"))
    published = Results.read()
    column = next(each for each in scenario.load(plot.scenario).COLUMNS if each.key == plot.key)
    bars = {name: each for name, each in published.scenarios[plot.scenario].items() if each.lacks is None}
    wanted = [table.shown(column, each) for each in bars.values()]
    assert [text for text in texts if text in wanted] == wanted, "run `make compare ARGS=--draw`"
    assert set(texts) >= {published.titles[name] for name in bars} | {plot.title}


def test_everything_was_put_to_everybody_in_one_run() -> None:
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


def test_a_figure_that_is_ahead_of_ours_is_bold_and_no_other() -> None:
    lines = table.section(results(ours=outcome(300, 0, again=1), fast=outcome(100, 1, again=2)), "cancelled")
    assert "| Ours | 300 | no | yes | 1 |" in lines
    assert "| Fast | **100** | **yes** | yes | 2 |" in lines


def test_a_peer_within_a_twentieth_is_not_ahead() -> None:
    lines = table.section(results(ours=outcome(300, 1), fast=outcome(290, 1)), "cancelled")
    assert "| Fast | 290 | yes | yes | 0 |" in lines


def test_a_peer_that_is_better_by_noise_alone_is_not_ahead() -> None:
    lines = table.section(results(ours=outcome(100, 1), fast=outcome(60, 1), faster=outcome(40, 1)), "cancelled")
    assert "| Fast | 60 | yes | yes | 0 |" in lines
    assert "| Faster | **40** | yes | yes | 0 |" in lines


def test_who_has_no_such_thing_is_shown_with_the_reason() -> None:
    lines = table.section(results(ours=outcome(300, 1), bare=Outcome("nothing renews")), "cancelled")
    assert "| Bare | n/a: nothing renews |  |  |  |" in lines


@pytest.mark.parametrize(
    "values,text",
    [([1.0, 1.0], "yes"), ([0.0, 0.0], "no"), ([1.0, 0.0], "1 of 2 times"), ([0.0, 1.0, 1.0], "2 of 3 times")],
)
def test_what_was_not_always_so_is_not_called_so(values: list[float], text: str) -> None:
    assert table.shown(Column("served", "served", truth=True), Outcome(rounds={"served": values})) == text


@pytest.mark.parametrize(
    "value,digits,text", [(1234.6, 0, "1\N{NARROW NO-BREAK SPACE}235"), (-0.01, 1, "0.0"), (1.0123, 3, "1.012")]
)
def test_a_figure_is_rounded_to_what_it_tells(value: float, digits: int, text: str) -> None:
    assert table.shown(Column("ms", "ms", digits=digits), Outcome(rounds={"ms": [value]})) == text
