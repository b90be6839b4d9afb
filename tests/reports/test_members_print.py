from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.reports.figures_print import print_figure
from mnas_moo.reports.figures_study import members_figures
from mnas_moo.reports.members_print import print_matrix, print_parallel
from tests.reports.test_members import members


def test_parallel_coordinates_have_a_line_for_each_member_whose_best_is_up() -> None:
    pytest.importorskip("matplotlib")
    (axes,) = print_parallel(members()).axes
    lines = {line.get_label(): line for line in axes.lines if len(line.get_xdata()) == 5}
    assert list(lines["most accurate (trial 0)"].get_ydata())[:2] == [1.0, 0.0]


def test_the_matrix_has_axes_for_each_pair_with_scales_of_their_own() -> None:
    pytest.importorskip("matplotlib")
    drawn = print_matrix(members())
    assert len(drawn.axes) == 10
    first = drawn.axes[0]
    assert (first.get_xscale(), first.get_yscale()) == ("log", "linear")
    assert first.get_ylabel().replace("\n", " ") == "accuracy on the hold-out ↑ better"


def test_both_are_written_as_files_with_title_and_legend(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for figure in members_figures(members()):
        print_figure(figure, tmp_path / "f.svg", tmp_path / "f.pdf")
        drawn = (tmp_path / "f.svg").read_text(encoding="utf-8")
        assert "<!-- most accurate (trial 0) -->" in drawn
        assert "<!-- 4 networks of the front, " in drawn
        assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
