"""The parts of a plot of a study, for any drawing library: panels with axes, and groups of trials with one marker.

Two objectives are drawn as in Tan et al. 2019, fig. 1 (the first, the accuracy, upwards; the second, the cost, to
the right), more of them pair by pair, a single one as its best value so far. Colours are those of Okabe & Ito 2008,
which colour-blind readers tell apart; markers differ in shape as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnas_moo.objectives.front import Floats, minimised
from mnas_moo.reports.past import PERCENT, Booleans, History
from mnas_moo.spaces.printable import short

FRONT_COLOR = "#D55E00"
MARK = "#b3261e"
"""Colour of what is marked."""
GREY = "#808890"
"""Colour of text and axes, legible on white and on the dashboard's dark page."""
COLORS = (FRONT_COLOR, "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", GREY)
"""Colours of the lines of a chart, in order."""
DASHES = ("solid", "dash", "dot", "dashdot")
"""And their dashes, so that lines differ without colour."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes with the N trials in it.

    Attributes:
        row: place in the grid of panels, from the top.
        column: place in the grid of panels, from the left.
        x: (N,) the trials' horizontal coordinates.
        y: (N,) the trials' vertical coordinates.
        x_label: label of the horizontal axis.
        y_label: label of the vertical axis.
        line: (L, 2) points of the front, or of the best value so far, from left to right; empty without a line.
        turns: how the line steps from point to point: "hv", first horizontally, or "vh", first vertically.
        x_view: ends of the horizontal axis.
        y_view: ends of the vertical axis.
        x_errors: (2, N) lengths of the horizontal error bars below and above; NaN: none.
        y_errors: (2, N) lengths of the vertical ones.
    """

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
    x_errors: Floats | None = None
    y_errors: Floats | None = None

    @property
    def outside(self) -> Booleans:
        """(N,) whether the trial lies outside the axes."""
        (left, right), (low, high) = self.x_view, self.y_view
        return ~((left <= self.x) & (self.x <= right) & (low <= self.y) & (self.y <= high))


def panels_of(past: History) -> list[Panel]:
    """One panel for one or two objectives; for more, one for each pair, as the upper triangle of a matrix."""
    labels = past.labels
    if len(labels) == 1:
        numbers = np.array(past.numbers, dtype=float)
        best = np.column_stack([numbers, past.best()])
        views = (_padded(numbers.min(), numbers.max()) if len(numbers) else (0.0, 1.0)), _view(past, 0)
        return [Panel(0, 0, numbers, past.values[:, 0], "trial", labels[0], best, "hv", *views, None, _errors(past, 0))]
    panels = []
    for y, x in itertools.combinations(range(len(labels)), 2):
        line = np.empty((0, 2))
        if len(labels) == 2:  # the front of three objectives has no border in the plane of two
            line = past.values[past.front][:, [x, y]]
            line = line[np.argsort(line[:, 0], kind="stable")]
        # the border of what a point dominates continues horizontally towards the worse values of x
        turns = "hv" if past.directions[x] == "minimize" else "vh"
        columns = past.values[:, x], past.values[:, y], labels[x], labels[y]
        errors = _errors(past, x), _errors(past, y)
        panels.append(Panel(y, x - 1, *columns, line, turns, _view(past, x), _view(past, y), *errors))
    return panels


def _errors(past: History, objective: int) -> Floats | None:
    """(2, N) lengths of the error bars of an objective; None where no interval is known."""
    if past.intervals is None or np.isnan(past.intervals[:, objective]).all():
        return None
    return np.abs(past.intervals[:, objective].T - past.values[:, objective])


def _view(past: History, objective: int) -> tuple[float, float]:
    """The ends of an objective's axis: twice the span of the front and the better half of the trials.

    A span of all trials would reach to broken networks (chance accuracy, twenty times the latency) and squeeze the
    front into a line.
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
    if past.intervals is not None and past.front.any():  # the whole error bars of the front
        ends = np.append(ends, past.intervals[past.front, objective].ravel())
    return _padded(float(np.nanmin(ends)), float(np.nanmax(ends)))


def _padded(low: float, high: float) -> tuple[float, float]:
    """Both ends moved outwards, so that no marker is cut."""
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def outside(panels: Sequence[Panel]) -> str:
    """A sentence on how many trials no panel shows; empty if all are shown."""
    hidden = int(np.any([panel.outside for panel in panels], axis=0).sum())
    return f"{hidden} trial{'s lie' if hidden != 1 else ' lies'} outside the view" if hidden else ""


@dataclass(frozen=True)
class Group:
    """Trials that are drawn with the same marker.

    Attributes:
        label: name in the legend.
        mask: (N,) whether a trial belongs to the group.
        color: colour of the markers.
        symbol: plotly's name of the marker.
        marker: matplotlib's name of the marker.
        size: size of the markers.
        opacity: opacity of the markers, 0 to 1.
    """

    label: str
    mask: Booleans
    color: str
    symbol: str
    marker: str
    size: int
    opacity: float


def groups_of(past: History) -> list[Group]:
    """The groups in the order in which they are drawn; one without trials is left out."""
    front, several = past.front, len(past.names) > 1
    groups = [
        Group("violates a constraint", ~past.feasible, "#CC79A7", "x", "x", 7, 0.9),
        Group("dominated" if several else "tried", past.feasible & ~front, "#56B4E9", "circle", "o", 7, 0.75),
        Group("Pareto front" if several else "best", front, FRONT_COLOR, "diamond", "D", 10, 1.0),
    ]
    return [group for group in groups if group.mask.any()]


def title_of(past: History) -> str:
    """The title of a plot of the front."""
    trials = f"{len(past.numbers)} finished trial{'s' if len(past.numbers) != 1 else ''}"
    if len(past.names) == 1:
        return f"Best {short(past.names[0])} of {trials}"
    return f"Pareto front: {int(past.front.sum())} of {trials}"


def notes_of(past: History) -> list[str]:
    """What is said beside a plot: what its bars are, and what the study cannot say yet."""
    bars = ["Bars are 95 % intervals, for new images of the same kind."] if past.intervals is not None else []
    return [*bars, *past.verdicts]


def described(past: History, values: Floats) -> list[str]:
    """A text "label: value" for each objective."""
    return [f"{label}: {figure_text(label, value)}" for label, value in zip(past.labels, values, strict=True)]


def figure_text(label: str, value: float) -> str:
    """A value of an objective as text, without its name.

    >>> figure_text("accuracy on the hold-out", 0.96378), figure_text("latency (ms)", 0.036615000000017606)
    ('96.38%', '0.03661')
    """
    return f"{value:.2%}" if label in PERCENT else f"{value:.4g}"


def marks_of(past: History) -> list[tuple[int, str]]:
    """Index and words of each marked trial that is finished."""
    return [(i, past.marks[number]) for i, number in enumerate(past.numbers) if number in past.marks]
