"""The members of a front in the dashboard, drawn with plotly: parallel coordinates, and a matrix of pairs.

Plotly fades what lies outside ranges that one draws along the axes of the first, or outside a box in the second, by
itself, each plot on its own. It draws both with WebGL.
"""

from __future__ import annotations

import functools
import html
import math
import textwrap
from typing import Any

from mnas_moo.objectives.extras import require
from mnas_moo.reports.members import Members, Objective
from mnas_moo.reports.panels import COLORS, FRONT_COLOR, GREY
from mnas_moo.reports.plots_plotly import dressed, titled
from mnas_moo.spaces.printable import short

SYMBOLS = {"diamond": "diamond", "cross": "x-thin", "square": "square", "triangle": "triangle-up"}

LEGEND = {"font": {"size": 10}}

_escaped = functools.partial(html.escape, quote=False)


def parallel_figure(members: Members) -> Any:
    """A line a member and an axis an objective, whose upper end is the better one.

    Returns:
        A ``plotly.graph_objects.Figure`` with a transparent background, for light and dark pages.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    go = require("plotly.graph_objects", extra="plot")
    groups = _groups(members)
    order = [i for kept, _, _ in groups for i in kept]
    lines = go.Parcoords(
        dimensions=[_dimension(each, order) for each in members.objectives],
        line={
            "color": [k + 0.5 for k, (kept, _, _) in enumerate(groups) for _ in kept],
            "colorscale": [[end / len(groups), color] for k, (_, color, _) in enumerate(groups) for end in (k, k + 1)],
            "cmin": 0,
            "cmax": len(groups),
        },
        unselected={"line": {"color": GREY, "opacity": 0.12}},
        labelangle=-20,
        labelfont={"size": 10, "color": GREY},
        tickfont={"size": 10, "color": GREY},
        rangefont={"size": 1, "color": "rgba(0,0,0,0)"},  # the ticks have the ends
    )
    figure = go.Figure(lines)
    for _, color, label in groups:  # plotly has no legend of its own for these lines
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line={"color": color, "width": 3}, name=label))
    dressed(figure, _title(members, "a line each", "Up is better on every axis."), members.says)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_layout(margin={"l": 60, "r": 60, "t": figure.layout.margin.t + 20}, legend=LEGEND)
    return figure


def matrix_figure(members: Members) -> Any:
    """A plot for each pair of objectives, as the lower triangle of a matrix, with the first objective lowest.

    Returns:
        A ``plotly.graph_objects.Figure`` with a transparent background, for light and dark pages.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    go = require("plotly.graph_objects", extra="plot")
    objectives = members.objectives[::-1]
    figure = go.Figure()
    shapes = ["circle", *(SYMBOLS[pick.shape] for pick in members.picks)]
    for (kept, color, label), shape in zip(_groups(members), shapes[-len(_groups(members)) :], strict=True):
        marks = go.Splom(
            dimensions=[{"values": [each.values[i] for i in kept]} for each in objectives],
            marker={"color": color, "symbol": shape, "size": 6 if shape == "circle" else 9}
            | {"line": {"width": 2 if shape == "x-thin" else 0, "color": color}},
            name=label,
            text=["<br>".join(map(_escaped, [members.names[i], *members.notes[i].split("\n")])) for i in kept],
            hovertemplate="%{text}<extra></extra>",
            diagonal={"visible": False},
            showupperhalf=False,
            unselected={"marker": {"opacity": 0.12}},
        )
        figure.add_trace(marks)
    dressed(figure, _title(members, "pair by pair"), members.relations)
    side = len(objectives) - 1
    for k, each in enumerate(objectives):
        axis = {"tickformat": ".0%" if each.percent else None, "tickfont": {"size": 9}, "nticks": 4, "tickangle": 0}
        axis |= {"showgrid": False}  # WebGL draws the faint lines of a dark page as bright ones
        axis |= {"type": "log", "dtick": 1} if each.logarithmic else {}
        number = k + 1 if k else ""
        if k < side:
            arrow = "→" if each.more else "←"
            title = {"text": _lines(f"{each.label} {arrow}", 14), "font": {"size": 9}}
            place = [(k + 0.04) / side, (k + 0.94) / side]
            figure.update_layout({f"xaxis{number}": axis | {"domain": place, "title": title}})
        if k:
            top = 1 - (k - 1) / side
            figure.update_layout(
                {f"yaxis{number}": axis | {"domain": [top - 0.72 / side, top - 0.06 / side], "title": {}}}
            )
            arrow = "↑" if each.more else "↓"
            # above the last plot of its row, where there is none
            figure.add_annotation(
                {"text": _escaped(f"{short(each.label)} {arrow}"), "showarrow": False, "font": {"size": 9}},
                xref="paper",
                yref="paper",
                x=k / side if k == side else (k - 0.96) / side,
                y=top - 0.05 / side,
                xanchor="right" if k == side else "left",
                yanchor="bottom",
            )
    figure.update_layout(dragmode="select", legend=LEGEND, margin={"t": figure.layout.margin.t + 4, "r": 30})
    return figure


def _groups(members: Members) -> list[tuple[list[int], str, str]]:
    """Members that look alike, in the order in which they are drawn, with their colour and a short label."""
    rest = [(members.others, FRONT_COLOR, _escaped(members.rest))] if members.others else []
    return [
        *rest,
        *(([pick.member], COLORS[pick.color], _escaped(f"{pick.words} ({pick.trial})")) for pick in members.picks),
    ]


def _title(members: Members, how: str, *hints: str) -> str:
    logarithmic = [each.label.partition(" (")[0] for each in members.objectives if each.logarithmic]
    notes = [*hints, *([f"Logarithmic: {', '.join(logarithmic)}."] if logarithmic else [])]
    return titled(f"{len(members.names):,} {members.what} of the front, {how}", notes)


def _lines(text: str, width: int) -> str:
    return "<br>".join(map(_escaped, textwrap.wrap(text, width)))


def _dimension(objective: Objective, order: list[int]) -> dict[str, Any]:
    """One axis; plotly's are linear, so that logarithms are what a logarithmic one shows."""
    scaled = math.log10 if objective.logarithmic else float
    low, high = map(scaled, objective.ends)
    room = 0.0 if high > low else 0.5
    ends = [low - room, high + room]
    ticks = objective.ticks(5)
    return {
        "label": _escaped(objective.label),
        "values": [scaled(objective.values[i]) for i in order],
        "range": ends if objective.more else ends[::-1],
        "tickvals": [scaled(value) for value, _ in ticks],
        "ticktext": [_escaped(text) for _, text in ticks],
    }
