"""The members of a front in all objectives at once, for plots of three objectives or more, in any drawing library.

Such a front is read as parallel coordinates (Inselberg 1985), a line a member across one axis an objective, or pair by
pair. Axes are logarithmic where the members span more than a decade. Picks have the words that the rest of a page says
of them, and each a colour, a dash and a shape of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial

from mnas_moo.objectives.statistics import kendall_tau
from mnas_moo.reports.axes import log_ticks, tick_text, ticks
from mnas_moo.reports.choices import Choice, tags_of
from mnas_moo.reports.intervals import interval_of
from mnas_moo.reports.panels import COLORS, DASHES
from mnas_moo.reports.past import PERCENT, History
from mnas_moo.reports.text import figure as figure_text

LEAST_OBJECTIVES = 3
"""With fewer, a plot of the front shows all objectives."""
SHAPES = ("square", "triangle", "diamond", "cross")
"""Shapes of picks; other members are circles."""


@dataclass(frozen=True)
class Objective:
    """One objective of the F members.

    Attributes:
        label: its name and unit.
        more: whether more is better; else less is.
        percent: whether its numbers are fractions, which are shown in percent.
        values: (F,) the members' values.
        texts: F of them as texts.
    """

    label: str
    more: bool
    percent: bool
    values: Sequence[float]
    texts: Sequence[str]

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value."""
        return min(self.values), max(self.values)

    @property
    def logarithmic(self) -> bool:
        """Whether its axis is: the members span more than a decade; a fraction's never.

        >>> Objective("latency (ms)", False, False, [2.0, 21.0], ["2", "21"]).logarithmic
        True
        """
        low, high = self.ends
        return not self.percent and low > 0 and high > 10 * low

    def place(self, value: float) -> float:
        """Where a value stands on the axis, from 0, the least of the members, to 1; the middle where all are equal.

        >>> latency = Objective("latency (ms)", False, False, [1.0, 100.0], ["1", "100"])
        >>> latency.place(10.0), latency.goodness(1.0)
        (0.5, 1.0)
        """
        low, high = self.ends
        if not high > low:
            return 0.5
        if self.logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def goodness(self, value: float) -> float:
        """Where a value stands on an axis that leads to the better: from 0, the worst of the members, to 1."""
        return self.place(value) if self.more else 1.0 - self.place(value)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Values and texts of its ticks: both ends, and so many round numbers between them as leave them room.

        >>> Objective("latency (ms)", False, False, [2.0, 9.0], ["2", "9"]).ticks(4)
        [(2.0, '2'), (4.0, '4'), (6.0, '6'), (9.0, '9')]
        """
        low, high = self.ends
        if not high > low:
            return [(low, self.texts[0])]
        marks = log_ticks(self.ends, most) if self.logarithmic else ticks(self.ends, most)
        room = 0.7 / most
        return [
            (low, self.texts[self.values.index(low)]),
            *(
                (mark, f"{mark:.12g}" if self.logarithmic else tick_text(mark, self.percent, marks))
                for mark in marks
                if room <= self.place(mark) <= 1 - room
            ),
            (high, self.texts[self.values.index(high)]),
        ]

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "more is better" if self.more else "less is better"


@dataclass(frozen=True)
class Pick:
    """A member that is marked.

    Attributes:
        member: its position among the members.
        words: why.
        trial: number of its trial.
        number: which of the picks it is, which gives its look.
    """

    member: int
    words: str
    trial: int
    number: int

    @property
    def label(self) -> str:
        """Why it is marked, and the name of its trial."""
        return f"{self.words} (trial {self.trial})"

    @property
    def color(self) -> int:
        """Position in ``COLORS``: any but that of the front and the grey one."""
        return 1 + self.number % (len(COLORS) - 2)

    @property
    def dash(self) -> str:
        """One of ``DASHES``."""
        return DASHES[self.number % len(DASHES)]

    @property
    def shape(self) -> str:
        """One of ``SHAPES``."""
        return SHAPES[self.number % len(SHAPES)]


@dataclass(frozen=True)
class Members:
    """The F members of a front.

    Attributes:
        names: names of their trials.
        objectives: at least ``LEAST_OBJECTIVES``.
        picks: those that are marked.
        notes: F texts of some lines on each.
        networks: whether they are networks; else configurations.
    """

    names: Sequence[str]
    objectives: Sequence[Objective]
    notes: Sequence[str]
    picks: Sequence[Pick] = ()
    networks: bool = True

    @property
    def what(self) -> str:
        """What they are, as the plural."""
        return "networks" if self.networks else "configurations"

    @property
    def rest(self) -> str:
        """What those that are not marked are called."""
        return f"other {self.what} of the front" if self.picks else "Pareto front"

    @property
    def others(self) -> list[int]:
        """Positions of those that are not marked."""
        marked = {pick.member for pick in self.picks}
        return [i for i in range(len(self.names)) if i not in marked]

    @property
    def says(self) -> str:
        """What they are, for readers who see no plot: the spans of the objectives, and which members are marked."""
        spans = ", ".join(
            f"{each.label} from {each.ticks(1)[0][1]} to {each.ticks(1)[-1][1]} ({each.better})"
            for each in self.objectives
        )
        marked = f" Marked are: {', '.join(pick.label for pick in self.picks)}." if self.picks else ""
        return (
            f"Each line is one of {len(self.names):,} {self.what}, and every axis leads to the better: {spans}.{marked}"
        )

    @property
    def relations(self) -> str:
        """Which two objectives are best together, and which two are most at odds, for readers who see no plot."""
        found = []
        for one, other in itertools.combinations(self.objectives, 2):
            goods = [np.array([each.goodness(value) for value in each.values]) for each in (one, other)]
            tau = kendall_tau(*goods)
            if not math.isnan(tau):
                names = [each.label.partition(" (")[0] for each in (one, other)]
                found.append((tau, f"{names[0]} and {names[1]} (Kendall's correlation {tau:.2f})"))
        if not found:
            return "All members are equal in all objectives but one."
        (least, odds), (most, together) = min(found), max(found)
        said = [f"best together are {together}"] if most > 0 else []
        said += [f"most at odds are {odds}"] if least < 0 else []
        return f"Of the objectives, {' and '.join(said)}." if said else "No two objectives are together or at odds."

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Their numbers as a table: its heads, and a row for each."""
        words = {pick.member: pick.label for pick in self.picks}
        rows = [
            [name, *(repr(float(each.values[i])) for each in self.objectives), words.get(i, "")]
            for i, name in enumerate(self.names)
        ]
        heads = ["name", *(each.label for each in self.objectives), "series"]
        return (heads, rows) if words else (heads[:-1], [row[:-1] for row in rows])


def members_of(
    past: History, front: Sequence[FrozenTrial], choices: Sequence[Choice], said: Mapping[int, str] | None = None
) -> Members | None:
    """The front of a study; None where plots of it would say nothing more: of few objectives, or of one member.

    Args:
        past: the study.
        front: its front, as ``text.front_trials`` gives it.
        choices: those of it that are marked.
        said: more lines on trials, by their numbers, for readers who point at one.
    """
    if len(past.names) < LEAST_OBJECTIVES or len(front) < 2:
        return None
    objectives = [
        Objective(
            label,
            past.directions[m] == "maximize",
            label in PERCENT,
            [float(trial.values[m]) for trial in front],
            [figure_text(past.names[m], trial.values[m]) for trial in front],
        )
        for m, label in enumerate(past.labels)
    ]
    numbers = [trial.number for trial in front]
    tags = tags_of(choices)
    picks = [Pick(numbers.index(number), words, number, i) for i, (number, words) in enumerate(tags.items())]
    notes = [
        "\n".join(
            [
                *(
                    f"{label}: {figure_text(name, value, interval_of(trial, name))}"
                    for name, label, value in zip(past.names, past.labels, trial.values, strict=True)
                ),
                *filter(None, [(said or {}).get(trial.number, "")]),
            ]
        )
        for trial in front
    ]
    return Members([f"trial {n}" for n in numbers], objectives, notes, picks, any(past.networks))
