"""A comparison as one HTML page: tables and interactive plots (plotly), complete in itself.

It is made from the results' JSON alone. Colours are those of Okabe & Ito 2008, which colour-blind readers can
distinguish; lines differ in dashes and marks as well, so that one shows where another one covers it. What a plot shows
is told in words too, and titles stand outside of plots, where they are broken on a phone.
"""

from __future__ import annotations

import bisect
import html
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mnas_moo.compare import report
from mnas_moo.objectives.extras import require
from mnas_moo.reports.panels import COLORS, GREY
from mnas_moo.reports.past import PERCENT, label_of

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("diamond", "circle", "square", "triangle-up", "cross", "star", "x")

_TICKS = ((1.1, (1, 1.5, 2, 3, 5, 7)), (2.2, (1, 2, 5)), (4.0, (1, 3)), (math.inf, (1,)))  # up to so many decades
_MARKS = 6  # of a line, so that they can be told apart
_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --paper: #fff; --faint: #52606d; --line: #e4e7eb; --strong: #9aa5b1; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --paper: #14181d; --faint: #aab4bf; --line: #323a44; --strong: #66717d; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1080px;
       margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; }
p { margin: .3rem 0; } .note { color: var(--faint); font-size: .9rem; white-space: pre-line; }
figure { margin: 1.2rem 0; } figcaption { font-size: .95rem; font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { border-bottom: 2px solid var(--strong); }
td.best { font-weight: 700; }
.js-plotly-plot .main-svg :not(.hovertext) > text { fill: var(--ink) !important; }
"""


def page(found: Mapping[str, Any]) -> str:
    """The HTML page of a comparison.

    Args:
        found: results of the comparison, as ``judgement.judge`` returns them.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    offline = require("plotly.offline", extra="compare")
    sections = [_summary(found), _regrets(found)]
    sections += [_over_trials(found, "regret", "mean hypervolume regret", log=True)]
    sections += [_over_trials(found, "hypervolume", "mean hypervolume", log=False)]
    sections += [_tests(found), _fronts(found), _rewards(found), _times(found), _left_out(found)]
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(found['problem'])}: samplers compared</title><style>{_STYLE}</style>"
        f"<script>{offline.get_plotlyjs()}</script></head><body>\n"
        + "\n".join(filter(None, sections))
        + "\n</body></html>\n"
    )


def _summary(found: Mapping[str, Any]) -> str:
    goals = ", ".join(f"{label_of(name)} ({way}d)" for name, way in found["objectives"].items())
    limit = found["time_limit_minutes"]
    seeds = len(found["seeds"])
    budget = f"{found['trials']:,} trials a run, {seeds} run{'s' if seeds != 1 else ''} a sampler with the same seeds"
    budget += f", at most {limit:g} minutes of the sampler's own time a run" if limit else ""
    return (
        f"<h1>{html.escape(found['problem'])}: {len(found['samplers'])} samplers compared</h1>"
        f"<p>Objectives: {html.escape(goals)}. {budget}.</p>"
    )


def _regrets(found: Mapping[str, Any]) -> str:
    heads = [f"{mark:,}" for mark in found["marks"]] + (["to goal"] if "goal" in found else []) + ["ms a trial"]
    rows = [(name, report.cells(found, figures)) for name, figures in found["samplers"].items()]
    marks = len(found["marks"])
    best = [
        min((cells[k] for _, cells in rows if cells[k] != report.EMPTY), key=float, default="") for k in range(marks)
    ]
    title = "Mean hypervolume regret after so many trials (smaller is better)"
    return f"<h2>{title}</h2>{_table(heads, rows, best)}<p class='note'>{html.escape(report.caption(found))}</p>"


def _tests(found: Mapping[str, Any]) -> str:
    if not found["tests"]:
        return ""
    title = report.versus_title(found["tests"][0]["sampler"])
    table = _table([f"{mark:,}" for mark in found["marks"]], report.versus_rows(found))
    return f"<h2>{html.escape(title)}</h2>{table}<p class='note'>{html.escape(report.versus_caption(found))}</p>"


def _left_out(found: Mapping[str, Any]) -> str:
    if not found["left_out"]:
        return ""
    rows = "".join(f"<p>{html.escape(name)}: {html.escape(why)}</p>" for name, why in found["left_out"].items())
    return f"<h2>Left out</h2>{rows}"


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], best: Sequence[str] = ()) -> str:
    """An HTML table with one row per sampler; in the k-th column, cells equal to ``best[k]`` are bold."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in ("sampler", *heads))
    body = ""
    for name, cells in rows:
        marked = [
            f"<td{' class=best' if k < len(best) and text == best[k] else ''}>{html.escape(text)}</td>"
            for k, text in enumerate(cells)
        ]
        body += f"<tr><td>{html.escape(name)}</td>{''.join(marked)}</tr>"
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>"


def _look(found: Mapping[str, Any]) -> dict[str, tuple[str, str, str]]:
    """Colour, dash and symbol of every sampler."""
    names = list(found["samplers"])
    return {
        name: (COLORS[i % len(COLORS)], DASHES[i % len(DASHES)], SYMBOLS[i % len(SYMBOLS)])
        for i, name in enumerate(names)
    }


def _over_trials(found: Mapping[str, Any], what: str, title: str, *, log: bool) -> str:
    """A plot of regret or hypervolume over trials: means and confidence bands."""
    go = require("plotly.graph_objects", extra="compare")
    figure = go.Figure()
    ends, drawn_values = [], []
    for name in found["samplers"]:
        curve = found["samplers"][name]["curve"]
        begin = bisect.bisect_left(curve["trials"], _first(found))
        drawn = {end: values[begin:] for end, values in curve[what].items()}
        _add_band(go, figure, found, name, curve["trials"][begin:], drawn)
        _mark_end(go, figure, found, name, curve["trials"][-1], curve[what]["mean"][-1])
        ends.append(f"{name} {curve[what]['mean'][-1]:.4g}")
        drawn_values += [*drawn["low"], *drawn["high"]]
    if what == "hypervolume" and "goal" in found:
        goal = found["goal"]
        figure.add_hline(
            goal["hypervolume"],
            line={"color": GREY, "width": 1, "dash": "dot"},
            annotation={"text": f"goal: {html.escape(goal['of'])} after {goal['trials']:,} trials"},
            annotation_position="top left",
        )
    percent = f"{100 * found['confidence']:.0f} %"
    _trials_axis(found, figure)
    if log:
        _log_axis(figure.update_yaxes, title, drawn_values)
    else:
        figure.update_yaxes(title_text=title)
    words = f"{title[0].upper()}{title[1:]} over trials, with {percent} confidence bands"
    return _plot(figure, words, f"at the end: {', '.join(ends)}")


def _add_band(
    go: Any, figure: Any, found: Mapping[str, Any], name: str, x: Sequence[float], y: Mapping[str, Sequence[float]]
) -> None:
    color, _, _ = _look(found)[name]
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    band = {"x": [*x, *reversed(x)], "y": [*y["high"], *reversed(y["low"])], "fill": "toself", "line": {"width": 0}}
    fill = f"rgba({red},{green},{blue},0.15)"
    figure.add_trace(
        go.Scatter(**band, fillcolor=fill, mode="lines", legendgroup=name, showlegend=False, hoverinfo="skip")
    )
    hover = f"{html.escape(name)}, %{{x}} trials: %{{y:.4g}}<extra></extra>"
    _add_line(go, figure, found, name, x, y["mean"], hover)


def _add_line(
    go: Any, figure: Any, found: Mapping[str, Any], name: str, x: Sequence[float], y: Sequence[float], hover: str
) -> None:
    """A sampler's line with a few marks; those of others stand elsewhere, and show where lines are the same."""
    (color, dash, symbol), names = _look(found)[name], list(found["samplers"])
    pause = max(1, len(x) // _MARKS)
    begin = pause * names.index(name) // len(names)
    marked = range(begin, len(x), pause)
    look = {"legendgroup": name, "hovertemplate": hover}
    figure.add_trace(
        go.Scatter(x=x, y=y, mode="lines", line={"color": color, "dash": dash, "width": 2}, showlegend=False, **look)
    )
    marks = go.Scatter(
        x=[x[k] for k in marked],
        y=[y[k] for k in marked],
        mode="lines+markers",
        line={"color": color, "dash": dash, "width": 0},
        marker={"color": color, "symbol": symbol, "size": 9},
        name=html.escape(name),
        **look,
    )
    figure.add_trace(marks)


def _mark_end(go: Any, figure: Any, found: Mapping[str, Any], name: str, x: float, y: float) -> None:
    """A cross where a curve ends because of the time limit."""
    if x < found["trials"]:
        text = f"{html.escape(name)}: its time was up after {x:,} trials<extra></extra>"
        marker = {"color": _look(found)[name][0], "symbol": "x", "size": 11}
        figure.add_trace(
            go.Scatter(
                x=[x], y=[y], mode="markers", marker=marker, legendgroup=name, showlegend=False, hovertemplate=text
            )
        )


def _fronts(found: Mapping[str, Any]) -> str:
    """The fronts in each pair of objectives: the points of all seeds, and a line that half of the seeds attain."""
    names = list(found["objectives"])
    if len(names) == 1:
        return ""
    go = require("plotly.graph_objects", extra="compare")
    figures = []
    for first, second in itertools.combinations(range(len(names)), 2):
        figure = go.Figure()
        for name, (color, dash, symbol) in _look(found).items():
            figures_of = found["samplers"][name]
            line = figures_of.get("median_front")
            if line:
                # the border of what a point dominates continues horizontally towards the worse values of x
                turns = "hv" if found["objectives"][names[second]] == "minimize" else "vh"
                line = sorted(line, key=lambda point: point[1])
                steps = {"x": [point[1] for point in line], "y": [point[0] for point in line]}
                style = {"color": color, "dash": dash, "width": 2, "shape": turns}
                figure.add_trace(
                    go.Scatter(**steps, mode="lines", line=style, legendgroup=name, showlegend=False, hoverinfo="skip")
                )
            points = figures_of["front"]
            figure.add_trace(
                go.Scatter(
                    x=[point[second] for point in points],
                    y=[point[first] for point in points],
                    mode="markers",
                    marker={"color": color, "symbol": symbol, "size": 7, "opacity": 0.8},
                    name=html.escape(name),
                    legendgroup=name,
                )
            )
        labels = [label_of(name) for name in (names[first], names[second])]
        for update, label, of in ((figure.update_yaxes, labels[0], first), (figure.update_xaxes, labels[1], second)):
            percent = ".3~%" if label in PERCENT else None
            update(title_text=html.escape(label, quote=False), tickformat=percent, range=_view(found, of))
        counts = ", ".join(f"{len(of['front'])} of {name}" for name, of in found["samplers"].items())
        figures.append(_plot(figure, f"{labels[0]} against {labels[1]}", f"points on the fronts: {counts}"))
    what = "Points: the front of all seeds together."
    what += " Line: what half of the seeds attain." if len(names) == 2 else " Each plot shows two objectives of it."
    return f"<h2>The fronts they found</h2><p class='note'>{what}</p>{''.join(figures)}"


def _view(found: Mapping[str, Any], objective: int) -> list[float]:
    """The ends of an objective's axis: from the best value to the reference point, beyond which no point counts."""
    name, corner = list(found["objectives"])[objective], found["reference_point"][objective]
    values = [point[objective] for figures in found["samplers"].values() for point in figures["front"]]
    best = min(values) if found["objectives"][name] == "minimize" else max(values)
    if not min(values) < corner < max(values):
        corner = max(values) if found["objectives"][name] == "minimize" else min(values)
    room = 0.04 * abs(corner - best) or 1.0
    return [min(best, corner) - room, max(best, corner) + room]


def _rewards(found: Mapping[str, Any]) -> str:
    if "reward" not in found:
        return ""
    go = require("plotly.graph_objects", extra="compare")
    figure = go.Figure()
    ends = []
    for name in found["samplers"]:
        best = found["samplers"][name]["best_reward"]
        if best["trials"]:
            _add_band(go, figure, found, name, best["trials"], best)
            ends.append(f"{name} {best['mean'][-1]:.4g}")
    target = found["reward"]["target_ms"]
    _trials_axis(found, figure)
    figure.update_yaxes(title_text="best reward so far, mean over seeds")
    title = f"Accuracy x (latency / {target:g} ms) ^ -0.07 of the best trial so far"
    plot = _plot(figure, title, f"at the end: {', '.join(ends)}")
    table = _table([f"{mark:,}" for mark in found["marks"]], report.reward_rows(found))
    return f"<h2>Best MnasNet reward for {target:g} ms (more is better)</h2>{table}{plot}"


def _times(found: Mapping[str, Any]) -> str:
    go = require("plotly.graph_objects", extra="compare")
    figure = go.Figure()
    drawn, means = [], []
    for name in found["samplers"]:
        spent = found["samplers"][name]["sampler_ms"]
        begin = bisect.bisect_left(spent["curve"]["trials"], _first(found))
        x, y = spent["curve"]["trials"][begin:], spent["curve"]["ms"][begin:]
        _add_line(go, figure, found, name, x, y, f"{html.escape(name)}, trial %{{x}}: %{{y:.4g}} ms<extra></extra>")
        drawn += y
        if spent["mean"] is not None:
            means.append(f"{name} {spent['mean']:.3g} ms")
    _trials_axis(found, figure)
    _log_axis(figure.update_yaxes, "sampler's time for a trial (ms)", drawn)
    note = "Time to propose a trial and to process its result, without the objective and the storage."
    plot = _plot(figure, "Time of the sampler for each trial, mean over seeds", f"on average {', '.join(means)}")
    return f"<h2>What the samplers cost</h2><p class='note'>{note}</p>{plot}"


def _first(found: Mapping[str, Any]) -> int:
    """Number of trials at which curves begin: with many trials, the first few, which are random, are not drawn."""
    return 10 if found["trials"] >= 100 else 1


def _trials_axis(found: Mapping[str, Any], figure: Any) -> None:
    _log_axis(figure.update_xaxes, "trials", [_first(found), found["trials"]])


def _log_axis(update: Any, title: str, values: Sequence[float]) -> None:
    """Makes an axis logarithmic, with ticks in plain notation, as many as can be read for the span of ``values``."""
    above_0 = [value for value in values if value > 0]
    decades = math.log10(max(above_0) / min(above_0)) if above_0 else 0.0
    digits = next(digits for most, digits in _TICKS if decades <= most)
    ticks = [digit * 10.0**power for power in range(-9, 9) for digit in digits]
    update(title_text=title, type="log", tickmode="array", tickvals=ticks, ticktext=[f"{tick:.12g}" for tick in ticks])


def _plot(figure: Any, title: str, told: str) -> str:
    """A plot with its title above it, and what it shows in words for those who do not see it."""
    axis = {"gridcolor": "rgba(128,136,144,0.25)", "linecolor": GREY, "showline": True, "zeroline": False}
    axis |= {"automargin": True, "title_standoff": 12, "exponentformat": "power"}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_layout(
        template="none",
        height=440,
        font={"size": 13, "color": GREY},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "x": 0, "yref": "container", "y": 0, "yanchor": "bottom"},
        margin={"l": 60, "r": 15, "t": 15, "b": 60},
        hoverlabel={"align": "left"},
    )
    config = {"displaylogo": False, "responsive": True}
    plot = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    alternative = html.escape(f"{title}; {told}")
    return (
        f"<figure><figcaption>{html.escape(title, quote=False)}</figcaption>"
        f'<div role="img" aria-label="{alternative}">{plot}</div></figure>'
    )
