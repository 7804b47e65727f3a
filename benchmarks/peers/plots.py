"""Draws the plots of docs/comparison from the results, for light and dark pages."""

# Only the environment of `make compare` has matplotlib.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.peers import scenario
from benchmarks.peers.claims import OURS
from benchmarks.peers.figures import INK, PLOTS, Plot
from benchmarks.peers.results import Results
from benchmarks.peers.table import shown

_OURS = {"light": "#0969da", "dark": "#58a6ff"}
_THEIRS = {"light": "#8c959f", "dark": "#6e7681"}


def draw(results: Results) -> None:
    """Write each plot twice."""
    for plot in PLOTS:
        if plot.scenario in results.scenarios:
            for shade in INK:
                _draw(results, plot, shade)


def _draw(results: Results, plot: Plot, shade: str) -> None:
    column = next(each for each in scenario.load(plot.scenario).COLUMNS if each.key == plot.key)
    outcomes = {peer: outcome for peer, outcome in results.scenarios[plot.scenario].items() if outcome.lacks is None}
    ink = INK[shade]
    settings = {
        "svg.fonttype": "none",  # text stays text: readable by programs, and a tenth of the size
        "svg.hashsalt": "comparison",  # the same figures give the same file
        "font.family": "sans-serif",
        "text.color": ink,
        "axes.labelcolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
    }
    with mpl.rc_context(settings):
        figure, axes = plt.subplots(figsize=(7.2, 0.4 * len(outcomes) + 0.9))
        names = list(outcomes)
        values = [max(outcomes[name].middle(plot.key), 0.0) for name in names]
        colours = [(_OURS if name == OURS else _THEIRS)[shade] for name in names]
        bars = axes.barh([results.titles[name] for name in names], values, color=colours, height=0.62)
        axes.bar_label(bars, [shown(column, outcomes[name]) for name in names], padding=4, color=ink)
        axes.invert_yaxis()
        axes.set_title(plot.title, loc="left", fontsize=11)
        if plot.log:
            axes.set_xscale("log")
        axes.set_xlim(right=max(values) * (3.0 if plot.log else 1.15))
        axes.xaxis.set_visible(False)  # the bars are labelled
        axes.spines[:].set_visible(False)
        axes.tick_params(left=False)
        figure.savefig(plot.file(shade), transparent=True, bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)
