"""Interactive figures of a study, drawn with plotly: its front, the hypervolume over its trials, how it learns.

Plotly reads some HTML in texts, also links: names of a study's are escaped.
"""

from __future__ import annotations

import functools
import html
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.front import Floats
from mnas_moo.reports.learning import Chart
from mnas_moo.reports.panels import (
    COLORS,
    DASHES,
    FRONT_COLOR,
    GREY,
    MARK,
    Group,
    described,
    groups_of,
    marks_of,
    notes_of,
    outside,
    panels_of,
    title_of,
)
from mnas_moo.reports.past import PERCENT, History
from mnas_moo.spaces.printable import printable

_escaped = functools.partial(html.escape, quote=False)

_MOST_TOLD = 20
_TITLE_LINE = 19  # pixels
_LINE = 50  # characters
_NAMED_NETWORKS = 300  # with more trials only the front's networks are in the hover text, to keep the figure small


def front_figure(past: History) -> Any:
    """All finished trials and their Pareto front; with one objective, the best value so far.

    >>> from mnas_moo.reports.past import History
    >>> values, feasible = np.array([[0.75, 10.0], [0.5, 50.0]]), np.array([True, True])
    >>> past = History(("accuracy", "latency_ms"), ("maximize", "minimize"), (0, 1), values, feasible, ("", ""))
    >>> front_figure(past).layout.title.text
    'Pareto front: 1 of 2 finished trials'

    Returns:
        A ``plotly.graph_objects.Figure`` with a transparent background, for light and dark pages.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    go = require("plotly.graph_objects", extra="plot")
    subplots = require("plotly.subplots", extra="plot")
    panels = panels_of(past)
    side = panels[-1].row + 1
    cells: list[list[dict[str, Any] | None]] = [[None] * side for _ in range(side)]
    for panel in panels:
        cells[panel.row][panel.column] = {}
    figure = subplots.make_subplots(
        side, side, specs=cells, horizontal_spacing=0.1 / side, vertical_spacing=0.16 / side
    )
    for panel in panels:
        place = {"row": panel.row + 1, "col": panel.column + 1}
        if len(panel.line):
            line = {"color": FRONT_COLOR, "width": 1.5, "shape": panel.turns}
            steps = {"x": panel.line[:, 0].tolist(), "y": panel.line[:, 1].tolist(), "mode": "lines", "line": line}
            figure.add_trace(go.Scatter(**steps, hoverinfo="skip", showlegend=False), **place)
        for group in groups_of(past):
            bars = {
                f"error_{axis}": {
                    "type": "data",
                    "symmetric": False,
                    "array": _or_none(errors[1, group.mask]),
                    "arrayminus": _or_none(errors[0, group.mask]),
                    "color": group.color if group.size > 7 else _faint(group.color),
                    "thickness": 1.1,
                    "width": 0,
                }
                for axis, errors in (("x", panel.x_errors), ("y", panel.y_errors))
                if errors is not None
            }
            dots = go.Scatter(
                **bars,
                x=panel.x[group.mask].tolist(),
                y=panel.y[group.mask].tolist(),
                mode="markers",
                marker={"color": group.color, "symbol": group.symbol, "size": group.size, "opacity": group.opacity},
                name=group.label,
                legendgroup=group.label,
                showlegend=panel is panels[0],
                text=_hover(past, group),
                hovertemplate="%{text}<extra></extra>",
            )
            figure.add_trace(dots, **place)
        marks = marks_of(past)
        if marks:
            rings = go.Scatter(
                x=[float(panel.x[i]) for i, _ in marks],
                y=[float(panel.y[i]) for i, _ in marks],
                mode="markers+text" if side == 1 else "markers",
                marker={"color": MARK, "symbol": "circle-open", "size": 16, "line": {"width": 2}},
                text=[_escaped(words) for _, words in marks],
                textposition="top right",
                textfont={"color": MARK},
                hovertemplate="%{text}<extra></extra>",
                showlegend=False,
            )
            figure.add_trace(rings, **place)
        outermost = panel.row == panel.column
        x_title, y_title = (panel.x_label, panel.y_label) if outermost else (None, None)
        for update, text, label, view in (
            (figure.update_xaxes, x_title, panel.x_label, panel.x_view),
            (figure.update_yaxes, y_title, panel.y_label, panel.y_view),
        ):
            update(
                title_text=text and _escaped(text),
                tickformat=".3~%" if label in PERCENT else None,
                range=view,
                **place,
            )
    hidden = outside(panels)
    notes = [f"{hidden}; double-click shows them"] if hidden else []
    notes += notes_of(past)
    return dressed(figure, titled(title_of(past), notes), _told(past))


def titled(title: str, notes: Iterable[str]) -> str:
    """A title with notes below it in smaller type, broken so that a phone shows them whole."""
    lines = [_escaped(line) for note in notes for line in textwrap.wrap(note, _LINE)]
    return "<br>".join([_escaped(title), *(f'<span style="font-size:11px">{line}</span>' for line in lines)])


def _told(past: History) -> str:
    """The front in words; with one objective, its best value."""
    members = [i for i in np.flatnonzero(past.front) if np.isfinite(past.values[i]).all()]
    said = [f"trial {past.numbers[i]}, {', '.join(described(past, past.values[i]))}" for i in members[:_MOST_TOLD]]
    more = [f"and {len(members) - _MOST_TOLD} more"] if len(members) > _MOST_TOLD else []
    axes = " against ".join(past.labels) if len(past.labels) > 1 else f"{past.labels[0]} over trials"
    return f"{title_of(past)}; {axes}. " + "; ".join([*said, *more])


def with_link(figure: Any, address: str, words: str) -> Any:
    """A figure of ours with a link as the last line of its title.

    Args:
        figure: figure that ``dressed`` has dressed.
        address: where it leads; of ours, as it is not escaped.
        words: what it is called.
    """
    link = f'<br><span style="font-size:11px"><a href="{address}" target="_self">{words}</a></span>'
    figure.layout.title.text += link
    figure.layout.margin.t += _TITLE_LINE
    return figure


def _or_none(lengths: Any) -> list[float | None]:
    """Lengths of error bars for JSON, which has no NaN."""
    return [None if np.isnan(length) else float(length) for length in lengths]


def _faint(color: str) -> str:
    """A colour `#RRGGBB` that hardly shows."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.25)"


def hypervolume_figure(past: History) -> Any:
    """The hypervolume after every finished trial; the subtitle gives its reference point.

    Returns:
        A ``plotly.graph_objects.Figure`` with a transparent background, for light and dark pages.

    Raises:
        ValueError: there is one objective only.
        MissingExtraError: plotly is not installed.
    """
    go = require("plotly.graph_objects", extra="plot")
    if len(past.names) == 1:
        raise ValueError("the hypervolume needs two objectives or more; with one, see front_figure")
    volumes = past.hypervolumes()
    # only the trials at which it changes, and the last one, so that the figure of a long study stays small
    kept = [i for i in range(len(volumes)) if i in (0, len(volumes) - 1) or volumes[i] != volumes[i - 1]]
    curve = go.Scatter(
        x=[past.numbers[i] for i in kept],
        y=volumes[kept].tolist(),
        mode="lines+markers",
        line={"color": FRONT_COLOR, "shape": "hv"},
        marker={"size": 5},
        hovertemplate="after trial %{x}: %{y:.4g}<extra></extra>",
    )
    figure = go.Figure(curve)
    figure.update_xaxes(title_text="trial")
    figure.update_yaxes(title_text="hypervolume")
    reference = past.reference_point
    corner = "none yet" if reference is None else ", ".join(described(past, reference))
    lines = [f"reference point: {corner}"]
    low, high = _rising(volumes)
    if low > volumes.min(initial=low):
        lines.append("the curve begins below; double-click shows it")
    if low < high:
        room = 0.06 * (high - low)
        figure.update_yaxes(range=(low - room, high + room))
    return dressed(
        figure,
        titled("Hypervolume under the front", lines),
        f"Hypervolume over trials: {high:.4g} after {len(volumes)} finished trials",
    )


def _rising(volumes: Floats) -> tuple[float, float]:
    """The ends of the axis of hypervolumes: without the steep rise of the first fifth of the trials.

    >>> _rising(np.array([0.0, 5.0, 9.0, 9.5, 9.5, 9.6]))
    (5.0, 9.6)
    """
    if not len(volumes):
        return 0.0, 0.0
    return float(volumes[len(volumes) // 5]), float(volumes[-1])


def learning_figure(charts: Sequence[Chart], title: str = "How the search is learning", *, tall: bool = False) -> Any:
    """The charts of a search, two in a row.

    >>> from mnas_moo.reports.learning import Chart, Series
    >>> figure = learning_figure([Chart("policy", "entropy", [Series("entropy", [20, 40], [1.1, 1.0])])])
    >>> figure.layout.annotations[0].text
    'entropy'

    Args:
        charts: at least one chart.
        title: title of the figure.
        tall: whether it grows with its charts, for a page of its own; else it fits in a given frame.

    Returns:
        A ``plotly.graph_objects.Figure`` with a transparent background, for light and dark pages.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    go = require("plotly.graph_objects", extra="plot")
    subplots = require("plotly.subplots", extra="plot")
    columns = min(len(charts), 2)
    rows = -(-len(charts) // columns)
    titles = [chart.title for chart in charts]
    figure = subplots.make_subplots(
        rows, columns, subplot_titles=titles, vertical_spacing=0.36 / rows, horizontal_spacing=0.12
    )
    order: dict[str, int] = {}  # a line's name has one look in all charts
    for i, chart in enumerate(charts):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        for line in chart.lines:
            alone, known = len(chart.lines) == 1, line.label in order
            n = 0 if alone else order.setdefault(line.label, len(order))
            look = {"color": COLORS[n % len(COLORS)], "width": 1.5, "dash": DASHES[n % len(DASHES)]}
            drawn = go.Scatter(
                x=list(line.trials),
                y=list(line.values),
                mode="lines+markers" if len(line.trials) < 2 else "lines",
                line=look,
                name=_escaped(line.label),
                legendgroup=line.label,
                showlegend=not alone and not known,
                hovertemplate="trial %{x}: %{y:.4g}<extra>" + _escaped(line.label) + "</extra>",
            )
            figure.add_trace(drawn, **place)
        last = i >= len(charts) - columns
        values = [value for line in chart.lines for value in line.values]
        share = chart.percent and all(0 <= value <= 1 for value in values)
        view = (-0.03, 1.05) if share else None
        figure.update_yaxes(tickformat=".0%" if chart.percent else None, nticks=5, range=view, **place)
        figure.update_xaxes(title_text="trial" if last else None, showticklabels=last or tall, **place)
    ends = [
        f"{chart.title}: {', '.join(f'{line.label} {line.values[-1]:.4g}' for line in chart.lines if len(line.values))}"
        for chart in charts
    ]
    dressed(figure, title, f"{title}, at the end: {'; '.join(ends)}")
    figure.update_annotations(font={"size": 13 if tall else 11})
    if tall:
        figure.update_layout(height=140 + 230 * rows)
    return figure


def _hover(past: History, group: Group) -> list[str]:
    """The text shown over each mark of a group: the trial's number, values and network."""
    front, texts = past.front, []
    for i in np.flatnonzero(group.mask):
        lines = described(past, past.values[i])
        if front[i] or len(past.numbers) <= _NAMED_NETWORKS:
            lines += textwrap.wrap(printable(past.networks[i]), 70, break_long_words=False)
        texts.append("<br>".join([f"<b>trial {past.numbers[i]}</b>", *map(_escaped, lines)]))
    return texts


def dressed(figure: Any, title: str, alternative: str) -> Any:
    """Sets title, legend and colours for light and dark pages; without plotly's template, which is 7 kB of JSON.

    Args:
        figure: figure of plotly's.
        title: its title, as plotly reads it.
        alternative: what it shows, in words, for those who do not see it: ``layout.meta["alternative"]``.
    """
    axis = {"gridcolor": "rgba(128,136,144,0.25)", "linecolor": GREY, "showline": True, "zeroline": False}
    axis |= {"automargin": True, "title_standoff": 8, "exponentformat": "power"}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_layout(
        template="none",
        # brackets that plotly, which fills texts with what stands here, could not take for markup
        meta={"alternative": printable(alternative).replace("<", "\u2039").replace(">", "\u203a")},
        title={"text": title, "x": 0.02, "y": 1, "yanchor": "top", "pad": {"t": 14}, "font": {"size": 14}},
        font={"color": GREY},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "yref": "container", "y": 0, "yanchor": "bottom"},
        margin={"l": 70, "r": 20, "t": 60 + _TITLE_LINE * title.count("<br>"), "b": 80},
        hoverlabel={"align": "left"},
    )
    return figure
