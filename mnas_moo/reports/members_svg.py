"""The members of a front as SVG within a page: parallel coordinates, and a matrix of pairs, brushed together.

Both are drawn twice, for wide and for narrow windows: on a phone the axes of parallel coordinates lie one below the
other. Members without a mark are one path, which the page's script (``members_script``) makes anew where ranges are
chosen; it reads the places of axes and cells from attributes. Without a script the ranges are hidden.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from mnas_moo.reports.members import Members, Objective, Pick
from mnas_moo.reports.svg_parts import DASHED, LETTER, mark_at, words_at

WIDE, NARROW = 860, 380
HIGH = 420
"""Height of the axes and labels of parallel coordinates in a wide window."""
ROW = 72
"""Height of an axis with its labels in a narrow one."""
GRIP = 34
"""Width of the strip along an axis on which a range can be drawn."""
INSET = 7
"""Pixels between the edge of a cell of the matrix and its outermost marks."""
SMALL = 5.9
"""Width of a letter of the class ``small``, about."""

Point = tuple[float, float]


def members_svg(members: Members, name: str, *, matrix: bool) -> str:
    """The members as HTML: legend, drawings, and with the parallel coordinates the ranges of both.

    Args:
        members: what is drawn.
        name: name of the figure, whose element ``NAME-says`` describes it.
        matrix: whether they are drawn pair by pair.
    """
    if matrix:
        drawn = "".join(_matrix(members, name, wide=wide) for wide in (True, False))
        return _legend(members) + drawn
    drawn = _upright(members, name) + _lying(members, name)
    return _ranges(members) + _legend(members) + drawn


def members_data(members: Members) -> dict[str, Any]:
    """What the page's script needs to know of the members, for JSON."""
    return {
        "names": list(members.names),
        "what": members.what,
        "picks": {pick.member: pick.label for pick in members.picks},
        "objectives": [
            {
                "label": each.label,
                "more": each.more,
                "places": [float(f"{each.place(value):.6f}") for value in each.values],
                "texts": list(each.texts),
            }
            for each in members.objectives
        ],
    }


def _opened(name: str, window: str, height: float, label: str, **places: str) -> str:
    data = "".join(f' data-{key}="{value}"' for key, value in places.items())
    width = WIDE if window == "wide" else NARROW
    says = html.escape(name)
    return (
        f'<svg class="plot members {window}" viewBox="0 0 {width} {height:.0f}" role="img" tabindex="0" '
        f'aria-label="{html.escape(label)}" aria-describedby="{says}-says" data-members="{says}"{data}>'
    )


def _parallel(members: Members, upright: bool, axes: Sequence[float], ends: Point) -> Iterator[str]:
    """Lines of the members across axes at these places, whose worst and best ends are at ``ends``."""

    def line(member: int) -> str:
        return "L".join(f"{x:.1f} {y:.1f}" for x, y in points(member))

    def points(member: int) -> Iterator[Point]:
        for axis, each in zip(axes, members.objectives, strict=True):
            along = ends[0] + each.goodness(each.values[member]) * (ends[1] - ends[0])
            yield (axis, along) if upright else (along, axis)

    for axis in axes:
        path = f"M{axis:.1f} {ends[0]:.1f}V{ends[1]:.1f}" if upright else f"M{ends[0]:.1f} {axis:.1f}H{ends[1]:.1f}"
        yield f'<path class="axis" d="{path}"/>'
    yield '<path class="away" d=""/>'
    yield f'<path class="line s0 others" d="{"".join("M" + line(i) for i in members.others)}"/>'
    for pick in reversed(members.picks):
        dash = DASHED[pick.dash]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        marks = "".join(mark_at(pick.shape, x, y, 4.5) for x, y in points(pick.member))
        yield (
            f'<g class="pick" data-member="{pick.member}"><path class="line s{pick.color}" d="M{line(pick.member)}"'
            f'{dashed}/><g class="marks large {_kind(pick)}">{marks}</g></g>'
        )


def _kind(pick: Pick) -> str:
    return f"{'s' if pick.shape == 'cross' else 'c'}{pick.color}"


def _upright(members: Members, name: str) -> str:
    """Parallel coordinates with axes beside each other, whose upper ends are the better ones."""
    column = WIDE / len(members.objectives)
    labels = [textwrap.wrap(each.label, max(8, int((column - 8) / LETTER))) for each in members.objectives]
    top = 24.0 + 15 * max(map(len, labels))
    ends = HIGH - 14.0, top + 8.0
    axes = [column * (m + 0.5) for m in range(len(members.objectives))]
    places = {"axes": " ".join(f"{axis:.1f}" for axis in axes), "ends": f"{ends[0]} {ends[1]}", "upright": "1"}
    parts = [_opened(name, "wide", HIGH, "Parallel coordinates: up is better on every axis", **places)]
    parts += _parallel(members, True, axes, ends)
    for m, (axis, each) in enumerate(zip(axes, members.objectives, strict=True)):
        for k, text in enumerate(labels[m]):
            parts.append(words_at(axis, 14 + 15 * k, text, "strong", "middle"))
        parts.append(words_at(axis, 14 + 15 * len(labels[m]), f"↑ {each.better}", "name small", "middle"))
        for value, text in each.ticks(6):
            y = ends[0] + each.goodness(value) * (ends[1] - ends[0])
            parts.append(f'<path class="axis" d="M{axis - 3:.1f} {y:.1f}h6"/>')
            parts.append(words_at(axis + 8, y + 4, text, "tick halo"))
        parts.append(_grip(m, axis - GRIP / 2, ends[1] - 6, GRIP, ends[0] - ends[1] + 12))
    return "".join([*parts, "</svg>"])


def _lying(members: Members, name: str) -> str:
    """Parallel coordinates with axes below each other, whose right ends are the better ones."""
    ends = 26.0, NARROW - 26.0
    axes = [ROW * m + 34.0 for m in range(len(members.objectives))]
    places = {"axes": " ".join(f"{axis:.1f}" for axis in axes), "ends": f"{ends[0]} {ends[1]}", "upright": ""}
    high = ROW * len(axes)
    parts = [_opened(name, "narrow", high, "Parallel coordinates: right is better on every axis", **places)]
    parts += _parallel(members, False, axes, ends)
    for m, (axis, each) in enumerate(zip(axes, members.objectives, strict=True)):
        parts.append(words_at(2, axis - 16, each.label, "strong halo"))
        parts.append(words_at(NARROW - 2, axis - 16, f"{each.better} →", "name small halo", "end"))
        for value, text in each.ticks(4):
            x = ends[0] + each.goodness(value) * (ends[1] - ends[0])
            half = LETTER * len(text) / 2
            parts.append(f'<path class="axis" d="M{x:.1f} {axis - 3:.1f}v6"/>')
            parts.append(words_at(min(max(x, half), NARROW - half), axis + 17, text, "tick halo", "middle"))
        parts.append(_grip(m, ends[0] - 6, axis - GRIP / 2, ends[1] - ends[0] + 12, GRIP))
    return "".join([*parts, "</svg>"])


def _grip(m: int, x: float, y: float, width: float, height: float) -> str:
    """The strip along an axis on which a range can be drawn, and the range."""
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="range" data-objective="{m}"/><rect class="grip" data-objective="{m}" {box}/>'


def _matrix(members: Members, name: str, *, wide: bool) -> str:
    """All pairs of objectives: a row has one objective upwards, a column one to the right."""
    width, left, between = (WIDE, 62.0, 12.0) if wide else (NARROW, 52.0, 6.0)
    cell_high, letter, kind = (112.0, LETTER, "") if wide else (66.0, SMALL, " small")
    count = len(members.objectives) - 1
    cell_wide = min(210.0, (width - left - 4 - between * (count - 1)) / count)
    cells, parts = list[str](), list[str]()
    top = 22.0
    for row in range(count):
        upwards = members.objectives[row]
        lefts = [left + c * (cell_wide + between) for c in range(row, count)]
        parts.append(_row_words(upwards, lefts[0], top - 8, width, letter, kind))
        for mark, text in _ticks(upwards, 4, wide=wide):
            y = _down(upwards, mark, top, cell_high)
            parts.append(words_at(lefts[0] - 5, y + 4, text, f"tick{kind}", "end"))
        for c, x in enumerate(lefts, start=row + 1):
            cells.append(f"{row} {c} {x:.1f} {top:.1f} {cell_wide:.1f} {cell_high:.1f}")
            parts += _cell(members, upwards, members.objectives[c], x, top, cell_wide, cell_high, wide=wide)
        across, right = members.objectives[row + 1], lefts[0] + cell_wide
        for mark, text in _ticks(across, 3, wide=wide):
            anchor = "end" if across.place(mark) == 1 else "middle"  # to the right there may be another plot's
            x = right if anchor == "end" else lefts[0] + _inset(across.place(mark), cell_wide)
            parts.append(words_at(x, top + cell_high + 14, text, f"tick{kind}", anchor))
        way = "→" if across.more else "←"
        lines = textwrap.wrap(f"{across.label} {way} better", max(8, int(right / letter)))
        for k, line in enumerate(lines):
            parts.append(words_at(right, top + cell_high + 28 + 13 * k, line, f"name{kind}", "end"))
        top += cell_high + 50 + 13 * len(lines)
    label = f"{len(cells)} plots, each pair of objectives against each other"
    places = {"cells": ";".join(cells), "inset": str(INSET)}
    return "".join([_opened(name, "wide" if wide else "narrow", top - 28, label, **places), *parts, "</svg>"])


def _ticks(objective: Objective, most: int, *, wide: bool) -> list[tuple[float, str]]:
    """Ticks of an axis of the matrix; in a narrow window its two ends, in three digits."""
    if wide:
        return objective.ticks(most)
    return [
        (value, f"{100 * value:.3g} %" if objective.percent else f"{value:.3g}")
        for value in dict.fromkeys(objective.ends)
    ]


def _row_words(upwards: Objective, x: float, y: float, width: float, letter: float, kind: str) -> str:
    """The label of a row above its first cell, or so far to the left of it as the text needs."""
    text = f"{upwards.label} {'↑' if upwards.more else '↓'} better"
    fits = x + letter * len(text) < width
    return words_at(x if fits else width - 2, y, text, f"name{kind}", "start" if fits else "end")


def _inset(place: float, size: float) -> float:
    return INSET + place * (size - 2 * INSET)


def _down(upwards: Objective, value: float, top: float, high: float) -> float:
    return top + high - _inset(upwards.place(value), high)


def _cell(
    members: Members,
    upwards: Objective,
    across: Objective,
    x: float,
    top: float,
    width: float,
    high: float,
    *,
    wide: bool,
) -> Iterator[str]:
    def at(member: int) -> Point:
        place = across.place(across.values[member])
        return x + _inset(place, width), _down(upwards, upwards.values[member], top, high)

    dots = "".join("M{:.1f} {:.1f}h0".format(*at(i)) for i in members.others)
    size = "" if wide else " little"
    yield f'<rect class="grid" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{high:.1f}"/>'
    yield f'<path class="away dots{size}" d=""/><path class="dots{size} s0 others" d="{dots}"/>'
    for pick in reversed(members.picks):
        mark = mark_at(pick.shape, *at(pick.member), 5.5 if wide else 4.5)
        yield f'<g class="pick marks large {_kind(pick)}" data-member="{pick.member}">{mark}</g>'


def _legend(members: Members) -> str:
    entries = []
    for pick in members.picks:
        dashed = f' stroke-dasharray="{DASHED[pick.dash] or "none"}"'
        mark = (
            f'<path class="line s{pick.color}" d="M1 8H29"{dashed}/>'
            f'<g class="marks large {_kind(pick)}">{mark_at(pick.shape, 15, 8, 4.5)}</g>'
        )
        entries.append((mark, pick.label))
    if members.others:
        mark = '<path class="line s0 others" d="M1 8H29"/><path class="dots s0" d="M15 8h0"/>'
        entries.append((mark, members.rest))
    items = "".join(
        f'<li><svg class="long" viewBox="0 0 30 16" aria-hidden="true">{mark}</svg>{html.escape(words, quote=False)}'
        "</li>"
        for mark, words in entries
    )
    return f'<ul class="legend">{items}</ul>'


def _ranges(members: Members) -> str:
    """The ranges that one may choose, hidden until the script has made them work."""
    sets = []
    for m, each in enumerate(members.objectives):
        inputs = "".join(
            f'<label>{words} <input type="range" min="0" data-objective="{m}" data-end="{end}">'
            "<output></output></label>"
            for words, end in (("at least", "low"), ("at most", "high"))
        )
        label = html.escape(each.label, quote=False)
        sets.append(f'<fieldset><legend>{label} <span class="soft">{each.better}</span></legend>{inputs}</fieldset>')
    return (
        '<div class="ranges" hidden><p class="soft">Drag along an axis, or move the ends of a range, and what lies '
        "outside fades in both plots; a tap on an axis frees it.</p>"
        f"<details><summary>Set the ranges in numbers</summary><div>{''.join(sets)}</div></details>"
        '<p class="count"><strong role="status"></strong> <button type="button">Reset</button></p></div>'
    )
