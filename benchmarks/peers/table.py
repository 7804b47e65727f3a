"""The tables of docs/comparison, made from the results and from nothing else."""

from benchmarks.peers import scenario
from benchmarks.peers.results import FOLDER, Outcome, Results
from benchmarks.peers.scenario import Column, Scenario

FILE = FOLDER / "tables.md"
OURS = "ours"
_NOISE = 0.05
"""The share by which a figure must be better before it is called so."""

GLANCE = (
    ("fresh", "ns", "a good token, ns"),
    ("at_expiry", "requests", "token requests of 200 callers at expiry"),
    ("processes", "go_on_strict", "of 8 processes at expiry go on (strict)"),
    ("ahead", "max", "longest wait at a slow renewal, ms"),
    ("outage", "errors_percent", "errors in an outage, %"),
    ("cancelled", "served_strict", "a cancelled caller costs no sign-in (strict)"),
    ("request", "added", "added to a request, µs"),
)
"""The figures of the first table: scenario, column, header."""


def rendered(results: Results) -> str:
    """Return all tables as MyST markdown."""
    parts = [
        "<!-- Made by `make compare` from results.json; don't edit. -->",
        "",
        *_glance(results),
        *_releases(results),
    ]
    for name in scenario.NAMES:
        if name in results.scenarios:
            parts += section(results, name)
    return "\n".join(parts) + "\n"


def section(results: Results, name: str) -> list[str]:
    """Return one scenario: its title, what is done, its table, and who is ahead of us."""
    asked, outcomes = scenario.load(name), results.scenarios[name]
    lines = [f"## {asked.TITLE}", "", asked.WHAT, ""]
    lines += _head(["", *(column.header for column in asked.COLUMNS)])
    lines += [_row(results.titles[peer], _cells(asked, outcome)) for peer, outcome in outcomes.items()]
    ahead = [each for peer in outcomes if peer != OURS for each in _ahead(results, name, peer, asked)]
    said = "; ".join(ahead) if ahead else "nobody"
    return [*lines, "", f"Ahead of this library here: {said}.", ""]


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
            cells.append("n/a" if outcome.lacks is not None else shown(column, outcome))
        lines.append(_row(title, cells))
    return [*lines, ""]


def _releases(results: Results) -> list[str]:
    measured = "; ".join(results.versions.values())
    where = f"Measured on {results.date} with Python {results.python} on {results.machine}: {measured}."
    return [where, "Figures are medians over the rounds; all rounds are in {download}`results.json`.", ""]


def _head(headers: list[str]) -> list[str]:
    return ["| " + " | ".join(headers) + " |", "| --- |" + " ---: |" * (len(headers) - 1)]


def _row(title: str, cells: list[str]) -> str:
    return "| " + " | ".join([title, *cells]) + " |"


def _cells(asked: Scenario, outcome: Outcome) -> list[str]:
    if outcome.lacks is not None:
        return [f"n/a: {outcome.lacks}", *[""] * (len(asked.COLUMNS) - 1)]
    return [shown(column, outcome) for column in asked.COLUMNS]


def _ahead(results: Results, name: str, peer: str, asked: Scenario) -> list[str]:
    """Say in which columns a library is better than ours by more than noise."""
    theirs, ours = results.scenarios[name][peer], results.scenarios[name][OURS]
    if theirs.lacks is not None:
        return []
    better = [
        f"{column.header} {shown(column, theirs)} against {shown(column, ours)}"
        for column in asked.COLUMNS
        if _is_better(column, theirs.middle(column.key), ours.middle(column.key))
        and shown(column, theirs) != shown(column, ours)
    ]
    return [f"{results.titles[peer]} ({', '.join(better)})"] if better else []


def _is_better(column: Column, theirs: float, ours: float) -> bool:
    if column.better is None:
        return False
    gain = ours - theirs if column.better == "low" else theirs - ours
    return gain > _NOISE * abs(ours)
