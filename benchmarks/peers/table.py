"""Renders the tables of docs/comparison from the results."""

from benchmarks.peers import claims, scenario
from benchmarks.peers.claims import OURS
from benchmarks.peers.results import FOLDER, Outcome, Results
from benchmarks.peers.scenario import Column, Scenario

FILE = FOLDER / "tables.md"
_NOISE = 0.05
"""A figure must be better by this share to count as better."""

GLANCE = (
    ("fresh", "ns", "valid token, ns"),
    ("at_expiry", "requests", "requests for 200 callers"),
    ("processes", "go_on_strict", "processes of 8 that continue"),
    ("ahead", "max", "slow renewal: longest wait, ms"),
    ("outage", "errors_percent", "outage: errors, %"),
    ("cancelled", "served_strict", "survives a cancelled caller"),
    ("request", "added", "added to a request, µs"),
)
"""The figures of the first table: scenario, column, header."""


def render(results: Results) -> str:
    """Return all tables as MyST markdown."""
    parts = [
        "<!-- Made by `make compare` from results.json; don't edit. -->",
        "",
        *_glance(results),
        *_releases(results),
        *claims.section(results),
    ]
    for name in scenario.NAMES:
        if name in results.scenarios:
            parts += section(results, name)
    return "\n".join(parts) + "\n"


def section(results: Results, name: str) -> list[str]:
    """Return one scenario: title, description and table."""
    asked, outcomes = scenario.load(name), results.scenarios[name]
    lines = [f"## {asked.TITLE}", "", asked.WHAT, ""]
    lines += _head(["", *(column.header for column in asked.COLUMNS)])
    lines += [_row(results.titles[peer], _cells(asked, outcome, outcomes[OURS])) for peer, outcome in outcomes.items()]
    return [*lines, ""]


def shown(column: Column, outcome: Outcome) -> str:
    """Return the text of one figure."""
    values = outcome.rounds[column.key]
    if column.truth:
        yes = sum(value > 0 for value in values)
        return "yes" if yes == len(values) else "no" if yes == 0 else f"{yes} of {len(values)} times"
    value = outcome.middle(column.key)
    return f"{round(value, column.digits) + 0.0:,.{column.digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _glance(results: Results) -> list[str]:
    wanted = [each for each in GLANCE if each[0] in results.scenarios]
    lines = ["## At a glance", "", *_head(["", *(header for _, _, header in wanted)])]
    for peer, title in results.titles.items():
        cells: list[str] = []
        for name, key, _ in wanted:
            outcome = results.scenarios[name][peer]
            column = next(each for each in scenario.load(name).COLUMNS if each.key == key)
            cells.append("n/a" if outcome.lacks is not None else _cell(column, outcome, results.scenarios[name][OURS]))
        lines.append(_row(title, cells))
    return [*lines, "", "The sections below explain each column. In this table the server is *strict*.", ""]


def _releases(results: Results) -> list[str]:
    measured = "; ".join(results.versions.values())
    where = f"Measured on {results.date} with Python {results.python} on {results.machine}: {measured}."
    how = "Figures are medians over the rounds; {download}`results.json` has all rounds."
    bold = "**Bold** figures are better than this library's by more than 5 % and by more than the machine's noise."
    return [where, "", f"{how} {bold}", ""]


def _head(headers: list[str]) -> list[str]:
    return ["| " + " | ".join(headers) + " |", "| --- |" + " ---: |" * (len(headers) - 1)]


def _row(title: str, cells: list[str]) -> str:
    return "| " + " | ".join([title, *cells]) + " |"


def _cells(asked: Scenario, outcome: Outcome, ours: Outcome) -> list[str]:
    """Return one library's figures, in bold where they are better than ours."""
    if outcome.lacks is not None:
        return [f"n/a: {outcome.lacks}", *[""] * (len(asked.COLUMNS) - 1)]
    return [_cell(column, outcome, ours) for column in asked.COLUMNS]


def _cell(column: Column, outcome: Outcome, ours: Outcome) -> str:
    text = shown(column, outcome)
    return f"**{text}**" if is_better(column, outcome, ours) else text


def is_better(column: Column, theirs: Outcome, ours: Outcome) -> bool:
    """Return whether a figure is better than ours by more than noise, and visibly so in the table."""
    if column.better is None or theirs.lacks is not None or shown(column, theirs) == shown(column, ours):
        return False
    gain = ours.middle(column.key) - theirs.middle(column.key)
    return (gain if column.better == "low" else -gain) > max(_NOISE * abs(ours.middle(column.key)), column.noise)
