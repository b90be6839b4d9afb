"""Pictures of a study for print, drawn with matplotlib: its Pareto front, and how its search is learning.

Matplotlib reads what stands between two $ as mathematics: names of a study's are shown as they are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.reports.learning import Chart
from mnas_moo.reports.panels import (
    COLORS,
    DASHES,
    FRONT_COLOR,
    MARK,
    Panel,
    groups_of,
    marks_of,
    notes_of,
    outside,
    panels_of,
    title_of,
)
from mnas_moo.reports.past import PERCENT, History


def print_front(past: History, path: Path) -> None:
    """Draws a front into a file, without matplotlib's global state.

    Args:
        past: the study, with at least one finished trial.
        path: file to write; its ending (.png, .svg, .pdf) decides the format.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = require("matplotlib.figure", extra="plot")
    ticker = require("matplotlib.ticker", extra="plot")
    panels = panels_of(past)
    side = panels[-1].row + 1
    size = (7.2, 4.5) if side == 1 else (3.6 * side, 3.0 * side)
    figure = figures.Figure(figsize=size, layout="constrained")
    for panel in panels:
        axes = figure.add_subplot(side, side, panel.row * side + panel.column + 1)
        axes.grid(color="#e3e6e8", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if len(panel.line):
            style = "steps-post" if panel.turns == "hv" else "steps-pre"
            axes.plot(*panel.line.T, color=FRONT_COLOR, linewidth=1.3, drawstyle=style)
        for group in groups_of(past):
            look = {"color": group.color, "alpha": group.opacity, "marker": group.marker, "s": 4.0 * group.size}
            edge = {} if group.marker == "x" else {"linewidths": 0}
            axes.scatter(panel.x[group.mask], panel.y[group.mask], label=group.label, zorder=3, **look, **edge)
            bars = {
                f"{axis}err": errors[:, group.mask]
                for axis, errors in (("x", panel.x_errors), ("y", panel.y_errors))
                if errors is not None
            }
            if bars:
                opacity = group.opacity if group.size > 7 else 0.2
                colors = {"ecolor": group.color, "elinewidth": 1.1, "alpha": opacity}
                axes.errorbar(panel.x[group.mask], panel.y[group.mask], fmt="none", zorder=2, **bars, **colors)
        for i, words in marks_of(past):
            axes.scatter(panel.x[i], panel.y[i], s=130, facecolors="none", edgecolors=MARK, linewidths=1.6, zorder=4)
            if side == 1:
                mark = {"xytext": (8, 6), "textcoords": "offset points", "fontsize": 9, "color": MARK}
                axes.annotate(words, (panel.x[i], panel.y[i]), **mark, parse_math=False)
        axes.set_xlim(panel.x_view)
        axes.set_ylim(panel.y_view)
        for i in _tagged(past, panel) if side == 1 else []:
            offset = {"xytext": (5, -11), "textcoords": "offset points", "fontsize": 8, "color": "#555555"}
            axes.annotate(f"#{past.numbers[i]}", (panel.x[i], panel.y[i]), **offset)
        if panel.row == panel.column:
            axes.set_xlabel(panel.x_label, parse_math=False)
            axes.set_ylabel(panel.y_label, parse_math=False)
        for line, label in ((axes.xaxis, panel.x_label), (axes.yaxis, panel.y_label)):
            if label in PERCENT:
                line.set_major_formatter(ticker.PercentFormatter(1.0))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    notes = notes_of(past)
    place = "outside lower right" if notes else "outside lower center"
    figure.legend(handles, labels, loc=place, ncols=len(labels), frameon=False)
    hidden = outside(panels)
    title = title_of(past) + (f" ({hidden})" if hidden else "")
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, parse_math=False)
    if notes:
        text = "\n".join(line for note in notes for line in textwrap.wrap(note, 62))
        figure.supxlabel(text, x=0.02, ha="left", fontsize=7.5, color="#555555", parse_math=False)
    figure.savefig(path, dpi=150)


def print_learning(charts: Sequence[Chart], path: Path) -> None:
    """Draws the charts of a search into a file, two in a row, without matplotlib's global state.

    Args:
        charts: at least one chart.
        path: file to write; its ending (.png, .svg, .pdf) decides the format.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = require("matplotlib.figure", extra="plot")
    ticker = require("matplotlib.ticker", extra="plot")
    rows = -(-len(charts) // 2)
    figure = figures.Figure(figsize=(9.0, 0.6 + 2.2 * rows), layout="constrained")
    styles = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
    for i, chart in enumerate(charts):
        axes = figure.add_subplot(rows, 2, i + 1)
        axes.set_title(chart.title, fontsize=9, loc="left")
        axes.grid(color="#e3e6e8", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        for n, line in enumerate(chart.lines):
            look = {"color": COLORS[n % len(COLORS)], "linestyle": styles[DASHES[n % len(DASHES)]], "linewidth": 1.3}
            marker = "o" if len(line.trials) < 2 else ""
            axes.plot(line.trials, line.values, label=line.label, marker=marker, **look)
        if len(chart.lines) > 1:
            for text in axes.legend(fontsize=7, frameon=False).get_texts():
                text.set_parse_math(False)
        if chart.percent:
            axes.yaxis.set_major_formatter(ticker.PercentFormatter(1.0))
            axes.set_ylim(-0.03, 1.03)
        if i >= len(charts) - 2:
            axes.set_xlabel("trial", fontsize=8)
    figure.suptitle("How the search is learning", x=0.02, ha="left", fontsize=11)
    figure.savefig(path, dpi=150)


def _tagged(past: History, panel: Panel) -> list[int]:
    """Indices of the front's trials whose number is written at their mark, from the left; only as many as fit."""
    room, tagged = 0.06 * (panel.x_view[1] - panel.x_view[0]), list[int]()
    for i in sorted(np.flatnonzero(past.front), key=lambda i: panel.x[i]):
        if not tagged or panel.x[i] - panel.x[tagged[-1]] >= room:
            tagged.append(int(i))
    return tagged
