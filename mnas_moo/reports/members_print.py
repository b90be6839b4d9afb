"""The members of a front for print, drawn with matplotlib: parallel coordinates, and a matrix of pairs."""

from __future__ import annotations

import textwrap
from typing import Any

from mnas_moo.objectives.extras import require
from mnas_moo.reports.members import Members, Objective, Pick
from mnas_moo.reports.panels import COLORS, FRONT_COLOR

STYLES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
MARKERS = {"diamond": "D", "circle": "o", "cross": "x", "square": "s", "triangle": "^"}
HALO = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}


def print_parallel(members: Members) -> Any:
    """A matplotlib figure with a line a member, and an axis an objective, of which the upper end is the better one.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    count = len(members.objectives)
    drawn = require("matplotlib.figure", extra="plot").Figure(
        figsize=(max(7.2, 1.5 * count), 4.6), layout="constrained"
    )
    axes = drawn.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(-0.04, 1.04)
    for m, each in enumerate(members.objectives):
        axes.plot([m, m], [0, 1], color="#808890", linewidth=1.0, zorder=2)
        text = f"{_wrapped(each.label)}\n↑ {each.better}"
        axes.text(m, 1.06, text, ha="center", va="bottom", fontsize=8, parse_math=False)
        for value, words in each.ticks(6):
            good = each.goodness(value)
            axes.plot([m - 0.02, m + 0.02], [good, good], color="#808890", linewidth=0.8, zorder=2)
            axes.text(m + 0.04, good, words, va="center", fontsize=7, color="#333333", zorder=5, bbox=HALO)
    label = members.rest
    for i in members.others:
        axes.plot(*_line(members, i), color=FRONT_COLOR, linewidth=1.0, alpha=0.55, zorder=3, label=label)
        label = "_"
    for pick in members.picks:
        look = {"color": COLORS[pick.color], "linestyle": STYLES[pick.dash], "marker": MARKERS[pick.shape]}
        axes.plot(*_line(members, pick.member), **look, linewidth=2.0, markersize=5, zorder=4, label=pick.label)
    return drawn


def print_matrix(members: Members) -> Any:
    """A matplotlib figure with a plot for each pair of objectives, as the upper triangle of a matrix.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    side = len(members.objectives) - 1
    drawn = require("matplotlib.figure", extra="plot").Figure(
        figsize=(max(7.2, 2.1 * side), 1.8 * side + 1.2), layout="constrained"
    )
    ticker = require("matplotlib.ticker", extra="plot")
    for row in range(side):
        for column in range(row, side):
            upwards, across = members.objectives[row], members.objectives[column + 1]
            axes = drawn.add_subplot(side, side, row * side + column + 1)
            axes.grid(color="#e3e6e8", linewidth=0.7)
            axes.set_axisbelow(True)
            x, y = across.values, upwards.values
            rest = members.others
            look = {"s": 14, "color": FRONT_COLOR, "alpha": 0.6, "linewidths": 0, "label": members.rest}
            axes.scatter([x[i] for i in rest], [y[i] for i in rest], **look)
            for pick in members.picks:
                _mark(axes, pick, x[pick.member], y[pick.member])
            for axis, each in (("x", across), ("y", upwards)):
                _scale(axes, axis, each, shown=row == column, ticker=ticker)
    return drawn


def _scale(axes: Any, axis: str, objective: Objective, *, shown: bool, ticker: Any) -> None:
    """Scale and ticks of one axis, and with ``shown`` their texts and what the axis is."""
    line = getattr(axes, f"{axis}axis")
    if objective.logarithmic:
        getattr(axes, f"set_{axis}scale")("log")
    values = [value for value, _ in objective.ticks(3)]
    line.set_major_locator(ticker.FixedLocator(values))
    line.set_minor_locator(ticker.NullLocator())
    texts = [text for _, text in objective.ticks(3)] if shown else []
    line.set_major_formatter(ticker.FixedFormatter(texts))
    axes.tick_params(labelsize=6)
    if shown:
        arrow = {"x": "→←", "y": "↑↓"}[axis][not objective.more]
        text = _wrapped(f"{objective.label} {arrow} better", 24)
        getattr(axes, f"set_{axis}label")(text, fontsize=7, parse_math=False)


def _mark(axes: Any, pick: Pick, x: float, y: float) -> None:
    edge = {} if pick.shape == "cross" else {"linewidths": 0}
    look = {"color": COLORS[pick.color], "marker": MARKERS[pick.shape], "zorder": 4, "label": pick.label}
    axes.scatter([x], [y], s=36, **look, **edge)


def _line(members: Members, member: int) -> tuple[range, list[float]]:
    return range(len(members.objectives)), [each.goodness(each.values[member]) for each in members.objectives]


def _wrapped(text: str, width: int = 18) -> str:
    return "\n".join(textwrap.wrap(text, width))
