from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest

from mnas_moo.reports.figures import Axis, Bars, Figure, Line, Marks, Panel, Picture, Shades
from mnas_moo.reports.figures_svg import figure_data, figure_svg

X, Y = Axis("latency (ms)", (0.0, 10.0)), Axis("accuracy", (0.0, 1.0), percent=True)


def svgs(figure: Figure) -> list[ElementTree.Element]:
    """The drawings of a figure's panels; they are valid XML."""
    root = ElementTree.fromstring(f"<div>{figure_svg(figure)}</div>")
    return [each for each in root.iter("svg") if "plot" in each.get("class", "")]


def marks(n: int = 3, **more: object) -> Marks:
    x = [1.0 + i for i in range(n)]
    return Marks("front", 0, "diamond", x, [0.5] * n, [f"trial {i}" for i in range(n)], large=True, **more)  # type: ignore[arg-type]


def test_a_panel_that_is_alone_is_drawn_for_wide_and_for_narrow_windows() -> None:
    drawn = svgs(Figure("f", "F", "", [Panel("", X, Y, marks=[marks()])]))
    assert [each.get("class", "").split()[-1] for each in drawn] == ["wide", "narrow"]
    assert len(svgs(Figure("f", "F", "", [Panel("", X, Y), Panel("", X, Y)]))) == 2
    ids = [part.get("id") for each in drawn for part in each.iter("clipPath")]
    assert len(set(ids)) == len(ids)


def test_a_mark_stands_where_its_axes_say() -> None:
    figure = Figure("f", "F", "", [Panel("", X, Y, marks=[Marks("a", 0, "circle", [5.0], [0.25], ["trial 0"])])])
    for drawn in svgs(figure):
        left, top, right, bottom = map(float, drawn.get("data-box", "").split())
        circle = next(drawn.iter("circle"))
        assert float(circle.get("cx", "")) == pytest.approx((left + right) / 2, abs=0.1)
        assert float(circle.get("cy", "")) == pytest.approx(bottom - (bottom - top) / 4, abs=0.1)


def test_a_mark_outside_the_axes_is_not_drawn() -> None:
    far = Marks("a", 0, "circle", [5.0, 50.0], [0.25, 0.25], ["trial 0", "trial 1"])
    assert len(list(svgs(Figure("f", "F", "", [Panel("", X, Y, marks=[far])]))[0].iter("circle"))) == 1


@pytest.mark.parametrize("shape", ["diamond", "circle", "cross", "square", "triangle"])
def test_every_shape_is_drawn(shape: str) -> None:
    group = Marks("a", 0, shape, [5.0], [0.25], ["trial 0"])
    assert "marks" in figure_svg(Figure("f", "F", "", [Panel("", X, Y, marks=[group])]))


def test_intervals_are_drawn_as_bars() -> None:
    group = marks(1, y_range=[(0.25, 0.75)])
    drawn = svgs(Figure("f", "F", "", [Panel("", X, Y, marks=[group])]))[0]
    bar = next(each for each in drawn.iter("path") if each.get("class", "").startswith("bar"))
    _, top, _, bottom = map(float, drawn.get("data-box", "").split())
    low, high = (float(part) for part in (bar.get("d", "").split(" ")[1].split("V")))
    assert low - high == pytest.approx((bottom - top) / 2, abs=0.2)


def test_names_of_a_studys_are_text() -> None:
    evil = "<script>alert(1)</script> & \"x\" 'y'"
    group = Marks(evil, 0, "circle", [5.0], [0.25], [evil], tags=[(0, evil)])
    panel = Panel(evil, Axis(evil, (0, 10)), Axis(evil, (0, 1)), marks=[group])
    figure = Figure("f", evil, evil, [panel])
    assert "<script>" not in figure_svg(figure)
    assert svgs(figure)[0].get("aria-label") == evil


def test_tags_do_not_cover_each_other() -> None:
    group = marks(2, tags=[(0, "most accurate"), (1, "fastest")])
    drawn = svgs(Figure("f", "F", "", [Panel("", Axis("x", (0, 100)), Y, marks=[group])]))[0]
    first, second = (each for each in drawn.iter("text") if each.get("class") == "tag")
    assert abs(float(first.get("y", "")) - float(second.get("y", ""))) > 12


def test_bars_are_as_long_as_their_values_and_say_them() -> None:
    names = Axis("", (0, 1), names=["kernel", "filters"])
    bars = [Bars("a", 0, [0.5, math.nan]), Bars("b", 1, [math.nan, 0.25])]
    drawn = svgs(Figure("f", "F", "", [Panel("", Axis("share", (0, 1), percent=True), names, bars=bars)]))[0]
    widths = [float(each.get("width", "")) for each in drawn.iter("rect") if each.get("class")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert {"kernel", "filters", "50.0 %", "25.0 %"} <= {each.text for each in drawn.iter("text")}


def test_a_map_has_a_cell_for_each_shade_that_shows() -> None:
    names = Axis("", (0, 1), names=["a", "b"])
    shades = Shades([1.0, 2.0], [[0.0, 0.5], [1.0, 0.5]])
    drawn = svgs(Figure("f", "F", "", [Panel("", Axis("epoch", (0.5, 2.5)), names, shades=shades)]))[0]
    cells = [each.get("fill-opacity") for each in drawn.iter("rect") if each.get("fill-opacity")]
    assert cells == ["0.50", "1.00", "0.50"]


def test_a_line_of_one_point_is_seen() -> None:
    line = Line("", 0, [5.0], [0.5], named="trial")
    assert len(list(svgs(Figure("f", "F", "", [Panel("", X, Y, lines=[line])]))[0].iter("circle"))) == 1


def test_steps_go_first_as_they_are_told() -> None:
    paths = {}
    for turns in ("hv", "vh", ""):
        line = Line("", 0, [0.0, 10.0], [0.0, 1.0], turns)
        drawn = svgs(Figure("f", "F", "", [Panel("", X, Y, lines=[line])]))[0]
        paths[turns] = next(each.get("d", "") for each in drawn.iter("path") if "line" in each.get("class", ""))
    assert paths["hv"].index("H") < paths["hv"].index("V")
    assert paths["vh"].index("V") < paths["vh"].index("H")
    assert "L" in paths[""]


def test_the_script_gets_points_and_notes_of_what_one_can_point_at() -> None:
    group = Marks("a", 0, "circle", [5.0], [0.123456789], ["trial 0"], ["two\nlines"])
    silent = Line("", 0, [0.0], [0.0])
    data = figure_data(Figure("f", "F", "", [Panel("", X, Y, marks=[group], lines=[silent])]))
    assert data["notes"] == {"trial 0": "two\nlines"}
    (panel,) = data["panels"]
    assert panel["y"] == ["accuracy", 0.0, 1.0, True]
    assert panel["series"] == [{"label": "a", "x": [5.0], "y": [0.12346], "names": ["trial 0"], "large": False}]


def test_names_of_a_map_stand_outside_its_axes_where_nothing_cuts_them_off() -> None:
    across = Axis("cell", (-0.5, 3.5), names=["one", "two"])
    panel = Panel("", across, Axis("", (0, 1), names=["ant", "bee"]), shades=Shades([0, 1, 2, 3], [[0.5] * 4] * 2))
    for drawn in svgs(Figure("f", "F", "", [panel])):
        inside = next(each for each in drawn.iter("g") if each.get("clip-path"))
        assert not list(inside.iter("text"))
        texts = {each.text: each for each in drawn.iter("text")}
        rows = [float(texts[name].get("x", "")) for name in ("ant", "bee")]
        left = min(float(each.get("x", "")) for each in inside.iter("rect"))
        assert max(rows) < left
        step = float(texts["two"].get("x", "")) - float(texts["one"].get("x", ""))
        wide = [float(each.get("width", "")) for each in inside.iter("rect")]
        assert step == pytest.approx(2 * wide[0], abs=1)  # each name is that of two cells


def test_images_are_a_list_with_their_words() -> None:
    pictures = [Picture("<b>", 1.5, "1.5 ms", b"png"), Picture("cat", 2.0, "2 ms", b"png")]
    root = ElementTree.fromstring(figure_svg(Figure("f", "F", "", [Panel("", X, Y, pictures=pictures)])))
    assert [each.get("alt") for each in root.iter("img")] == ["<b>", "cat"]
    assert ["".join(each.itertext()) for each in root.iter("li")] == ["<b>1.5 ms", "cat2 ms"]
    assert all(each.get("src", "").startswith("data:image/png;base64,") for each in root.iter("img"))
