from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mnas_moo.reports.networks import Comparison, Entry, compare, entries_of
from mnas_moo.reports.networks_plot import figure, save_plot
from mnas_moo.spaces import network
from tests.reports.test_networks import Drifting


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    own = Entry("trial 12", network("mnasnet-small", resolution=32, classes=10), 12)
    return compare(Drifting(), [*entries_of(["nasnet-a", "resnet-50"]), own], 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_each_ending_is_drawn(ending: str, start: bytes, comparison: Comparison, tmp_path: Path) -> None:
    file = tmp_path / f"networks.{ending}"
    save_plot(comparison, file)
    assert file.read_bytes().startswith(start)


def test_a_page_needs_nothing_else(comparison: Comparison, tmp_path: Path) -> None:
    file = tmp_path / "networks.html"
    save_plot(comparison, file)
    assert "NASNet-A mobile" in file.read_text(encoding="utf-8")


def test_the_marks_are_the_times_and_the_printed_ratios(comparison: Comparison) -> None:
    published, own, printed = figure(comparison).data
    times = dict(zip(published.y, published.x, strict=True))
    assert times["MobileNetV2"] == pytest.approx(2 * 300.774272)
    assert list(published.error_x.array)[-1] == pytest.approx(2 * 300.774272)  # the last round took twice the median
    assert list(own.y) == ["trial 12"]
    assert own.name == "networks of the study (32 x 32 x 3, 10 classes)"
    said = dict(zip(printed.y, printed.x, strict=True))
    assert said == {
        "NASNet-A mobile": pytest.approx(2.44 * times["MobileNetV2"]),
        "MobileNetV2": pytest.approx(times["MobileNetV2"]),
    }


def test_other_endings_and_nothing_to_draw_are_refused(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"its ending is '.jpg'; a comparison is written as one of .html"):
        save_plot(comparison, tmp_path / "x.jpg")
    rows = tuple(dataclasses.replace(row, times_ms=(), ratios=()) for row in comparison.rows)
    with pytest.raises(ValueError, match="no network was measured"):
        save_plot(dataclasses.replace(comparison, rows=rows), tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())
