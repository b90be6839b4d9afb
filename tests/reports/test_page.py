from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from mnas_moo.reports.failures import Failure
from mnas_moo.reports.figures import Axis, Figure, Marks, Panel
from mnas_moo.reports.page import OPEN_ROWS, Card, Report, Section, Table, page
from mnas_moo.reports.page_look import DARK
from mnas_moo.reports.panels import COLORS

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & 'x' \"y\""


def figure(text: str = "text") -> Figure:
    marks = Marks(text, 0, "diamond", [1.0], [0.5], ["trial 0"], [text], large=True)
    return Figure("front", text, text, [Panel(text, Axis(text, (0, 2)), Axis(text, (0, 1)), marks=[marks])], [text])


def report(text: str = "text", **more: object) -> Report:
    card = Card(text, "trial 0", text, [(text, text)], text, [text])
    section = Section("a", text, [text], [card], [figure(text)], {text: Table([text], [[text]])})
    fields = {
        "name": text,
        "lead": text,
        "tiles": [(text, text)],
        "told": [text],
        "sections": [section, Section("b", "Nothing here")],
        "pictures": {"trial 0": f'<svg width="9" height="9"><title>{text}</title></svg>'},
        "commands": [text],
        "origin": [(text, text)],
        "study": text,
        "failures": [Failure(text, (1, 2))],
    }
    return Report(**{**fields, **more})  # type: ignore[arg-type]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(made: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = _Reader()
    reader.feed(made)
    return reader.tags


def test_texts_of_a_study_are_texts_wherever_they_stand() -> None:
    found = tags(page(report(EVIL), {"front": ["f/front.svg"]}))
    assert sum(tag == "script" for tag, _ in found) == 2
    assert all((attrs.get("src") or "").startswith("data:image/svg+xml") for tag, attrs in found if tag == "img")
    assert not any(name.startswith("on") or name == "style" for _, attrs in found for name in attrs)


def test_the_policy_allows_the_one_style_and_the_one_script_and_loads_nothing() -> None:
    made = page(report(), {})
    policy = next(attrs["content"] or "" for _, attrs in tags(made) if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    for kind, pattern in (("style", r"<style>(.*?)</style>"), ("script", r"<script>(.*?)</script>")):
        (text,) = re.findall(pattern, made, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", made)


def test_the_script_finds_points_and_pictures_in_the_page() -> None:
    made = page(report(EVIL), {})
    (held,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', made, re.DOTALL)
    data = json.loads(held)
    assert data["figures"]["front"]["notes"] == {"trial 0": EVIL}
    assert EVIL in data["drawn"][data["pictures"]["trial 0"]]


def test_a_picture_of_several_trials_is_there_once() -> None:
    made = page(report(pictures={"trial 0": "<svg>one</svg>", "trial 4": "<svg>one</svg>"}, sections=[]), {})
    assert made.count("one\\u003c/svg>") == 1
    assert '"pictures":{"trial 0":0,"trial 4":0}' in made


def test_files_are_linked_and_what_is_empty_is_left_out() -> None:
    made = page(report(), {"front": ["r%20x/front.svg", "r%20x/front.csv"]})
    links = [attrs["href"] for tag, attrs in tags(made) if tag == "a"]
    assert links == ["#a", "#failed", "#reproduce", "r%20x/front.svg", "r%20x/front.csv"]
    assert "Nothing here" not in made
    assert "#failed" not in page(report(failures=[]), {})


def test_each_plot_has_a_name_a_description_and_its_numbers() -> None:
    made = page(report(), {})
    plots = [attrs for tag, attrs in tags(made) if tag == "svg" and "plot" in (attrs.get("class") or "")]
    assert len(plots) == 2
    for plot in plots:
        assert plot["role"] == "img"
        assert plot["aria-label"] == "text"
        assert f'id="{plot["aria-describedby"]}"' in made
    assert "Its numbers as a table" in made


def test_a_long_table_is_folded() -> None:
    table = Table(["n"], [[str(i)] for i in range(OPEN_ROWS + 1)])
    made = page(report(sections=[Section("a", "A", tables={"Long": table})]), {})
    assert "<summary>Long</summary>" in made
    assert "<h3>Long</h3>" not in made


def _luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("color", DARK)
def test_colours_stand_out_from_a_dark_ground(color: str) -> None:
    assert (_luminance(color) + 0.05) / (_luminance("#12171c") + 0.05) > 4.5
    assert len(DARK) == len(COLORS)
