"""A figure as a file for print, drawn with matplotlib, without its global state.

Matplotlib reads what stands between two $ as mathematics: names of a study's are shown as they are.
"""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.reports.figures import Figure, Marks, Panel, Picture
from mnas_moo.reports.members_print import MARKERS, STYLES, print_matrix, print_parallel
from mnas_moo.reports.panels import COLORS

INK = "#555555"
PICTURES = 8
"""Images in a row of a grid."""


def print_figure(figure: Figure, *paths: Path) -> None:
    """Draws a figure into files.

    Args:
        figure: the figure.
        paths: files to write; the ending of each (.png, .svg, .pdf) decides its format.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    if figure.members is None:
        drawn = _panels(figure)
    else:
        drawn = (print_matrix if figure.matrix else print_parallel)(figure.members)
    handles: dict[str, Any] = {}
    for axes in drawn.axes:
        found, labels = axes.get_legend_handles_labels()
        handles |= {label: handle for label, handle in zip(labels, found, strict=True) if not label.startswith("_")}
    order = [series.label for series in figure.legend] if figure.members is None else list(handles)
    named = {label: handles[label] for label in order if label in handles}
    if named:
        columns = min(4, len(named)) if figure.members is None else 2
        legend = drawn.legend(named.values(), named, loc="outside lower center", ncols=columns)
        legend.set_frame_on(False)
        for text in legend.get_texts():
            text.set_parse_math(False)
    drawn.suptitle(figure.title, x=0.02, ha="left", fontsize=11, parse_math=False)
    lines = [line for note in figure.notes for line in textwrap.wrap(note, 120)]
    if lines:  # below the title: legends and labels of a figure would not make room for them
        high = drawn.get_figheight()
        drawn.get_layout_engine().set(rect=(0, 0, 1, 1 - (0.12 * len(lines) + 0.06) / high))
        look = {"va": "top", "fontsize": 7, "color": INK, "parse_math": False}
        drawn.text(0.02, 1 - 0.24 / high, "\n".join(lines), **look)
    for path in paths:
        drawn.savefig(path, dpi=150)


def _panels(figure: Figure) -> Any:
    """A matplotlib figure with the panels of a figure."""
    figures = require("matplotlib.figure", extra="plot")
    if figure.panels[0].pictures:
        pictures = figure.panels[0].pictures
        rows = -(-len(pictures) // PICTURES)
        drawn = figures.Figure(figsize=(7.2, 1.25 * rows + 0.6), layout="constrained")
        for k, picture in enumerate(pictures):
            _picture(drawn.add_subplot(rows, PICTURES, k + 1), picture)
        return drawn
    columns = min(2, len(figure.panels)) if not figure.panels[0].shades else min(4, len(figure.panels))
    rows = -(-len(figure.panels) // columns)
    height = 0.28 * max((len(panel.y.names) for panel in figure.panels), default=0) + 0.9
    high = max(height if figure.panels[0].y.names else 0.0, 4.2 if columns == 1 else 2.6 if columns == 2 else 1.9)
    drawn = figures.Figure(figsize=(7.2 if columns < 3 else 10.0, high * rows + 0.8), layout="constrained")
    for k, panel in enumerate(figure.panels):
        _draw(drawn.add_subplot(rows, columns, k + 1), panel, alone=len(figure.panels) == 1)
    return drawn


def _picture(axes: Any, picture: Picture) -> None:
    pixels = require("matplotlib.image", extra="plot").imread(io.BytesIO(picture.png), format="png")
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(
        f"{textwrap.shorten(picture.label, 16, placeholder='…')}\n{picture.text}", fontsize=6, parse_math=False
    )


def _draw(axes: Any, panel: Panel, *, alone: bool) -> None:
    ticker = require("matplotlib.ticker", extra="plot")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9 if alone else 8)
    axes.set_title(panel.title, fontsize=9, loc="left", parse_math=False)
    axes.set_xlabel(panel.x.label, fontsize=9, parse_math=False)
    axes.set_ylabel(panel.y.label, fontsize=9, parse_math=False)
    for axis, ends in ((axes.xaxis, panel.x), (axes.yaxis, panel.y)):
        if ends.percent:
            axis.set_major_formatter(ticker.PercentFormatter(1.0))
    if panel.bars:
        _bars(axes, panel)
        return
    if panel.shades is not None:
        across = panel.shades.x
        half = (across[1] - across[0]) / 2 if len(across) > 1 else 0.5
        extent = (across[0] - half, across[-1] + half, len(panel.y.names) - 0.5, -0.5)
        picture = np.array(panel.shades.shades, dtype=float)
        axes.imshow(picture, extent=extent, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        _names(axes, panel)
        if panel.x.names:
            step = len(across) / len(panel.x.names)
            edges = [across[0] - half + i * step for i in range(len(panel.x.names))]
            for edge in edges[1:]:
                axes.axvline(edge, color="#e3e6e8", linewidth=0.8)
            axes.set_xticks([edge + step / 2 for edge in edges])
            for text in axes.set_xticklabels(panel.x.names, fontsize=7):
                text.set_parse_math(False)
        return
    axes.grid(color="#e3e6e8", linewidth=0.8)
    drawstyles = {"hv": "steps-post", "vh": "steps-pre", "": "default"}
    for line in panel.lines:
        look = {"color": COLORS[line.color % len(COLORS)], "linestyle": STYLES[line.dash] if line.label else "-"}
        dot = "o" if len(line.x) < 2 else ""
        label = line.label or "_"
        axes.plot(line.x, line.y, label=label, linewidth=1.3, marker=dot, drawstyle=drawstyles[line.turns], **look)
    for marks in panel.marks:
        _marks(axes, marks, panel)
    axes.set_xlim(panel.x.ends)
    axes.set_ylim(panel.y.ends)


def _marks(axes: Any, marks: Marks, panel: Panel) -> None:
    color = COLORS[marks.color % len(COLORS)]
    look = {"color": color, "marker": MARKERS[marks.shape], "alpha": 1.0 if marks.large else 0.75, "zorder": 3}
    edge = {} if marks.shape == "cross" else {"linewidths": 0}
    axes.scatter(marks.x, marks.y, label=marks.label, s=40 if marks.large else 22, **look, **edge)
    bars = {}
    for axis, values, ranges in (("xerr", marks.x, marks.x_range), ("yerr", marks.y, marks.y_range)):
        if any(ranges):
            ends = np.array([(np.nan, np.nan) if pair is None else pair for pair in ranges]).T
            bars[axis] = np.abs(ends - np.array(values))
    if bars:
        faint = {"ecolor": color, "elinewidth": 1.1, "alpha": 1.0 if marks.large else 0.2, "zorder": 2}
        axes.errorbar(marks.x, marks.y, fmt="none", **bars, **faint)
    for i, words in marks.tags:
        # to the left, where no other trial can be, unless that is outside the axes
        left = marks.x[i] > sum(panel.x.ends) / 2
        place = {"xytext": (-5, 7) if left else (6, 5), "ha": "right" if left else "left"}
        look = {"textcoords": "offset points", "fontsize": 8, "color": INK}
        axes.annotate(words, (marks.x[i], marks.y[i]), parse_math=False, **place, **look)


def _bars(axes: Any, panel: Panel) -> None:
    for bars in panel.bars:
        color = COLORS[bars.color % len(COLORS)]
        axes.barh(range(len(bars.lengths)), bars.lengths, height=0.7, color=color, label=bars.label or "_")
    axes.set_xlim(panel.x.ends)
    axes.set_ylim(len(panel.y.names) - 0.5, -0.5)
    _names(axes, panel)


def _names(axes: Any, panel: Panel) -> None:
    axes.set_yticks(range(len(panel.y.names)))
    for text in axes.set_yticklabels(panel.y.names, fontsize=7):
        text.set_parse_math(False)
