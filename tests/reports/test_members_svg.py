from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from mnas_moo.reports.members import Members, Objective, Pick
from mnas_moo.reports.members_svg import members_data, members_svg
from tests.reports.test_members import members


def svgs(found: Members, *, matrix: bool) -> list[ElementTree.Element]:
    """The wide and the narrow drawing; they are valid XML."""
    made = members_svg(found, "f", matrix=matrix)
    root = ElementTree.fromstring(f"<div>{made[made.index('<ul') :]}</div>")
    return [each for each in root.iter("svg") if "plot" in each.get("class", "")]


def texts(svg: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in svg.iter("text")]


def numbers(text: str | None) -> list[float]:
    return [float(part) for part in re.findall(r"-?[\d.]+", text or "")]


def test_a_line_stands_on_each_axis_where_its_member_does() -> None:
    found = members()
    wide, narrow = svgs(found, matrix=False)
    for drawn, upright in ((wide, True), (narrow, False)):
        (worst, best), axes = numbers(drawn.get("data-ends")), numbers(drawn.get("data-axes"))
        pick = next(each for each in drawn.iter("g") if each.get("data-member") == "0")  # the most accurate
        points = numbers(next(pick.iter("path")).get("d"))
        across, along = (points[::2], points[1::2]) if upright else (points[1::2], points[::2])
        assert across == axes
        assert along[0] == pytest.approx(best, abs=0.1)  # the best accuracy
        assert along[1] == pytest.approx(worst, abs=0.1)  # the worst latency
    assert numbers(wide.get("data-ends"))[1] < numbers(wide.get("data-ends"))[0]  # upwards
    assert numbers(narrow.get("data-ends"))[1] > numbers(narrow.get("data-ends"))[0]  # to the right


def test_units_and_directions_stand_at_the_axes() -> None:
    for drawn in svgs(members(), matrix=False):
        shown = " ".join(texts(drawn))
        for words in ("latency (ms)", "parameters (millions)"):
            assert words in shown
        assert sum("less is better" in text for text in texts(drawn)) == 4
        assert sum("more is better" in text for text in texts(drawn)) == 1
    for drawn in svgs(members(), matrix=True):
        shown = " ".join(texts(drawn))
        assert "accuracy on the hold-out ↑ better" in shown
        assert "latency (ms) ← better" in shown and "latency (ms) ↓ better" in shown


def test_a_cell_of_the_matrix_is_there_for_each_pair_and_marks_stand_in_it() -> None:
    for drawn in svgs(members(), matrix=True):
        cells = [numbers(cell) for cell in (drawn.get("data-cells") or "").split(";")]
        assert [tuple(map(int, cell[:2])) for cell in cells] == [(i, j) for i in range(5) for j in range(i + 1, 5)]
        width = numbers(drawn.get("viewBox"))[2]
        assert all(left > 0 and left + wide <= width for _, _, left, _, wide, _ in cells)
        picks = [each for each in drawn.iter("g") if each.get("data-member") == "0"]
        assert len(picks) == len(cells)
        # the most accurate has the longest latency: the upper right corner of the first cell
        _, _, left, top, wide, _ = cells[0]
        x, y = numbers(next(picks[0].iter("path")).get("d"))[:2]
        assert left + 0.9 * wide < x < left + wide and top < y < top + 10


def test_each_drawing_has_a_name_and_can_be_reached_with_the_keyboard() -> None:
    for matrix in (False, True):
        for drawn in svgs(members(), matrix=matrix):
            assert drawn.get("tabindex") == "0" and drawn.get("role") == "img"
            assert len(drawn.get("aria-label") or "") > 20
            assert drawn.get("aria-describedby") == "f-says"


def test_without_a_script_ranges_are_hidden_and_the_legend_names_all() -> None:
    made = members_svg(members(), "f", matrix=False)
    assert '<div class="ranges" hidden>' in made
    assert "most accurate (trial 0)" in made
    assert "ranges" not in members_svg(members(), "f", matrix=True)


def test_names_of_a_studys_are_text() -> None:
    evil = "<script>alert(1)</script> & \"x\" 'y'"
    objectives = [Objective(evil, True, False, [1.0, 2.0], [evil, evil])] * 3
    found = Members([evil, evil], objectives, [evil, evil], [Pick(0, evil, 0, 0)])
    for matrix in (False, True):
        assert "<script>" not in members_svg(found, "f", matrix=matrix)
        assert len(svgs(found, matrix=matrix)) == 2


def test_the_script_gets_places_and_texts() -> None:
    data = members_data(members())
    assert data["picks"][0] == "most accurate (trial 0)"
    assert data["objectives"][1]["places"][0] == 1.0 and not data["objectives"][1]["more"]
    assert data["objectives"][0]["texts"] == ["95.00 %", "90.00 %", "80.00 %", "70.00 %"]
