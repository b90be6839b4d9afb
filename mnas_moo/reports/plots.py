"""Pictures of a study: its Pareto front, and the hypervolume under it as the trials came in.

Two objectives are drawn as in Tan et al. 2019, fig. 1 (the first, the accuracy, upwards; the second, the cost, to
the right), more of them pair by pair, a single one as its best value so far. The hypervolume is that of Zitzler &
Thiele 1998. Interactive figures are plotly's, files for print are matplotlib's; both draw the same ``History``.
Colours are those of Okabe & Ito 2008, which colour-blind readers tell apart; markers differ in shape as well.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.front import Floats, direction_names, hypervolume, is_feasible, minimised, pareto_mask
from mnas_moo.running.trials import NETWORK

if TYPE_CHECKING:
    import optuna

LABELS = {
    "accuracy": "accuracy on the hold-out",
    "latency_ms": "latency (ms)",
    "parameters_m": "parameters (millions)",
    "multiply_adds_m": "multiply-adds (millions)",
    "peak_memory_mb": "peak activation memory (MB)",
}

_PERCENT = (LABELS["accuracy"],)  # fractions that are shown in percent

REFERENCE_MARGIN = 0.1
"""How far the reference point lies beyond the worst value of each objective, as a share of the values' range."""

SUFFIXES = (".html", ".pdf", ".png", ".svg")

_FRONT_COLOR = "#D55E00"
_GREY = "#808890"  # text and axes that can be read on white and on the dashboard's dark page
_NAMED_NETWORKS = 300  # with more trials only the front's networks are in the hover text: a figure stays small

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class History:
    """What the plots show: the N finished trials of a study with M objectives, by number.

    Attributes:
        names: of the objectives, M.
        directions: M of "minimize" or "maximize".
        numbers: trial numbers, N.
        values: (N, M) in the objectives' units.
        feasible: (N,) whether no constraint is violated.
        networks: the networks as text, N; empty where a trial has none.
    """

    names: tuple[str, ...]
    directions: tuple[str, ...]
    numbers: tuple[int, ...]
    values: Floats
    feasible: Booleans
    networks: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """M words for the objectives. An accuracy above 1, as a table of one's own may have it, is no fraction."""
        in_percent: list[bool] = np.asarray((self.values > 1).any(axis=0)).tolist()
        return tuple(
            name if name == "accuracy" and percent else LABELS.get(name, name)
            for name, percent in zip(self.names, in_percent, strict=True)
        )

    @property
    def front(self) -> Booleans:
        """(N,) whether the trial is feasible and no feasible one dominates it."""
        front = self.feasible.copy()
        front[front] = pareto_mask(self.values[self.feasible], self.directions)
        return front

    @property
    def reference_point(self) -> Floats | None:
        """(M,) the worst values of the feasible trials, moved outwards by ``REFERENCE_MARGIN`` of their range.

        It is the worst of what is known, so it moves as trials come in. None without feasible trials.
        """
        values = minimised(self.values[self.feasible], self.directions)
        if not len(values):
            return None
        worst = values.max(axis=0)
        span = worst - values.min(axis=0)
        margin = REFERENCE_MARGIN * np.where(span > 0, span, np.where(worst != 0, np.abs(worst), 1.0))
        return minimised(worst + margin, self.directions)

    def hypervolumes(self) -> Floats:
        """(N,) the hypervolume of the first 1, 2, ... N trials, all of them from today's ``reference_point``."""
        volumes, volume = np.zeros(len(self.numbers)), 0.0
        reference = self.reference_point
        if reference is None:
            return volumes
        bound = minimised(reference, self.directions)
        front = np.empty((0, len(self.names)))
        for i, point in enumerate(minimised(self.values, self.directions)):
            # most trials are dominated when they arrive, and then nothing is computed
            if self.feasible[i] and not (front <= point).all(axis=1).any():
                front = np.vstack([front[~(point <= front).all(axis=1)], point])
                volume = hypervolume(front, bound)
            volumes[i] = volume
        return volumes

    def best(self) -> Floats:
        """(N,) the best feasible value of the first objective after 1, 2, ... N trials; NaN before there is one."""
        values = minimised(self.values, self.directions)[:, :1]
        running = np.fmin.accumulate(np.where(self.feasible[:, None], values, np.nan))
        return minimised(running, self.directions[:1])[:, 0]


def history(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], names: Sequence[str] | None
) -> History:
    """Collects the finished trials of a study; failed and pruned ones and infinite values are left out.

    Args:
        trials: of one study.
        directions: of its objectives.
        names: of its objectives (``study.metric_names``); None: they are numbered.
    """
    finished = [t for t in trials if t.state == TrialState.COMPLETE and np.isfinite(t.values).all()]
    finished.sort(key=lambda trial: trial.number)
    return History(
        names=tuple(names or (f"objective {i}" for i in range(len(directions)))),
        directions=tuple(direction_names(directions)),
        numbers=tuple(trial.number for trial in finished),
        values=np.array([trial.values for trial in finished], dtype=float).reshape(-1, len(directions)),
        feasible=np.array([is_feasible(trial) for trial in finished], dtype=bool),
        networks=tuple(str(trial.user_attrs.get(NETWORK, "")) for trial in finished),
    )


def save_front(study: optuna.Study, path: str | Path) -> None:
    """Writes a picture of the study's Pareto front; of its best value so far if there is one objective only.

    Args:
        study: with at least one finished trial.
        path: .html is interactive and holds all it needs; .png, .svg and .pdf are for print.

    Raises:
        ValueError: the ending is another one, or no trial is finished.
        MissingExtraError: plotly (.html) or matplotlib (the others) is not installed.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: its ending is {path.suffix!r}; a front is written as one of {', '.join(SUFFIXES)}")
    past = history(study.get_trials(deepcopy=False), study.directions, study.metric_names)
    if not past.numbers:
        raise ValueError(f"study {study.study_name!r} has no finished trial yet, so there is no front to draw")
    if path.suffix == ".html":
        front_figure(past).write_html(path, include_plotlyjs=True)
    else:
        _print_front(past, path)


def front_figure(past: History) -> Any:
    """The Pareto front among all finished trials; the best value so far if there is one objective only.

    Returns:
        A ``plotly.graph_objects.Figure`` on a transparent ground, for light and dark pages.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    go = require("plotly.graph_objects", extra="plot")
    subplots = require("plotly.subplots", extra="plot")
    panels = _panels(past)
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
            line = {"color": _FRONT_COLOR, "width": 1.5, "shape": panel.turns}
            steps = {"x": panel.line[:, 0].tolist(), "y": panel.line[:, 1].tolist(), "mode": "lines", "line": line}
            figure.add_trace(go.Scatter(**steps, hoverinfo="skip", showlegend=False), **place)
        for group in _groups(past):
            dots = go.Scatter(
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
        titled = panel.row == panel.column
        x_title, y_title = (panel.x_label, panel.y_label) if titled else (None, None)
        for update, text, label, view in (
            (figure.update_xaxes, x_title, panel.x_label, panel.x_view),
            (figure.update_yaxes, y_title, panel.y_label, panel.y_view),
        ):
            update(title_text=text, tickformat=".3~%" if label in _PERCENT else None, range=view, **place)
    hidden = _outside(panels)
    return _dress(figure, _title(past) + (f"<br><sub>{hidden}; double-click shows them</sub>" if hidden else ""))


def hypervolume_figure(past: History) -> Any:
    """The hypervolume under the front after every finished trial, with the reference point it is measured from.

    Returns:
        A ``plotly.graph_objects.Figure`` on a transparent ground, for light and dark pages.

    Raises:
        ValueError: there is one objective only, and so no front.
        MissingExtraError: plotly is not installed.
    """
    go = require("plotly.graph_objects", extra="plot")
    if len(past.names) == 1:
        raise ValueError("the hypervolume needs two objectives or more; with one, see front_figure")
    volumes = past.hypervolumes()
    # where it changes, and the end: the curve of a long study stays small
    kept = [i for i in range(len(volumes)) if i in (0, len(volumes) - 1) or volumes[i] != volumes[i - 1]]
    curve = go.Scatter(
        x=[past.numbers[i] for i in kept],
        y=volumes[kept].tolist(),
        mode="lines+markers",
        line={"color": _FRONT_COLOR, "shape": "hv"},
        marker={"size": 5},
        hovertemplate="after trial %{x}: %{y:.4g}<extra></extra>",
    )
    figure = go.Figure(curve)
    figure.update_xaxes(title_text="trial")
    figure.update_yaxes(title_text="hypervolume", rangemode="tozero")
    reference = past.reference_point
    corner = "none yet" if reference is None else ", ".join(_values(past, reference))
    return _dress(figure, f"Hypervolume under the front<br><sub>reference point: {corner}</sub>")


@dataclass(frozen=True)
class _Panel:
    """One pair of axes: where it stands, the N trials' coordinates, and a line that turns "hv" or "vh"."""

    row: int
    column: int
    x: Floats
    y: Floats
    x_label: str
    y_label: str
    line: Floats
    turns: str
    x_view: tuple[float, float]
    y_view: tuple[float, float]

    @property
    def outside(self) -> Booleans:
        """(N,) whether the trial lies outside what is shown."""
        (left, right), (low, high) = self.x_view, self.y_view
        return ~((left <= self.x) & (self.x <= right) & (low <= self.y) & (self.y <= high))


def _panels(past: History) -> list[_Panel]:
    """One panel for one or two objectives; for more, all pairs, as the upper triangle of a matrix."""
    labels = past.labels
    if len(labels) == 1:
        numbers = np.array(past.numbers, dtype=float)
        best = np.column_stack([numbers, past.best()])
        views = (_padded(numbers.min(), numbers.max()) if len(numbers) else (0.0, 1.0)), _view(past, 0)
        return [_Panel(0, 0, numbers, past.values[:, 0], "trial", labels[0], best, "hv", *views)]
    panels = []
    for y, x in itertools.combinations(range(len(labels)), 2):
        line = np.empty((0, 2))
        if len(labels) == 2:  # the front of three objectives has no border in the plane of two
            line = past.values[past.front][:, [x, y]]
            line = line[np.argsort(line[:, 0], kind="stable")]
        # what a point dominates lies to its right if less is better, and there its border goes on
        turns = "hv" if past.directions[x] == "minimize" else "vh"
        columns = past.values[:, x], past.values[:, y], labels[x], labels[y]
        panels.append(_Panel(y, x - 1, *columns, line, turns, _view(past, x), _view(past, y)))
    return panels


def _view(past: History, objective: int) -> tuple[float, float]:
    """The span of an objective's axis: the front and the better half of the trials, and as much again.

    Broken networks (chance accuracy, twenty times the latency) would otherwise squeeze the front into a line.
    """
    shown = past.feasible if past.feasible.any() else np.ones(len(past.numbers), dtype=bool)
    if not shown.any():
        return 0.0, 1.0
    direction = past.directions[objective : objective + 1]
    values = minimised(past.values[:, objective, None], direction)[:, 0]
    best, worst = float(values[shown].min()), float(values.max())
    reach = 2 * (max(values[past.front].max(initial=best), float(np.median(values[shown]))) - best)
    if reach > 0 and best + 1.25 * reach < worst:
        worst = best + reach
    ends = minimised(np.array([[min(best, float(values.min()))], [worst]]), direction)[:, 0]
    return _padded(float(ends.min()), float(ends.max()))


def _padded(low: float, high: float) -> tuple[float, float]:
    """A span with room at both ends for the markers."""
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _outside(panels: Sequence[_Panel]) -> str:
    """How many trials are not shown, in words; empty if all are."""
    hidden = int(np.any([panel.outside for panel in panels], axis=0).sum())
    return f"{hidden} trial{'s lie' if hidden != 1 else ' lies'} outside the view" if hidden else ""


@dataclass(frozen=True)
class _Group:
    """Trials drawn alike: their name in the legend, which they are, and their marker for plotly and for matplotlib."""

    label: str
    mask: Booleans
    color: str
    symbol: str
    marker: str
    size: int
    opacity: float


def _groups(past: History) -> list[_Group]:
    """What is drawn, from the back to the front; groups without trials are left out."""
    front, several = past.front, len(past.names) > 1
    groups = [
        _Group("violates a constraint", ~past.feasible, "#CC79A7", "x", "x", 7, 0.9),
        _Group("dominated" if several else "tried", past.feasible & ~front, "#56B4E9", "circle", "o", 7, 0.75),
        _Group("Pareto front" if several else "best", front, _FRONT_COLOR, "diamond", "D", 10, 1.0),
    ]
    return [group for group in groups if group.mask.any()]


def _title(past: History) -> str:
    trials = f"{len(past.numbers)} finished trial{'s' if len(past.numbers) != 1 else ''}"
    if len(past.names) == 1:
        return f"Best {past.names[0]} of {trials}"
    return f"Pareto front: {int(past.front.sum())} of {trials}"


def _values(past: History, values: Floats) -> list[str]:
    """One "label: value" an objective; accuracies are fractions and shown in percent."""
    pairs = zip(past.labels, values, strict=True)
    return [f"{label}: {value:.2%}" if label in _PERCENT else f"{label}: {value:.4g}" for label, value in pairs]


def _hover(past: History, group: _Group) -> list[str]:
    """The trials' numbers, values and networks."""
    front, texts = past.front, []
    for i in np.flatnonzero(group.mask):
        lines = [f"<b>trial {past.numbers[i]}</b>", *_values(past, past.values[i])]
        if front[i] or len(past.numbers) <= _NAMED_NETWORKS:
            lines += textwrap.wrap(past.networks[i], 70, break_long_words=False)
        texts.append("<br>".join(lines))
    return texts


def _dress(figure: Any, title: str) -> Any:
    """Title, legend and colours for light and dark pages; without plotly's template, which is 7 kB of JSON."""
    axis = {"gridcolor": "rgba(128,136,144,0.25)", "linecolor": _GREY, "showline": True, "zeroline": False}
    axis |= {"automargin": True, "title_standoff": 8, "exponentformat": "power"}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_layout(
        template="none",
        title={"text": title, "x": 0.02, "font": {"size": 16}},
        font={"color": _GREY},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "yref": "container", "y": 0, "yanchor": "bottom"},
        margin={"l": 70, "r": 20, "t": 80, "b": 80},
        hoverlabel={"align": "left"},
    )
    return figure


def _print_front(past: History, path: Path) -> None:
    """Draws the panels with matplotlib, without its global state."""
    figures = require("matplotlib.figure", extra="plot")
    ticker = require("matplotlib.ticker", extra="plot")
    panels = _panels(past)
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
            axes.plot(*panel.line.T, color=_FRONT_COLOR, linewidth=1.3, drawstyle=style)
        for group in _groups(past):
            look = {"color": group.color, "alpha": group.opacity, "marker": group.marker, "s": 4.0 * group.size}
            edge = {} if group.marker == "x" else {"linewidths": 0}
            axes.scatter(panel.x[group.mask], panel.y[group.mask], label=group.label, zorder=3, **look, **edge)
        axes.set_xlim(panel.x_view)
        axes.set_ylim(panel.y_view)
        for i in _tagged(past, panel) if side == 1 else []:
            offset = {"xytext": (5, -11), "textcoords": "offset points", "fontsize": 8, "color": "#555555"}
            axes.annotate(f"#{past.numbers[i]}", (panel.x[i], panel.y[i]), **offset)
        if panel.row == panel.column:
            axes.set_xlabel(panel.x_label)
            axes.set_ylabel(panel.y_label)
        for line, label in ((axes.xaxis, panel.x_label), (axes.yaxis, panel.y_label)):
            if label in _PERCENT:
                line.set_major_formatter(ticker.PercentFormatter(1.0))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    hidden = _outside(panels)
    figure.suptitle(_title(past) + (f" ({hidden})" if hidden else ""), x=0.02, ha="left", fontsize=11)
    figure.savefig(path, dpi=150)


def _tagged(past: History, panel: _Panel) -> list[int]:
    """Trials of the front whose number is written beside them: as many as have room, from the left."""
    room, tagged = 0.06 * (panel.x_view[1] - panel.x_view[0]), list[int]()
    for i in sorted(np.flatnonzero(past.front), key=lambda i: panel.x[i]):
        if not tagged or panel.x[i] - panel.x[tagged[-1]] >= room:
            tagged.append(int(i))
    return tagged
