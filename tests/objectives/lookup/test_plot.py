from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mnas_moo.objectives.lookup.check import judge
from mnas_moo.objectives.lookup.lookup_table import Sums
from mnas_moo.objectives.lookup.plot import figure, save_plot

SUMS = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 9.0])
REPORT = judge([Sums({"conv": own}, 0) for own in SUMS], 0.25 + 1.5 * SUMS)


@pytest.mark.parametrize(
    ("suffix", "begins"), [(".png", b"\x89png"), (".svg", b"<?xml"), (".html", b"<!doctype html>")]
)
def test_a_picture_is_drawn_by_its_suffix(suffix: str, begins: bytes, tmp_path: Path) -> None:
    pytest.importorskip("plotly" if suffix == ".html" else "matplotlib")
    save_plot(REPORT, "this machine", tmp_path / f"check{suffix}")
    assert (tmp_path / f"check{suffix}").read_bytes().lower().startswith(begins)


def test_the_figure_has_every_network_before_and_after_correction() -> None:
    pytest.importorskip("plotly")
    drawn = figure(REPORT, "this machine")
    assert drawn.layout.title.text == "this machine: 100% of 6 networks within 10 %, Kendall's tau 1.000"
    raw, corrected = (trace for trace in drawn.data if trace.mode == "markers")
    np.testing.assert_allclose(raw.y, SUMS)
    np.testing.assert_allclose(corrected.y, corrected.x)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"check.jpg: cannot be drawn to; allowed are .html, .pdf, .png, .svg"):
        save_plot(REPORT, "this machine", tmp_path / "check.jpg")
