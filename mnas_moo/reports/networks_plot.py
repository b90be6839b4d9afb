"""The plot of a comparison of networks: a line a network, its time, the rounds' range, and what papers make of it.

Plotly draws pages, matplotlib files for print. Colours are those of Okabe & Ito 2008, which colour-blind readers tell
apart; markers differ in shape as well.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.reports.networks import Comparison, Row
from mnas_moo.reports.plots import drawable
from mnas_moo.spaces.printable import short

_AXIS = "latency (ms), logarithmic"


@dataclass(frozen=True)
class _Series:
    """Marks of one kind: which network, its time, and the range of its rounds (none: a figure of a paper)."""

    label: str
    color: str
    marker: str
    symbol: str  # plotly's name of the marker
    titles: list[str]
    times_ms: list[float]
    below: list[float]
    above: list[float]


def save_plot(comparison: Comparison, path: str | Path) -> None:
    """Draws a comparison into a file.

    Args:
        comparison: at least one of its networks has times.
        path: file to write, as in ``plots.save_front``.

    Raises:
        ValueError: the file has another ending, or no network was measured.
        MissingExtraError: plotly (.html) or matplotlib (the others) is not installed.
    """
    path = drawable(path, "a comparison")
    if not any(row.times_ms for row in comparison.rows):
        raise ValueError(f"{path}: no network was measured, so there is nothing to draw")
    with whole_file(path) as part:
        if path.suffix == ".html":
            figure(comparison).write_html(part, include_plotlyjs=True)
        else:
            _print(comparison, part)


def figure(comparison: Comparison) -> Any:
    """The interactive picture, a plotly figure.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    objects = require("plotly.graph_objects", extra="plot")
    drawn = objects.Figure()
    for series in _series(comparison):
        bars = {"type": "data", "symmetric": False, "array": series.above, "arrayminus": series.below}
        drawn.add_scatter(
            x=series.times_ms,
            y=[html.escape(title, quote=False) for title in series.titles],  # plotly reads some HTML in texts
            mode="markers",
            name=series.label,
            marker={"color": series.color, "symbol": series.symbol, "size": 10},
            error_x={**bars, "color": series.color, "visible": any(series.above)},
            hovertemplate="%{y}: %{x:.4g} ms<extra></extra>",
        )
    titles = [html.escape(row.entry.title, quote=False) for row in _measured(comparison)]
    drawn.update_layout(
        template="none",
        title={"text": "<br>".join(html.escape(line, quote=False) for line in _heading(comparison)), "x": 0.02},
        title_font_size=14,
        xaxis={"title": _AXIS, "type": "log", "gridcolor": "#e3e6e8"},
        yaxis={"categoryorder": "array", "categoryarray": titles, "automargin": True, "gridcolor": "#e3e6e8"},
        legend={"orientation": "h", "y": -0.2},
        height=220 + 32 * len(titles),
    )
    return drawn


def _print(comparison: Comparison, path: Path) -> None:
    """Draws with matplotlib, without its global state."""
    ticker = require("matplotlib.ticker", extra="plot")
    rows = _measured(comparison)
    size = (7.2, 2.1 + 0.32 * len(rows))
    drawn = require("matplotlib.figure", extra="plot").Figure(figsize=size, layout="constrained")
    axes: Any = drawn.add_subplot()
    places = {row.entry.title: i for i, row in enumerate(rows)}
    for series in _series(comparison):
        y = [places[title] for title in series.titles]
        look = {"color": series.color, "marker": series.marker, "linestyle": "none", "label": series.label}
        if any(series.above):
            axes.errorbar(series.times_ms, y, xerr=[series.below, series.above], markersize=6, zorder=3, **look)
        else:
            axes.plot(series.times_ms, y, markersize=7, markerfacecolor="none", zorder=2, **look)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_yticks(list(places.values()), list(places), parse_math=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(_AXIS)
    drawn.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    drawn.suptitle("\n".join(_heading(comparison)), x=0.02, ha="left", fontsize=10, parse_math=False)
    drawn.savefig(path, dpi=150)


def _measured(comparison: Comparison) -> list[Row]:
    """The networks with times, the slowest first: plots count from the bottom."""
    return sorted((row for row in comparison.rows if row.times_ms), key=lambda row: -(row.latency_ms or 0))


def _series(comparison: Comparison) -> Iterator[_Series]:
    rows = _measured(comparison)
    published = [row for row in rows if row.entry.trial is None]
    own = [row for row in rows if row.entry.trial is not None]
    if published:
        yield _timed("published networks", "#0072B2", "o", "circle", published)
    if own:
        yield _timed(f"networks of the study ({own[0].entry.input})", "#D55E00", "s", "square", own)
    yardstick = next((row.latency_ms for row in comparison.rows[:1] if row.times_ms), None)
    said = [(row.entry.title, row.entry.printed.ratio) for row in rows if row.entry.printed.ratio]
    if yardstick and said:
        times = [(ratio or 0.0) * yardstick for _, ratio in said]
        nothing = [0.0] * len(said)
        label = "as on a Pixel 1, by the printed ratio to MobileNetV2"
        yield _Series(label, "#808890", "D", "diamond-open", [title for title, _ in said], times, nothing, nothing)


def _timed(label: str, color: str, marker: str, symbol: str, rows: Sequence[Row]) -> _Series:
    times = [row.latency_ms or 0.0 for row in rows]
    below = [time - min(row.times_ms) for time, row in zip(times, rows, strict=True)]
    above = [max(row.times_ms) - time for time, row in zip(times, rows, strict=True)]
    return _Series(label, color, marker, symbol, [row.entry.title for row in rows], times, below, above)


def _heading(comparison: Comparison) -> tuple[str, ...]:
    """Lines short enough for a page on a phone."""
    model, runtime = (short(str(comparison.device.get(key) or "")) for key in ("model", "runtime"))
    rounds = f"{comparison.rounds} round{'s' * (comparison.rounds > 1)}"
    return tuple(filter(None, (f"Latency on {model}", runtime, f"median and range of {rounds}")))
