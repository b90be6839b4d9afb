from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mnas_moo.reports.figures import Axis, Bars, Figure, Line, Marks, Panel, Picture, Shades
from mnas_moo.reports.figures_print import print_figure
from mnas_moo.reports.png import png_of

X, Y = Axis("latency (ms)", (0.0, 10.0)), Axis("accuracy", (0.0, 1.0), percent=True)
NAMES = Axis("", (0, 1), names=["a", "b"])


def figures() -> list[Figure]:
    group = Marks(
        "front", 0, "diamond", [1.0, 2.0], [0.5, 0.6], ["trial 0", "trial 1"], y_range=[(0.4, 0.6), None], large=True
    )
    crosses = Marks("broken", 3, "cross", [3.0], [0.2], ["trial 2"], tags=[(0, "a $x$")])
    lines = [Line("one", 0, [0, 1], [0, 1], "hv"), Line("two", 1, [0.0], [0.5])]
    bars = [Bars("mine", 0, [1.0, math.nan]), Bars("theirs", 1, [math.nan, 2.0])]
    shades = Shades([1.0], [[0.0], [1.0]])
    fine = Shades([0.0, 1.0, 2.0, 3.0], [[0.0, 0.5, 1.0, 0.5]] * 2)
    cells = Axis("cell", (-0.5, 3.5), names=["1.1", "$2$"])
    pictures = [
        Picture(f"$label$ {i}", i, f"{i} ms", png_of(np.zeros((4, 4, c), np.uint8))) for i, c in ((1, 1), (2, 3))
    ]
    return [
        Figure("marks", "Cost $ and $ gain", "", [Panel("", X, Y, marks=[group, crosses], lines=lines)], ["A note."]),
        Figure("bars", "B", "", [Panel("$b$", Axis("ms", (0, 3)), NAMES, bars=bars)]),
        Figure("maps", "M", "", [Panel(f"layer {i}", Axis("epoch", (0, 2)), NAMES, shades=shades) for i in range(5)]),
        Figure("cells", "C", "", [Panel("", cells, NAMES, shades=fine)]),
        Figure("images", "I", "", [Panel("", X, Y, pictures=pictures * 5)]),
        Figure("many", "L", "", [Panel(f"p{i}", X, Y, lines=lines) for i in range(3)]),
    ]


@pytest.mark.parametrize("figure", figures(), ids=lambda figure: figure.name)
def test_every_kind_of_figure_is_drawn_as_svg_and_pdf(figure: Figure, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    svg, pdf = tmp_path / "f.svg", tmp_path / "f.pdf"
    print_figure(figure, svg, pdf)
    assert "<svg" in svg.read_text(encoding="utf-8")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_names_of_a_studys_are_no_mathematics(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    print_figure(figures()[0], tmp_path / "f.svg")
    drawn = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert "<!-- Cost $ and $ gain -->" in drawn
    assert "<!-- a $x$ -->" in drawn
