"""A picture of a network, as SVG: a column for each resolution, a card for each block, coloured by operation.

A card gives operation and kernel, the number of equal layers, channels in and out, stride, squeeze-and-excite, the
skip, and the block's share of the network's multiply-adds as a bar. The text is built without a library; the name of
the specification is the only text from outside, and is escaped.
"""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from mnas_moo.spaces.cells import in_words
from mnas_moo.spaces.spec import Layer, NetworkSpec

_CARD_WIDTH, _CARD_HEIGHT, _CARD_GAP = 180, 60, 20
_PAD_LEFT, _PAD_RIGHT, _COLUMN_GAP = 20, 30, 12
_MARGIN, _HEADING = 24, 96
_BAND_HEAD = 34
_BAR = 50
_STEP_LINE, _STEP_LETTERS = 13, 26  # of a line of a cell's steps: height in pixels, letters that fit
_ASPECT = 1.7  # width over height that the wrapping of tall columns aims at
_NAME_LENGTH = 60

_BY = "\N{MULTIPLICATION SIGN}"
_INK, _FAINT, _LINE, _BAND = "#1f2933", "#5b6875", "#7b8794", "#f3f5f8"
_NEUTRAL = ("#7b8794", "#ffffff")
_GATE, _SKIP = "#b83280", "#2f855a"
# (strong, tint) by operation and expansion; expansions that are not listed share the last.
_COLOURS = {
    ("conv", 1): ("#dd6b20", "#fdf0e3"),
    ("basic", 1): ("#b7410e", "#fbe9df"),
    ("mbconv", 1): ("#38a169", "#e9f7ee"),
    ("mbconv", 3): ("#3f9bd8", "#e8f4fc"),
    ("mbconv", 6): ("#2b5fb8", "#e5ecfa"),
}
_OTHER = ("#6b46c1", "#f0ebfb")
_SEVERAL = ("#8a6d1f", "#f8f1dc")


@dataclass(frozen=True)
class _Card:
    """One box: a run of alike layers, or one of the fixed parts."""

    title: str
    channels: str
    colours: tuple[str, str]
    size: tuple[int, int]
    multiply_adds: int = 0
    repeats: int = 1
    stride: int = 1
    gate: float = 0.0
    skip: str = "none"
    skipped: int = 0
    steps: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The steps of a cell, in lines that fit into the box."""
        return textwrap.wrap(" → ".join(step.replace(" ", "\N{NO-BREAK SPACE}") for step in self.steps), _STEP_LETTERS)

    @property
    def height(self) -> int:
        """Height of the box."""
        return _CARD_HEIGHT + _STEP_LINE * len(self.lines)


def picture(spec: NetworkSpec) -> str:
    """The network as an SVG document.

    >>> from mnas_moo.spaces import network
    >>> from mnas_moo.spaces.picture import picture
    >>> picture(network("mnasnet-a1"))[:40]
    '<svg xmlns="http://www.w3.org/2000/svg" '

    Args:
        spec: any network.

    Returns:
        Valid XML, to be encoded in UTF-8, without scripts, fonts or links. Its first tag gives the size, which grows
        with the number of blocks.
    """
    cards = _cards(spec)
    bands = [list(band) for _, band in itertools.groupby(cards, key=lambda card: card.size)]
    rows = min(range(1, max(map(len, bands)) + 1), key=lambda n: _misfit(bands, n))
    width, height = _extent(bands, rows)
    legend = _legend(cards, spec, width)
    bottom = height + 26 * len(legend)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom}" viewBox="0 0 {width} {bottom}" '
        'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" role="img">',
        f"<title>{_name(spec)}</title>",
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{_LINE}"/></marker>'
        f'<marker id="skip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{_SKIP}"/></marker></defs>',
        f'<rect width="{width}" height="{bottom}" fill="#ffffff"/>',
        *_heading(spec, width),
    ]
    largest = max(card.multiply_adds for card in cards)
    x = _MARGIN
    places: list[tuple[_Card, int, int]] = []
    for band in bands:
        columns = _columns(band, rows)
        band_width = len(columns) * _column_width()
        parts.append(
            f'<rect x="{x}" y="{_HEADING}" width="{band_width}" height="{height - _HEADING - 14}" rx="8" '
            f'fill="{_BAND}"/>'
        )
        parts.append(
            _text(x + band_width / 2, _HEADING + 23, f"{band[0].size[0]} {_BY} {band[0].size[1]}", 14, bold=True)
        )
        for column in columns:
            top = _HEADING + _BAND_HEAD
            for card in column:
                places.append((card, x + _PAD_LEFT, top))
                top += card.height + _CARD_GAP
            x += _column_width()
        x += _COLUMN_GAP
    parts += [_arrow(*a, *b) for a, b in itertools.pairwise(places)]
    for card, left, top in places:
        parts += _draw(card, left, top, spec.multiply_adds, largest)
    for i, line in enumerate(legend):
        parts += [f'<g transform="translate(0 {height + 26 * i})">', *line, "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _cards(spec: NetworkSpec) -> list[_Card]:
    cost: dict[str, int] = defaultdict(int)
    size: dict[str, tuple[int, int]] = {}
    for node in spec.nodes:
        part = ".".join(node.name.split(".")[: 2 if node.name.startswith("layers.") else 1])
        cost[part] += node.operation.multiply_adds(*node.input_shapes)
        size[part] = node.shape[1:]
    channels, *image = spec.input_shape
    cards = [
        _Card("Input", f"{channels} channel{'s' * (channels > 1)}", _NEUTRAL, (image[0], image[1])),
        _layers_card((spec.stem,), "Stem ", size["stem"], cost["stem"]),
    ]
    index = 0
    for block in spec.blocks:
        names = [f"layers.{i}" for i in range(index, index + len(block))]
        cards.append(_layers_card(block, "", size[names[0]], sum(cost[name] for name in names)))
        index += len(block)
    width, last = (spec.layers or (spec.stem,))[-1].out_channels, cards[-1].size
    if spec.head:
        cards.append(_Card(f"Head Conv 1{_BY}1", f"{width} → {spec.head}", _COLOURS["conv", 1], last, cost["head"]))
    classifier = f"{spec.head or width} → {spec.classes} classes"
    return [*cards, _Card("Pool, linear", classifier, _NEUTRAL, last, cost["classifier"])]


def _layers_card(block: Sequence[Layer], prefix: str, size: tuple[int, int], multiply_adds: int) -> _Card:
    first = block[0]
    skips = [layer.effective_skip for layer in block if layer.effective_skip != "none"]
    return _Card(
        title=f"{prefix}{_title(first)}",
        channels=f"{first.in_channels} → {block[-1].out_channels}",
        colours=_colours(first),
        size=size,
        multiply_adds=multiply_adds,
        repeats=len(block),
        stride=first.stride,
        gate=first.se_ratio,
        skip=skips[0] if skips else "none",
        skipped=len(skips),
        steps=tuple(step.replace("x", _BY) for step in in_words(first.cell)),
    )


def _title(layer: Layer) -> str:
    if layer.beside:
        return f"Sum of {len(layer.modules)} layers"
    return f"{_operation(layer)} {layer.kernel}{_BY}{layer.kernel}"


def _colours(layer: Layer) -> tuple[str, str]:
    return _SEVERAL if layer.beside else _COLOURS.get((layer.operation, layer.expansion), _OTHER)


def _operation(layer: Layer) -> str:
    if layer.beside:
        return "Sum of layers"
    if layer.operation == "basic":
        return "2 Convs"
    if layer.operation in ("conv", "bare"):
        return "Conv"
    if layer.operation == "cell":
        return "Cell"
    name = "SepConv" if layer.expansion == 1 else f"MBConv{layer.expansion}"
    return f"{name} g{layer.groups}" if layer.groups > 1 else name


def _columns(band: Sequence[_Card], rows: int) -> list[Sequence[_Card]]:
    """A band's cards in columns of at most ``rows``, as equal as can be."""
    n = math.ceil(len(band) / rows)
    cuts = [math.ceil(len(band) * i / n) for i in range(n + 1)]
    return [band[a:b] for a, b in itertools.pairwise(cuts)]


def _column_width() -> int:
    return _PAD_LEFT + _CARD_WIDTH + _PAD_RIGHT


def _extent(bands: Iterable[Sequence[_Card]], rows: int) -> tuple[int, int]:
    """Width and height of all but the legend."""
    columns = [_columns(band, rows) for band in bands]
    width = sum(len(band) * _column_width() + _COLUMN_GAP for band in columns) - _COLUMN_GAP
    tallest = max(sum(card.height + _CARD_GAP for card in column) for band in columns for column in band)
    return max(700, 2 * _MARGIN + width), _HEADING + _BAND_HEAD + tallest + 18


def _misfit(bands: Iterable[Sequence[_Card]], rows: int) -> float:
    width, height = _extent(bands, rows)
    return abs(math.log(width / height / _ASPECT))


def _heading(spec: NetworkSpec, width: int) -> list[str]:
    figures = (
        (_short(spec.parameters), "parameters"),
        (_short(spec.multiply_adds), "multiply-adds"),
        (f"{_short(spec.peak_memory_bytes)}B", "peak memory"),
    )
    parts = [
        _text(_MARGIN, 40, _name(spec), 22, bold=True, anchor="start"),
        _line(_MARGIN, 52, width - _MARGIN, 52, "#d5dbe1"),
    ]
    x = _MARGIN
    for number, unit in figures:
        parts.append(
            f'<text x="{x}" y="78" font-size="14" fill="{_FAINT}"><tspan font-size="17" font-weight="bold" '
            f'fill="{_INK}">{number}</tspan> {unit}</text>'
        )
        x += 20 + 10 * len(number) + 8 * len(unit)
    return parts


def _draw(card: _Card, x: int, y: int, total: int, largest: int) -> list[str]:
    strong, tint = card.colours
    w, h = _CARD_WIDTH, card.height
    low = y + h - _CARD_HEIGHT  # what stands below the steps of a cell
    parts = [
        f'<rect x="{x + 4 * i}" y="{y + 4 * i}" width="{w}" height="{h}" rx="6" fill="{tint}" stroke="{strong}"/>'
        for i in range(min(card.repeats, 3) - 1, 0, -1)
    ]
    parts += [
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" fill="{tint}" stroke="{strong}"/>',
        f'<path d="M{x + 6} {y}h-1a5 6 0 0 0 -5 6v{h - 12}a5 6 0 0 0 5 6h1z" fill="{strong}"/>',
        _text(x + 14, y + 20, card.title, 13, bold=True, anchor="start"),
        *(_text(x + 14, y + 35 + _STEP_LINE * i, line, 10, anchor="start") for i, line in enumerate(card.lines)),
        _text(x + 14, low + 36, card.channels, 12, anchor="start", colour=_FAINT),
    ]
    if card.repeats > 1:
        parts.append(_text(x + w - 9, y + 20, f"{_BY}{card.repeats}", 14, bold=True, anchor="end", colour=strong))
    if card.stride > 1:
        parts.append(_text(x + w - 9, low + 36, f"stride {card.stride}", 11, anchor="end", colour=_FAINT))
    if card.multiply_adds:
        full = max(1.0, _BAR * card.multiply_adds / largest)
        parts += [
            f'<rect x="{x + 14}" y="{low + 45}" width="{_BAR}" height="6" rx="2" fill="#ffffff" stroke="{strong}" '
            'stroke-width="0.5"/>',
            f'<rect x="{x + 14}" y="{low + 45}" width="{full:.1f}" height="6" rx="2" fill="{strong}"/>',
            _text(x + 20 + _BAR, low + 52, _share(card.multiply_adds / total), 11, anchor="start", colour=_FAINT),
        ]
    if card.gate:
        parts += _chip(x + w - 8, low + 52, f"SE {card.gate:g}")
    if card.skip != "none":
        right, end = x + w, x + w + 4 * (min(card.repeats, 3) - 1) + 1  # from the input round to the output
        parts.append(_arc(f"M{right} {y + 9}C{right + 26} {y + 9} {right + 26} {low + 51} {end} {low + 51}", card.skip))
        if card.skipped < card.repeats:
            label = f"{card.skipped}/{card.repeats}"
            parts.append(_text(x + w + 16, y + h + 12, label, 10, colour=_SKIP))
    return parts


def _chip(right: int, y: int, label: str) -> list[str]:
    width = 6.2 * len(label) + 8
    return [
        f'<rect x="{right - width:.1f}" y="{y - 11}" width="{width:.1f}" height="14" rx="7" fill="{_GATE}"/>',
        _text(right - width / 2, y, label, 10, bold=True, colour="#ffffff"),
    ]


def _arc(path: str, skip: str) -> str:
    dash = ' stroke-dasharray="4 3"' if skip == "pooling" else ""
    return f'<path d="{path}" fill="none" stroke="{_SKIP}" stroke-width="1.8"{dash} marker-end="url(#skip)"/>'


def _arrow(card: _Card, x: int, y: int, following: _Card, next_x: int, next_y: int) -> str:
    """An arrow from one card to the next: down, or through the gap between two columns."""
    middle = x + _CARD_WIDTH // 2
    if x == next_x:
        path = f"M{middle} {y + card.height}V{next_y - 1}"
    else:
        gap = next_x - 12
        below = y + card.height + 14
        path = f"M{middle} {y + card.height}V{below}H{gap}V{next_y + following.height // 2}H{next_x - 1}"
    return f'<path d="{path}" fill="none" stroke="{_LINE}" stroke-width="1.5" marker-end="url(#tip)"/>'


def _legend(cards: Sequence[_Card], spec: NetworkSpec, width: int) -> list[list[str]]:
    """The meanings of the colours and marks that are used, broken into lines that fit."""
    entries: list[tuple[list[str], str]] = []
    operations = {_operation(layer): layer for layer in (spec.stem, *spec.layers)}
    for name, layer in operations.items():
        strong, tint = _colours(layer)
        mark = [f'<rect x="0" y="2" width="16" height="12" rx="3" fill="{tint}" stroke="{strong}" stroke-width="2"/>']
        entries.append((mark, name))
    if any(card.repeats > 1 for card in cards):
        entries.append(([_text(8, 13, f"{_BY}3", 13, bold=True)], "alike layers, the first with the stride"))
    entries += [
        ([_arc("M1 2C21 2 21 14 3 14", skip)], label)
        for skip, label in (
            ("identity", "identity skip"),
            ("pooling", f"3{_BY}3 average skip"),
            ("dense", "input beside result"),
        )
        if any(card.skip == skip for card in cards)
    ]
    if any(0 < card.skipped < card.repeats for card in cards):
        entries.append(([_text(8, 12, "2/3", 10, colour=_SKIP)], "layers with the skip"))
    if any(card.gate for card in cards):
        entries.append((_chip(18, 12, "SE"), "squeeze-and-excite"))
    bar = f'<rect x="0" y="5" width="16" height="6" rx="2" fill="{_LINE}"/>'
    entries.append(([bar], "share of multiply-adds"))
    lines: list[list[str]] = [[]]
    x = _MARGIN
    for mark, label in entries:
        wide = 48 + round(5.8 * len(label))
        if x + wide > width and lines[-1]:
            lines.append([])
            x = _MARGIN
        lines[-1] += [f'<g transform="translate({x} 0)">', *mark, _text(24, 12, label, 12, anchor="start"), "</g>"]
        x += wide
    return lines


def _text(
    x: float, y: float, text: str, size: int, *, bold: bool = False, anchor: str = "middle", colour: str = _INK
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{text}</text>'


def _line(x: float, y: float, to_x: float, to_y: float, colour: str) -> str:
    return f'<path d="M{x} {y}L{to_x} {to_y}" stroke="{colour}"/>'


def _name(spec: NetworkSpec) -> str:
    """The name as XML text: without the control characters that XML forbids, escaped, cut where it is long."""
    name = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", spec.name).strip()
    return escape(name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…") or "Network"


def _share(part: float) -> str:
    return f"{100 * part:.1f} %" if part >= 0.001 else "&lt;0.1 %"


def _short(number: float) -> str:
    """Three significant figures and a unit prefix: 3.89 M."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor * 0.9995:
            value = number / factor
            return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f} {prefix}"
    return f"{number:g} "
