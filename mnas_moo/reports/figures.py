"""A plot as data: pairs of axes with marks, lines, bars or a map of shades, or images; for any library and as a table.

``figures_svg`` draws it into a page and ``figures_print`` into files; the table (``csv_of``) has the numbers of both.
Colours are those of Okabe & Ito 2008, which colour-blind readers tell apart; marks and lines differ in shape as well.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mnas_moo.reports.axes import Ends
from mnas_moo.reports.members import Members
from mnas_moo.reports.panels import DASHES
from mnas_moo.spaces.printable import printable

SHAPES = ("diamond", "circle", "cross", "square", "triangle")
"""Shapes of marks, which go by these names in all renderers."""
COLUMNS = ("panel", "series", "name", "x", "y", "x_low", "x_high", "y_low", "y_high")
"""Columns of a figure's table; those without any entry are left out."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: name and unit of what it shows.
        ends: its two ends.
        percent: whether its numbers are fractions, which are shown in percent.
        names: names of the places 0, 1, 2... of an axis of categories, or of equal parts of the horizontal axis of a
            map; empty on one of numbers.
    """

    label: str
    ends: Ends
    percent: bool = False
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Marks:
    """Points that look alike.

    Attributes:
        label: name in the legend.
        color: position in ``COLORS``.
        shape: one of ``SHAPES``.
        x: (N,) horizontal coordinates.
        y: (N,) vertical coordinates.
        names: N names, as "trial 12".
        notes: N texts of some lines which are shown when one points at the mark; empty: the coordinates are.
        x_range: N horizontal intervals; None where one is not known. Empty: none is.
        y_range: N vertical intervals.
        large: whether these are the points that matter, drawn above others with their intervals in full.
        tags: some words that stand beside a point, by its position.
    """

    label: str
    color: int
    shape: str
    x: Sequence[float]
    y: Sequence[float]
    names: Sequence[str]
    notes: Sequence[str] = ()
    x_range: Sequence[Ends | None] = ()
    y_range: Sequence[Ends | None] = ()
    large: bool = False
    tags: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Line:
    """A line through points from left to right.

    Attributes:
        label: name in the legend; "" for a line that needs none.
        color: position in ``COLORS`` and, modulo their number, in ``DASHES``.
        x: (N,) horizontal coordinates.
        y: (N,) vertical coordinates.
        turns: "hv", first horizontally to the next point, "vh", first vertically, or "" for straight lines.
        named: what one step along the axis is, as "trial", where one can point at the line; "" where one cannot.
    """

    label: str
    color: int
    x: Sequence[float]
    y: Sequence[float]
    turns: str = ""
    named: str = ""

    @property
    def dash(self) -> str:
        """Its dash, one of ``DASHES``."""
        return DASHES[self.color % len(DASHES)]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from 0, one at a name of the vertical axis; each name has a bar of one group.

    Attributes:
        label: name in the legend.
        color: position in ``COLORS``.
        lengths: (N,) their lengths, for each of the axis's names; NaN: no bar of this group.
    """

    label: str
    color: int
    lengths: Sequence[float]


@dataclass(frozen=True)
class Shades:
    """A map: R rows, one at each name of the vertical axis, of K cells each; shades are from 0 to 1.

    Attributes:
        x: (K,) the middles of the cells.
        shades: (R, K) their shades.
    """

    x: Sequence[float]
    shades: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Picture:
    """A small image of a grid.

    Attributes:
        label: what it shows.
        value: the number by which the grid is ordered; the horizontal axis has its label.
        text: that number with its unit.
        png: the image.
    """

    label: str
    value: float
    text: str
    png: bytes


@dataclass(frozen=True)
class Panel:
    """One pair of axes with what is drawn in it.

    Attributes:
        title: title above it; "" where the figure's says all.
        x: horizontal axis.
        y: vertical axis.
        marks: groups of points, the last drawn on top.
        lines: lines, drawn below the points.
        bars: groups of bars.
        shades: a map of shades.
        pictures: images in rows, in reading order; a panel of them has nothing else.
    """

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Marks] = ()
    lines: Sequence[Line] = ()
    bars: Sequence[Bars] = ()
    shades: Shades | None = None
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True)
class Figure:
    """A plot.

    Attributes:
        name: its name as a file, without ending.
        title: its title.
        says: what there is to be seen, in a sentence or some, for readers who do not see it.
        panels: its pairs of axes, in reading order.
        notes: sentences below it.
        members: the members of a front, which are drawn in the place of panels.
        matrix: whether these are drawn pair by pair; else as parallel coordinates.
    """

    name: str
    title: str
    says: str
    panels: Sequence[Panel]
    notes: Sequence[str] = field(default_factory=tuple)
    members: Members | None = None
    matrix: bool = False

    @property
    def legend(self) -> list[Marks | Line | Bars]:
        """What the legend names, each label once."""
        found: dict[str, Marks | Line | Bars] = {}
        for panel in self.panels:
            drawn: list[Marks | Line | Bars] = [*reversed(panel.marks), *panel.lines, *panel.bars]
            for series in drawn:
                if series.label:
                    found.setdefault(series.label, series)
        return list(found.values())


def rows_of(figure: Figure) -> tuple[list[str], list[list[str]]]:
    """A figure's numbers as a table: its heads, and a row for each point, bar or cell.

    >>> axis = Axis("trial", (0, 2))
    >>> line = Line("best", 0, [0, 1], [0.5, 0.75])
    >>> heads, rows = rows_of(Figure("best", "Best", "", [Panel("", axis, Axis("accuracy", (0, 1)), lines=[line])]))
    >>> heads, rows[1]
    (['series', 'trial', 'accuracy'], ['best', '1', '0.75'])
    """
    if figure.members is not None:
        return figure.members.rows()
    found = [row for panel in figure.panels for row in _rows(panel, len(figure.panels) > 1)]
    kept = [i for i in range(len(COLUMNS)) if any(row[i] for row in found)]
    heads = dict(zip(COLUMNS, COLUMNS, strict=True))
    for axis in ("x", "y"):
        labels = {getattr(panel, axis).label for panel in figure.panels}
        if len(labels) == 1:
            heads[axis] = labels.pop() or axis
    return [heads[COLUMNS[i]] for i in kept], [[row[i] for i in kept] for row in found]


def csv_of(figure: Figure) -> str:
    """A figure's numbers as CSV with a header."""
    heads, rows = rows_of(figure)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([printable(head) for head in heads])
    writer.writerows([[printable(cell) for cell in row] for row in rows])
    return out.getvalue()


def _rows(panel: Panel, several: bool) -> Iterator[list[str]]:
    title = (panel.title or f"{panel.y.label} against {panel.x.label}") if several else ""
    for marks in panel.marks:
        for i, (x, y) in enumerate(zip(marks.x, marks.y, strict=True)):
            ends = [*_ends(marks.x_range, i), *_ends(marks.y_range, i)]
            yield [title, marks.label, marks.names[i], _text(x), _text(y), *ends]
    for line in panel.lines:
        for x, y in zip(line.x, line.y, strict=True):
            yield [title, line.label or "line", "", _text(x), _text(y), "", "", "", ""]
    for bars in panel.bars:
        for name, length in zip(panel.y.names, bars.lengths, strict=True):
            if not math.isnan(length):
                yield [title, bars.label, name, _text(length), "", "", "", "", ""]
    if panel.shades is not None:
        for name, shades in zip(panel.y.names, panel.shades.shades, strict=True):
            for x, shade in zip(panel.shades.x, shades, strict=True):
                yield [title, name, "", _text(x), _text(shade), "", "", "", ""]
    for picture in panel.pictures:
        yield [title, "", picture.label, _text(picture.value), "", "", "", "", ""]


def _ends(ranges: Sequence[Ends | None], i: int) -> tuple[str, str]:
    found = ranges[i] if ranges else None
    return ("", "") if found is None else (_text(found[0]), _text(found[1]))


def _text(number: float) -> str:
    """A number in full, whole ones without a point; "" for NaN."""
    number = float(number)
    if math.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
