"""A figure's panels as SVG within a page, and the numbers behind them for the page's script (``page_script``).

Colours are classes (``c0``, ``c1``...) that the page's style gives for light and dark windows. Texts of a study are
escaped. Ids begin with the figure's name, so that several figures stand on one page.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mnas_moo.reports.axes import tick_text, ticks
from mnas_moo.reports.figures import Axis, Bars, Figure, Line, Marks, Panel, Picture
from mnas_moo.reports.members_svg import members_data, members_svg
from mnas_moo.reports.panels import COLORS
from mnas_moo.reports.svg_parts import DASHED, LETTER, mark_at, words_at

ROW = 24
"""Height of a bar with its name."""
SHADE_ROW = 13
LEAST_SHADE = 0.02
"""A lighter cell of a map is not drawn."""


@dataclass(frozen=True)
class Size:
    """Width and height of a panel in SVG's units; with ``window`` the class of the windows that it is for."""

    width: int
    height: int
    window: str = ""


ALONE = (Size(860, 440, "wide"), Size(380, 340, "narrow"))
"""A panel that is alone is drawn twice, for wide and for narrow windows."""
BESIDE = (Size(390, 260),)


@dataclass(frozen=True)
class _Frame:
    """Where data are in the drawing: edges of the axes, and what they stand for."""

    left: float
    top: float
    right: float
    bottom: float
    x: Axis
    y: Axis

    def across(self, value: float) -> float:
        """Horizontal place of a value."""
        low, high = self.x.ends
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def down(self, value: float) -> float:
        """Vertical place of a value."""
        low, high = self.y.ends
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def shows(self, x: float, y: float) -> bool:
        """Whether a point lies within the axes."""
        (left, right), (low, high) = self.x.ends, self.y.ends
        return left <= x <= right and low <= y <= high


def figure_svg(figure: Figure) -> str:
    """The panels of a figure as SVG, with its legend in HTML above them; images are a list in HTML, which wraps."""
    if figure.members is not None:
        return members_svg(figure.members, figure.name, matrix=figure.matrix)
    if figure.panels[0].pictures:
        return "".join(_pictures(panel.pictures) for panel in figure.panels)
    sizes = ALONE if len(figure.panels) == 1 else BESIDE
    drawn = [
        _panel_svg(figure, k, panel, size) for k, panel in enumerate(figure.panels) for size in _fitting(panel, sizes)
    ]
    layout = "alone" if len(figure.panels) == 1 else "beside"
    return f'{_legend(figure)}<div class="{layout}">{"".join(drawn)}</div>'


def _pictures(pictures: Sequence[Picture]) -> str:
    entries = []
    for picture in pictures:
        source = base64.b64encode(picture.png).decode()
        label, text = html.escape(picture.label), html.escape(picture.text)
        entries.append(f'<li><img alt="{label}" src="data:image/png;base64,{source}"/>{label}<br/>{text}</li>')
    return f'<ol class="pictures">{"".join(entries)}</ol>'


def figure_data(figure: Figure) -> dict[str, Any]:
    """What the page's script needs to know of a figure, for JSON: axes and points of its panels, and notes by name.

    Of a front's members, the figure of parallel coordinates has what that of their pairs needs too.
    """
    if figure.members is not None:
        told = dict(zip(figure.members.names, figure.members.notes, strict=True))
        own = {} if figure.matrix else {"members": members_data(figure.members), "notes": told}
        return {"panels": [], "notes": {}, **own}
    notes = {
        name: note
        for panel in figure.panels
        for marks in panel.marks
        for name, note in zip(marks.names, marks.notes, strict=False)
    }
    return {"panels": [_panel_data(panel) for panel in figure.panels], "notes": notes}


def _panel_data(panel: Panel) -> dict[str, Any]:
    series: list[dict[str, Any]] = [
        {"label": m.label, "x": _rounded(m.x), "y": _rounded(m.y), "names": list(m.names), "large": m.large}
        for m in panel.marks
    ]
    series += [
        {"label": line.label, "x": _rounded(line.x), "y": _rounded(line.y), "named": line.named}
        for line in panel.lines
        if line.named
    ]
    axes = {name: [axis.label, *axis.ends, axis.percent] for name, axis in (("x", panel.x), ("y", panel.y))}
    return {**axes, "series": series}


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _fitting(panel: Panel, sizes: Sequence[Size]) -> Iterator[Size]:
    """The sizes of a panel: bars and maps are as high as they have rows."""
    for size in sizes:
        if panel.bars:
            yield Size(size.width, 46 + ROW * len(panel.y.names), size.window)
        elif panel.shades is not None:
            yield Size(size.width, 76 + SHADE_ROW * len(panel.y.names), size.window)
        else:
            yield size


def _panel_svg(figure: Figure, k: int, panel: Panel, size: Size) -> str:
    name = html.escape(f"{figure.name}-{k}{size.window[:1]}")
    label = panel.title or f"{panel.y.label} against {panel.x.label}"
    frame = _frame(panel, size)
    box = " ".join(f"{edge:.1f}" for edge in (frame.left, frame.top, frame.right, frame.bottom))
    points = any(marks.x for marks in panel.marks) or any(line.named for line in panel.lines)
    says = html.escape(figure.name)
    pointed = f' tabindex="0" data-figure="{says}" data-panel="{k}" data-box="{box}"' if points else ""
    parts = [
        f'<svg class="plot {size.window}" viewBox="0 0 {size.width} {size.height}" role="img" '
        f'aria-label="{html.escape(label)}" aria-describedby="{says}-says"{pointed}>',
        f'<clipPath id="{name}"><rect x="{frame.left:.1f}" y="{frame.top:.1f}" width="{frame.right - frame.left:.1f}" '
        f'height="{frame.bottom - frame.top:.1f}"/></clipPath>',
    ]
    if panel.title:
        parts.append(words_at(2, 15, panel.title, "head"))
    if panel.y.label:
        parts.append(words_at(2, 15 + 18 * bool(panel.title), panel.y.label, "name"))
    parts += _x_axis(frame, size) if not panel.bars else []
    if not panel.y.names:
        parts += _y_axis(frame)
    parts.append(f'<g clip-path="url(#{name})">')
    parts += _shades(panel, frame)
    for line in panel.lines:
        parts.append(_line(line, frame))
    for marks in panel.marks:
        parts += _marks(marks, frame)
    parts.append("</g>")
    parts += _rows(panel, frame)
    parts += _bars(panel, frame)
    parts += _tags(panel, frame)
    return "".join([*parts, "</svg>"])


def _frame(panel: Panel, size: Size) -> _Frame:
    top = 10 + 18 * (bool(panel.title) + bool(panel.y.label)) + 4
    bottom = size.height - (4 if panel.bars else 40)
    if panel.y.names:
        longest = max(map(len, panel.y.names), default=0)
        left = min(0.45 * size.width, 12 + LETTER * longest)
    else:
        marks = ticks(panel.y.ends, _most_rows(bottom - top))
        left = 14 + LETTER * max((len(tick_text(mark, panel.y.percent, marks)) for mark in marks), default=1)
    return _Frame(left, top, size.width - 12, bottom, panel.x, panel.y)


def _most_rows(height: float) -> int:
    return max(2, int(height // 45))


def _x_axis(frame: _Frame, size: Size) -> Iterator[str]:
    step = (frame.right - frame.left) / max(1, len(frame.x.names))
    for i, name in enumerate(frame.x.names):
        left = frame.left + i * step
        yield f'<path class="grid" d="M{left:.1f} {frame.top:.1f}V{frame.bottom:.1f}"/>'
        yield words_at(left + step / 2, frame.bottom + 16, _cut(name, step + 8), "tick small", "middle")
    marks = [] if frame.x.names else ticks(frame.x.ends, 10 if size.width > 500 else 5)
    for mark in marks:
        x = frame.across(mark)
        yield f'<path class="grid" d="M{x:.1f} {frame.top:.1f}V{frame.bottom:.1f}"/>'
        yield words_at(x, frame.bottom + 16, tick_text(mark, frame.x.percent, marks), "tick", "middle")
    yield f'<path class="axis" d="M{frame.left:.1f} {frame.bottom:.1f}H{frame.right:.1f}"/>'
    yield words_at(frame.right, frame.bottom + 34, frame.x.label, "name", "end")


def _y_axis(frame: _Frame) -> Iterator[str]:
    marks = ticks(frame.y.ends, _most_rows(frame.bottom - frame.top))
    for mark in marks:
        y = frame.down(mark)
        yield f'<path class="grid" d="M{frame.left:.1f} {y:.1f}H{frame.right:.1f}"/>'
        yield words_at(frame.left - 6, y + 4, tick_text(mark, frame.y.percent, marks), "tick", "end")


def _line(line: Line, frame: _Frame) -> str:
    points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    places = [(f"{frame.across(x):.1f}", f"{frame.down(y):.1f}") for x, y in points]
    path = "".join(_step(place, before, line.turns) for before, place in zip([None, *places], places, strict=False))
    if len(places) == 1:
        mark = mark_at("circle", float(places[0][0]), float(places[0][1]), 4)
        return f'<g class="marks c{line.color % len(COLORS)}">{mark}</g>'
    dash = DASHED[line.dash]
    dashed = f' stroke-dasharray="{dash}"' if dash and line.label else ""
    return f'<path class="line s{line.color % len(COLORS)}" d="{path}"{dashed}/>'


def _step(place: tuple[str, str], before: tuple[str, str] | None, turns: str) -> str:
    x, y = place
    if before is None:
        return f"M{x} {y}"
    return {"hv": f"H{x}V{y}", "vh": f"V{y}H{x}"}.get(turns, f"L{x} {y}")


def _marks(marks: Marks, frame: _Frame) -> Iterator[str]:
    shown = [i for i, (x, y) in enumerate(zip(marks.x, marks.y, strict=True)) if frame.shows(x, y)]
    bars = ""
    for i in shown:
        x, y = frame.across(marks.x[i]), frame.down(marks.y[i])
        if marks.x_range and (ends := marks.x_range[i]):
            bars += f"M{frame.across(ends[0]):.1f} {y:.1f}H{frame.across(ends[1]):.1f}"
        if marks.y_range and (ends := marks.y_range[i]):
            bars += f"M{x:.1f} {frame.down(ends[0]):.1f}V{frame.down(ends[1]):.1f}"
    color = marks.color % len(COLORS)
    if bars:
        yield f'<path class="bar s{color}{"" if marks.large else " faint"}" d="{bars}"/>'
    yield f'<g class="marks {"large " if marks.large else ""}{"s" if marks.shape == "cross" else "c"}{color}">'
    for i in shown:
        yield mark_at(marks.shape, frame.across(marks.x[i]), frame.down(marks.y[i]), 6 if marks.large else 3.5)
    yield "</g>"


def _tags(panel: Panel, frame: _Frame) -> Iterator[str]:
    """Words beside marks, each where it covers neither the edge nor the ones before it."""
    taken: list[tuple[float, float, float]] = []  # left, right, base line
    for marks in panel.marks:
        for i, words in marks.tags:
            if not frame.shows(marks.x[i], marks.y[i]):
                continue
            x, y, wide = frame.across(marks.x[i]), frame.down(marks.y[i]), LETTER * len(words)
            places = [
                (x + aside, y + below, anchor)
                for above, beneath in ((-10, 20), (-26, 36))
                for aside, below, anchor in (
                    (-6, above, "end"),  # first where no other trial can be
                    (6, beneath, "start"),
                    (6, above, "start"),
                    (-6, beneath, "end"),
                )
            ]
            for at, base, anchor in places:
                left = at - wide if anchor == "end" else at
                fits = frame.left < left and left + wide < frame.right and frame.top + 8 < base < frame.bottom - 4
                free = all(right < left or left + wide < start or abs(base - line) > 13 for start, right, line in taken)
                if fits and free:
                    taken.append((left, left + wide, base))
                    yield words_at(at, base, words, "tag", anchor)
                    break


def _bars(panel: Panel, frame: _Frame) -> Iterator[str]:
    for bars in panel.bars:
        for i, (name, length) in enumerate(zip(panel.y.names, bars.lengths, strict=True)):
            if math.isnan(length):
                continue
            y = frame.top + ROW * i
            yield words_at(frame.left - 6, y + 15, _cut(name, frame.left), "tick", "end")
            wide = max(1.0, frame.across(length) - frame.left)
            yield (
                f'<rect class="c{bars.color % len(COLORS)}" x="{frame.left:.1f}" y="{y + 3:.1f}" width="{wide:.1f}" '
                f'height="{ROW - 8}" rx="2"/>'
            )
            text = f"{100 * length:.1f} %" if panel.x.percent else f"{length:.3g}"
            yield words_at(frame.left + wide + 5, y + 15, text, "tick")


def _cut(name: str, room: float) -> str:
    most = int((room - 8) // LETTER)
    return name if len(name) <= most else name[: most - 1] + "…"


def _rows(panel: Panel, frame: _Frame) -> Iterator[str]:
    """Names of the rows of a map, which stand outside its axes."""
    for row, name in enumerate(panel.y.names if panel.shades is not None else ()):
        y = frame.top + SHADE_ROW * row
        yield words_at(frame.left - 6, y + 10.5, _cut(name, frame.left), "tick small", "end")


def _shades(panel: Panel, frame: _Frame) -> Iterator[str]:
    if panel.shades is None:
        return
    step = (frame.right - frame.left) / max(1, len(panel.shades.x))
    for row, shades in enumerate(panel.shades.shades):
        y = frame.top + SHADE_ROW * row
        for k, shade in enumerate(shades):
            if shade >= LEAST_SHADE:
                yield (
                    f'<rect class="c1" x="{frame.left + k * step:.1f}" y="{y:.1f}" width="{step + 0.2:.1f}" '
                    f'height="{SHADE_ROW - 1}" fill-opacity="{min(1.0, shade):.2f}"/>'
                )


def _legend(figure: Figure) -> str:
    entries = []
    for series in figure.legend:
        color = series.color % len(COLORS)
        if isinstance(series, Marks):
            kind = "s" if series.shape == "cross" else "c"
            mark = f'<g class="marks {"large " * series.large}{kind}{color}">{mark_at(series.shape, 13, 8, 5)}</g>'
        elif isinstance(series, Line):
            mark = f'<path class="line s{color}" d="M1 8H25" stroke-dasharray="{DASHED[series.dash] or "none"}"/>'
        else:
            assert isinstance(series, Bars)
            mark = f'<rect class="c{color}" x="5" y="2" width="16" height="12"/>'
        label = html.escape(series.label, quote=False)
        entries.append(f'<li><svg viewBox="0 0 26 16" aria-hidden="true">{mark}</svg>{label}</li>')
    return f'<ul class="legend">{"".join(entries)}</ul>' if entries else ""
