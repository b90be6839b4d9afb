"""The plot of a check: predicted against measured time of each network, with the band of 10 %.

Plotly draws pages, matplotlib files for print. Colours are those of Okabe & Ito 2008, which colour-blind readers tell
apart.
"""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

import numpy as np

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.lookup.check import WITHIN, CheckReport
from mnas_moo.objectives.whole_file import whole_file

SUFFIXES = (".html", ".pdf", ".png", ".svg")

_SUM = ("sum of the layers", "#56B4E9")
_CORRECTED = ("corrected, without the network itself", "#D55E00")


def save_plot(report: CheckReport, title: str, path: str | os.PathLike[str]) -> None:
    """Draws a report to a file.

    Args:
        report: result of a check.
        title: first words of the heading, such as the device.
        path: file to write; its suffix, one of ``SUFFIXES``, gives the format.

    Raises:
        ValueError: another suffix.
        MissingExtraError: matplotlib, or for a page plotly, is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{os.fspath(path)}: cannot be drawn to; allowed are {', '.join(SUFFIXES)}")
    with whole_file(path) as part:
        if suffix == ".html":
            figure(report, title).write_html(part, include_plotlyjs=True)
        else:
            _print(report, title, part)


def figure(report: CheckReport, title: str) -> Any:
    """The interactive picture, a plotly figure.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    objects = require("plotly.graph_objects", extra="plot")
    low, high = _span(report)
    ends = np.array([low, high])
    band = {"mode": "lines", "hoverinfo": "skip", "showlegend": False, "line": {"width": 0, "color": "#808890"}}
    drawn = objects.Figure()
    drawn.add_scatter(x=ends, y=ends * (1 - WITHIN), **band)
    drawn.add_scatter(x=ends, y=ends * (1 + WITHIN), fill="tonexty", fillcolor="rgba(128,136,144,0.15)", **band)
    drawn.add_scatter(x=ends, y=ends, **{**band, "line": {"width": 1, "color": "#808890"}})
    for (label, color), values in ((_SUM, report.sum_ms), (_CORRECTED, report.predicted_ms)):
        drawn.add_scatter(
            x=report.measured_ms,
            y=values,
            mode="markers",
            name=label,
            marker={"color": color},
            hovertemplate="measured %{x:.4g} ms<br>predicted %{y:.4g} ms<extra></extra>",
        )
    drawn.update_layout(
        template="none",
        title=html.escape(_heading(report, title), quote=False),  # plotly reads some HTML in texts
        xaxis_title="measured (ms)",
        yaxis_title="predicted (ms)",
        legend={"orientation": "h", "y": -0.15},
    )
    return drawn


def _print(report: CheckReport, title: str, path: Path) -> None:
    """Draws with matplotlib, without its global state."""
    drawn = require("matplotlib.figure", extra="plot").Figure(figsize=(6.0, 6.0), layout="constrained")
    axes: Any = drawn.add_subplot()
    low, high = _span(report)
    ends = np.array([low, high])
    axes.fill_between(ends, ends * (1 - WITHIN), ends * (1 + WITHIN), color="#e3e6e8", label="within 10 %", linewidth=0)
    axes.plot(ends, ends, color="#808890", linewidth=0.8)
    for (label, color), values in ((_SUM, report.sum_ms), (_CORRECTED, report.predicted_ms)):
        axes.scatter(report.measured_ms, values, s=16, color=color, alpha=0.8, linewidths=0, label=label, zorder=3)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("measured (ms)")
    axes.set_ylabel("predicted (ms)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    axes.set_title(_heading(report, title), loc="left", fontsize=10, parse_math=False)
    drawn.savefig(path, dpi=150)


def _span(report: CheckReport) -> tuple[float, float]:
    values = np.concatenate([report.sum_ms, report.measured_ms, report.predicted_ms])
    room = 0.05 * float(values.max() - values.min()) or 0.05 * float(values.max())
    return float(values.min()) - room, float(values.max()) + room


def _heading(report: CheckReport, title: str) -> str:
    figures = report.figures
    within, tau = figures["share_within_10_percent"], figures["kendall_tau"]
    order = f", Kendall's tau {tau:.3f}" if tau is not None else ""
    return f"{title}: {within:.0%} of {figures['networks']} networks within 10 %{order}"
