"""A report as one HTML page, complete in itself: it loads nothing, and its policy forbids it to.

All texts of a study are escaped. The one style and the one script of the page are named in its policy by their hashes;
pictures of networks are images.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mnas_moo.reports.failures import Failure
from mnas_moo.reports.figures import Figure, rows_of
from mnas_moo.reports.figures_svg import figure_data, figure_svg
from mnas_moo.reports.members_script import MEMBERS_SCRIPT
from mnas_moo.reports.page_look import STYLE
from mnas_moo.reports.page_script import SCRIPT

MOST_ROWS = 200
"""So many rows of a figure's table are on the page; its file has all."""
OPEN_ROWS = 15
"""A longer table is folded."""
MOST_NUMBERS = 12
WHOLE_SCRIPT = SCRIPT + MEMBERS_SCRIPT


@dataclass(frozen=True)
class Table:
    """A table: its heads, its rows, and which columns are texts, aligned to the left."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Card:
    """A network to choose.

    Attributes:
        title: what it is the best in.
        name: name of its trial.
        why: why it is chosen.
        figures: pairs of a label and a value.
        text: the network, or the parameters of its trial, as text.
        commands: what to do with it next.
    """

    title: str
    name: str
    why: str
    figures: Sequence[tuple[str, str]]
    text: str
    commands: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of the page, of which what is empty is left out.

    Attributes:
        name: its anchor.
        title: its title.
        words: paragraphs at its begin.
        cards: networks to choose.
        figures: its plots.
        tables: its tables, by their titles.
    """

    name: str
    title: str
    words: Sequence[str] = ()
    cards: Sequence[Card] = ()
    figures: Sequence[Figure] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.words or self.cards or self.figures or self.tables)


@dataclass(frozen=True)
class Report:
    """What a page shows.

    Attributes:
        name: name of the study.
        lead: the result in a sentence or two.
        tiles: pairs of a label and a short value.
        told: what the study cannot say, and what is missing.
        sections: its parts.
        pictures: pictures of networks as SVG, by the names of their trials.
        commands: the commands that reproduce it.
        origin: pairs of a heading and a text.
        study: the study file.
        failures: why trials failed.
    """

    name: str
    lead: str
    tiles: Sequence[tuple[str, str]]
    told: Sequence[str]
    sections: Sequence[Section]
    pictures: Mapping[str, str]
    commands: Sequence[str]
    origin: Sequence[tuple[str, str]]
    study: str
    failures: Sequence[Failure]

    @property
    def figures(self) -> list[Figure]:
        """All plots."""
        return [figure for section in self.sections for figure in section.figures]


def page(report: Report, files: Mapping[str, Sequence[str]]) -> str:
    """The page as HTML.

    Args:
        report: what it shows.
        files: by the name of a figure, addresses of its files, relative to the page.
    """
    drawn = list(dict.fromkeys(report.pictures.values()))
    data = {
        "figures": {figure.name: figure_data(figure) for figure in report.figures},
        "drawn": drawn,
        "pictures": {name: drawn.index(picture) for name, picture in report.pictures.items()},
    }
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(STYLE)}'; "
        f"script-src 'sha256-{_digest(WHOLE_SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )
    sections = [section for section in report.sections if not section.is_empty]
    links = [(section.name, section.title) for section in sections]
    links += [("failed", "Failed trials")] if report.failures else []
    links += [("reproduce", "How to reproduce it")]
    title = html.escape(f"{report.name}: report")
    # `<` in the data would end their element early
    held = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            *_head(report, links),
            "<main>",
            *(_section(section, report, files) for section in sections),
            *_failed(report.failures),
            *_reproduce(report),
            "</main>",
            '<div id="tip" role="status" hidden></div>',
            f'<script type="application/json" id="data">{held}</script>',
            f"<script>{WHOLE_SCRIPT}</script></body></html>",
            "",
        ]
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _head(report: Report, links: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"<header><h1>{_escaped(report.name)}</h1>"
    yield f'<p class="lead">{_escaped(report.lead)}</p>'
    tiles = "".join(f"<div><dt>{_escaped(label)}</dt><dd>{_escaped(value)}</dd></div>" for label, value in report.tiles)
    yield f'<dl class="tiles">{tiles}</dl>'
    yield from (f'<p class="told">{_escaped(line)}</p>' for line in report.told)
    items = "".join(f'<li><a href="#{html.escape(name)}">{_escaped(title)}</a></li>' for name, title in links)
    yield f'</header><nav aria-label="Contents"><ul>{items}</ul></nav>'


def _section(section: Section, report: Report, files: Mapping[str, Sequence[str]]) -> str:
    parts = [f'<section id="{html.escape(section.name)}"><h2>{_escaped(section.title)}</h2>']
    parts += [f"<p>{_escaped(words)}</p>" for words in section.words]
    if section.cards:
        cards = "".join(_card(card, report.pictures.get(card.name, "")) for card in section.cards)
        parts.append(f'<div class="cards">{cards}</div>')
    parts += [_figure(figure, files.get(figure.name, ())) for figure in section.figures]
    for title, table in section.tables.items():
        if len(table.rows) > OPEN_ROWS:
            parts.append(f"<details><summary>{_escaped(title)}</summary>{_table(table)}</details>")
        else:
            parts += [f"<h3>{_escaped(title)}</h3>", _table(table)]
    return "".join([*parts, "</section>"])


def _card(card: Card, picture: str) -> str:
    figures = "".join(f"<dt>{_escaped(label)}</dt><dd>{_escaped(value)}</dd>" for label, value in card.figures)
    # as an image of its own, so that the ids within it stay there
    shown = base64.b64encode(picture.encode()).decode()
    alt = html.escape(f"picture of the network of {card.name}")
    drawn = f'<img class="net" alt="{alt}" src="data:image/svg+xml;base64,{shown}">' if picture else ""
    commands = f"<pre>{_escaped(chr(10).join(card.commands))}</pre>" if card.commands else ""
    text = f"<details><summary>In text</summary><pre>{_escaped(card.text)}</pre></details>" if card.text else ""
    return (
        f'<article class="card"><h3>{_escaped(card.title)}</h3><p class="soft">{_escaped(card.name)}</p>'
        f"<dl>{figures}</dl><p>{_escaped(card.why)}</p>{drawn}{text}{commands}</article>"
    )


def _figure(figure: Figure, files: Sequence[str]) -> str:
    links = " ".join(f'<a href="{html.escape(file)}">{_escaped(file.rpartition(".")[2].upper())}</a>' for file in files)
    notes = "".join(f"<p>{_escaped(note)}</p>" for note in figure.notes)
    heads, rows = rows_of(figure)
    texts = frozenset(i for i, head in enumerate(heads) if head in ("panel", "series", "name"))
    left = f" (the first {MOST_ROWS} of {len(rows):,} rows; the CSV file has all)" if len(rows) > MOST_ROWS else ""
    table = _table(Table(heads, [[_digits(cell) for cell in row] for row in rows[:MOST_ROWS]], texts))
    return (
        f'<figure id="{html.escape(figure.name)}"><p class="title">{_escaped(figure.title)}</p>{figure_svg(figure)}'
        f'<figcaption><p id="{html.escape(figure.name)}-says">{_escaped(figure.says)}</p>{notes}</figcaption>'
        f'<p class="files">{links}</p>'
        f"<details><summary>Its numbers as a table{left}</summary>{table}</details></figure>"
    )


def _digits(cell: str) -> str:
    """A number of a table in five digits; another text as it is."""
    try:
        return f"{float(cell):.5g}" if "." in cell else cell
    except ValueError:
        return cell


def _table(table: Table) -> str:
    kinds = ["text" if i in table.texts else "number" for i in range(len(table.heads))]
    head = "".join(f'<th class="{kind}">{_escaped(text)}</th>' for kind, text in zip(kinds, table.heads, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{_escaped(text)}</td>' for kind, text in zip(kinds, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _failed(failures: Sequence[Failure]) -> Iterator[str]:
    if not failures:
        return
    rows = []
    for failure in failures:
        numbers = ", ".join(map(str, failure.trials[:MOST_NUMBERS]))
        more = ", …" if len(failure.trials) > MOST_NUMBERS else ""
        rows.append((f"{len(failure.trials):,}", failure.reason, numbers + more))
    table = Table(("trials", "reason", "numbers"), rows, frozenset((1, 2)))
    yield f'<section id="failed"><h2>Failed trials</h2>{_table(table)}</section>'


def _reproduce(report: Report) -> Iterator[str]:
    yield '<section id="reproduce"><h2>How to reproduce it</h2>'
    yield f"<pre>{_escaped(chr(10).join(report.commands))}</pre>"
    pairs = "".join(f"<dt>{_escaped(heading)}</dt><dd>{_escaped(text)}</dd>" for heading, text in report.origin)
    yield f'<dl class="facts">{pairs}</dl>'
    yield f"<details><summary>The study file</summary><pre>{_escaped(report.study)}</pre></details></section>"


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)
