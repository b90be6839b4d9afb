"""The figures of any study: its front, its hypervolume over trials and time, what mattered, how its search learnt.

They are made of what the dashboard's plots show as well (``past``, ``panels``, ``learning``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from optuna.trial import FrozenTrial

from mnas_moo.objectives.front import Floats
from mnas_moo.reports.axes import Ends, padded
from mnas_moo.reports.figures import Axis, Bars, Figure, Line, Marks, Panel
from mnas_moo.reports.importance import Importance
from mnas_moo.reports.learning import GROUPS, Chart
from mnas_moo.reports.members import Members
from mnas_moo.reports.panels import COLORS, Group, described, groups_of, notes_of, outside, panels_of
from mnas_moo.reports.panels import Panel as StudyPanel
from mnas_moo.reports.past import PERCENT, History
from mnas_moo.reports.text import figure as figure_text
from mnas_moo.spaces.printable import short

SHAPES = {"x": "cross", "o": "circle", "D": "diamond"}
BARS = 12
"""The largest number of decisions whose importance is drawn for an objective."""


def name_of(trial: int) -> str:
    """The name of a trial's mark."""
    return f"trial {trial}"


def front_figure(past: History, members: int, tags: Mapping[int, str], said: Mapping[int, str]) -> Figure:
    """All finished trials and their front; with one objective, the best value so far.

    Args:
        past: the study, with at least one finished trial.
        members: number of different networks on the front; some may have been tried more than once.
        tags: words that stand beside trials, by their numbers; with three objectives, in the panels of the first.
        said: more lines on trials, by their numbers, for readers who point at one.
    """
    drawn = panels_of(past)
    groups = groups_of(past)
    notes = [_note(past, i, said) for i in range(len(past.numbers))]
    panels = [
        Panel(
            "",
            Axis(panel.x_label, panel.x_view, panel.x_label in PERCENT),
            Axis(panel.y_label, panel.y_view, panel.y_label in PERCENT),
            marks=[_marks(past, panel, group, tags if panel.row == 0 else {}, notes) for group in groups],
            lines=[Line("", 0, panel.line[:, 0].tolist(), panel.line[:, 1].tolist(), panel.turns)]
            if len(panel.line)
            else [],
        )
        for panel in drawn
    ]
    hidden = outside(drawn)
    finished = f"{len(past.numbers):,} finished trial{'s' * (len(past.numbers) != 1)}"
    several = len(past.names) > 1
    title = f"{'Pareto front' if several else f'Best {short(past.names[0])}'} of {finished}"
    kept = f"{members:,} {'member' if members == 1 else 'members'}"
    best = f" The front has {kept}: {spans_of(past)}." if several and members else ""
    count = ", ".join(f"{int(group.mask.sum()):,} {group.label}" for group in groups if group.marker != "D")
    says = f"{finished} by {' and '.join(past.labels)}{f', of them {count}' if count else ''}.{best}"
    return Figure("front", title, says, panels, [*([f"{hidden}."] if hidden else []), *notes_of(past)[:1]])


def members_figures(members: Members) -> list[Figure]:
    """The members of a front in all objectives: as parallel coordinates, and pair by pair."""
    logarithmic = [each.label for each in members.objectives if each.logarithmic]
    notes = [f"Logarithmic: {', '.join(logarithmic)}."] if logarithmic else []
    count = f"{len(members.names):,} {members.what} of the front"
    return [
        Figure("parallel", f"{count}, a line each", members.says, [], notes, members),
        Figure("matrix", f"{count}, each pair of objectives", members.relations, [], notes, members, matrix=True),
    ]


def _marks(past: History, panel: StudyPanel, group: Group, tags: Mapping[int, str], notes: Sequence[str]) -> Marks:
    kept: list[int] = np.flatnonzero(group.mask).tolist()
    ranges = {
        axis: [_range(values[i], errors[:, i]) for i in kept] if errors is not None else []
        for axis, values, errors in (("x", panel.x, panel.x_errors), ("y", panel.y, panel.y_errors))
    }
    return Marks(
        group.label,
        COLORS.index(group.color),
        SHAPES[group.marker],
        panel.x[kept].tolist(),
        panel.y[kept].tolist(),
        [name_of(past.numbers[i]) for i in kept],
        [notes[i] for i in kept],
        ranges["x"],
        ranges["y"],
        large=group.marker == "D",
        tags=[(place, tags[past.numbers[i]]) for place, i in enumerate(kept) if past.numbers[i] in tags],
    )


def _range(value: float, lengths: Floats) -> Ends | None:
    """The interval of a value whose bars reach so far below and above."""
    return None if np.isnan(lengths).any() else (float(value - lengths[0]), float(value + lengths[1]))


def _note(past: History, i: int, said: Mapping[int, str]) -> str:
    lines = []
    for m, (name, label) in enumerate(zip(past.names, past.labels, strict=True)):
        interval = None if past.intervals is None or np.isnan(past.intervals[i, m]).any() else past.intervals[i, m]
        pair = None if interval is None else (float(interval[0]), float(interval[1]))
        lines.append(f"{label}: {figure_text(name, float(past.values[i, m]), pair)}")
    lines += [] if past.feasible[i] else ["violates a constraint"]
    return "\n".join([*lines, *filter(None, [said.get(past.numbers[i], "")])])


def spans_of(past: History) -> str:
    """From where to where the front reaches in each objective."""
    spans = []
    for m, (name, label) in enumerate(zip(past.names, past.labels, strict=True)):
        values = past.values[past.front, m]
        low, high = (figure_text(name, float(end)) for end in (values.min(), values.max()))
        spans.append(f"{label} {low}" if low == high else f"{label} from {low} to {high}")
    return f"{', '.join(spans[:-1])} and {spans[-1]}" if len(spans) > 1 else spans[0]


def volume_figure(past: History, trials: Sequence[FrozenTrial]) -> Figure:
    """The hypervolume over trials, and over the time in which trials ran.

    Args:
        past: the study, with two objectives or more and at least one feasible trial.
        trials: its trials.
    """
    volumes = past.hypervolumes()
    # only the trials at which it changes, and the last one
    kept = [i for i in range(len(volumes)) if i in (0, len(volumes) - 1) or volumes[i] != volumes[i - 1]]
    heights = volumes[kept].tolist()
    # the first tenth of the trials, in which it grows most, would squeeze the rest
    low, high = padded([volumes[len(volumes) // 10], volumes[-1]])
    y = Axis("hypervolume", (max(low, 0.0), high))
    numbers = [float(past.numbers[i]) for i in kept]
    panels = [
        Panel(
            "",
            Axis("trial", (0.0, max(1.0, 1.02 * past.numbers[-1]))),
            y,
            lines=[Line("", 0, numbers, heights, "hv", "trial")],
        )
    ]
    busy = busy_seconds(trials)
    ended = [busy[number] for number in past.numbers if number in busy]
    if len(ended) == len(past.numbers) and ended[-1] > 0:
        # trials that ran side by side end in another order than that of their numbers
        latest = np.maximum.accumulate(ended)
        times = [float(latest[i]) for i in kept]
        unit, seconds = next(each for each in UNITS if times[-1] >= 2 * each[1] or each[1] == 1)
        times = [each / seconds for each in times]
        label = f"time in which trials ran ({unit})"
        axis = Axis(label, (0.0, 1.02 * times[-1] or 1.0))
        panels.append(Panel("", axis, y, lines=[Line("", 0, times, heights, "hv", unit)]))
    reference = past.reference_point
    assert reference is not None
    corner = ", ".join(described(past, reference))
    grown = f"It is {volumes[-1]:.4g} after {len(volumes):,} trials"
    half = volumes[len(volumes) // 2]
    says = f"{grown}, and was {half:.4g} after half of them." if len(volumes) > 1 else f"{grown}."
    note = f"The volume between the front and the reference point ({corner}); more is better."
    return Figure("hypervolume", "Hypervolume over trials and over time", says, panels, [note])


UNITS = (("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def busy_seconds(trials: Sequence[FrozenTrial]) -> dict[int, float]:
    """By trial number, in how many seconds up to a trial's end at least one of the trials ran.

    Pauses between runs of a study do not count, and neither do trials side by side twice.
    """
    spans = sorted(
        (trial.datetime_start, trial.datetime_complete, trial.number)
        for trial in trials
        if trial.datetime_start is not None and trial.datetime_complete is not None
    )
    joined: list[tuple[datetime, datetime, float]] = []  # begin, end, busy seconds before it
    spent = 0.0
    for begin, end, _ in spans:
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end), joined[-1][2])
            continue
        if joined:
            spent += (joined[-1][1] - joined[-1][0]).total_seconds()
        joined.append((begin, end, spent))
    found, place = {}, 0
    for _, end, number in sorted(spans, key=lambda span: span[1]):
        while place + 1 < len(joined) and joined[place + 1][0] <= end:
            place += 1
        found[number] = joined[place][2] + (end - joined[place][0]).total_seconds()
    return found


def learning_figures(charts: Sequence[Chart]) -> list[Figure]:
    """The charts of a search, a figure for each of their groups."""
    figures = []
    for group, title in GROUPS.items():
        drawn = [chart for chart in charts if chart.group == group]
        order: dict[str, int] = {}  # a line's name has one look in all charts
        panels = []
        for chart in drawn:
            lines = []
            for line in chart.lines:
                label = line.label if line.label != chart.title else ""
                color = order.setdefault(label, len(order)) if label else 0
                lines.append(Line(label, color, list(map(float, line.trials)), list(line.values), named="trial"))
            values = [value for line in chart.lines for value in line.values]
            ends = (-0.03, 1.03) if chart.percent else padded(values)
            across = Axis("trial", padded([number for line in chart.lines for number in line.trials], 0.02))
            panels.append(Panel(chart.title, across, Axis("", ends, chart.percent), lines=lines))
        if panels:
            last = "; ".join(f"{chart.title}: {_last(chart)}" for chart in drawn)
            figures.append(Figure(f"learning-{group}", _own(title), f"At the end, {last}.", panels))
    return figures


def _own(title: str) -> str:
    """A group's title below the section's, which says the first half of it."""
    part = title.rpartition(": ")[2]
    return part[0].upper() + part[1:]


def _last(chart: Chart) -> str:
    ends = [(line.label, line.values[-1]) for line in chart.lines]
    texts = [f"{value:.0%}" if chart.percent else f"{value:.3g}" for _, value in ends]
    return ", ".join(f"{label} {text}" if len(ends) > 1 else text for (label, _), text in zip(ends, texts, strict=True))


def published_figure(latencies: Mapping[str, float], own: int) -> Figure:
    """Latencies of the study's choices beside those of published networks.

    Args:
        latencies: latencies in ms by the names of the networks, first those of the study.
        own: how many of them are the study's.
    """
    names, values = list(latencies), list(latencies.values())
    places = range(len(values))
    bars = [
        Bars("this study", 0, [values[i] if i < own else math.nan for i in places]),
        Bars("published", 1, [values[i] if i >= own else math.nan for i in places]),
    ]
    axis = Axis("latency (ms)", (0.0, 1.15 * max(values)))
    said = ", ".join(f"{name} {value:.4g} ms" for name, value in latencies.items())
    panel = Panel("latency (ms)", axis, Axis("", (0.0, 1.0), names=names), bars=bars)
    note = "All were timed in turn, when this page was made, as the study times its networks."
    return Figure("published", "Published networks on the same device", f"{said}.", [panel], [note])


def importance_figure(importance: Importance, labels: Sequence[str]) -> Figure:
    """The importance of the decisions, a panel for each objective, the most important first.

    Args:
        importance: what there is of it.
        labels: labels of the objectives.
    """
    panels, tells = [], []
    for m, label in enumerate(labels):
        order = sorted(importance.shares, key=lambda name: -importance.shares[name][m])[:BARS]
        names = [short(name) for name in order]
        shares = [importance.shares[name][m] for name in order]
        across = Axis("importance", (0.0, 1.15 * max(shares) or 1.0), percent=True)
        panels.append(Panel(f"for {label}", across, Axis("", (0.0, 1.0), names=names), bars=[Bars("", m, shares)]))
        tells.append(f"for {label}, {', '.join(names[:3])}")
    return Figure(
        "importance", "Which decisions mattered", f"Most important are: {'; '.join(tells)}.", panels, [importance.rule]
    )
