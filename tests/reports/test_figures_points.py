from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from mnas_moo.reports.figures_points import MOST_CLASSES, MOST_POINTS, course_figure, point_figures
from mnas_moo.reports.points import Point, Shown
from tests.running.points import EPOCH

PIXELS = np.zeros((4, 4, 3), np.uint8)
USE = np.array([[[1.0, 0.5], [0.5, 0.0]], [[0.0, 0.0], [0.25, 0.25]]])  # (2 classes, 2 cells, 2 modules)
POINT = Point(
    trial=7,
    number=0,
    figures={},
    cells=("stage1.cell1", "stage2.cell1"),
    modules=("a", "b"),
    classes=("cat", "dog"),
    use=USE,
    images=[Shown("dog", 1.5, PIXELS), Shown("cat", 2.5, PIXELS)],
)


def test_images_stand_from_fast_to_slow_with_their_latency() -> None:
    images, _ = point_figures([POINT])
    assert images.name == "instanas-images-7"
    assert [(each.label, each.value, each.text) for each in images.panels[0].pictures] == [
        ("dog", 1.5, "1.5 ms"),
        ("cat", 2.5, "2.5 ms"),
    ]
    assert images.says.startswith("From dog with 1.5 ms to cat with 2.5 ms")


def test_classes_stand_from_few_modules_to_many() -> None:
    _, modules = point_figures([POINT])
    (panel,) = modules.panels
    assert modules.name == "instanas-modules-7" and list(panel.y.names) == ["dog, 12%", "cat, 50%"]
    assert panel.shades is not None and panel.shades.shades == [[0.0, 0.0, 0.25, 0.25], [1.0, 0.5, 0.5, 0.0]]
    assert list(panel.x.names) == ["1.1", "2.1"] and panel.x.ends == (-0.5, 3.5)
    assert "dog has the fewest modules on (12% in the mean), cat the most (50%)" in modules.says


def test_of_many_classes_and_points_some_are_drawn() -> None:
    classes = [f"class {i}" for i in range(1000)]
    many = dataclasses.replace(POINT, classes=classes, use=np.linspace(0, 1, 4000).reshape(1000, 2, 2), images=())
    (modules,) = point_figures([many])
    names = modules.panels[0].y.names
    assert len(names) == MOST_CLASSES and names[0].startswith("class 0,") and names[-1].startswith("class 999,")
    assert modules.title.endswith(f"trial 7 ({MOST_CLASSES} of 1000 classes)")
    points = [dataclasses.replace(POINT, trial=i) for i in range(20)]
    names = [figure.name for figure in point_figures(points)]
    assert len(names) == 2 * MOST_POINTS and names[0] == "instanas-images-0" and names[-1] == "instanas-modules-19"


def test_a_point_without_notes_has_no_figures() -> None:
    assert point_figures([]) == [] == point_figures([Point(0, 0, {})])


def test_the_course_is_of_the_epochs_of_the_search() -> None:
    epochs = [{"phase": "pretrain"}, {**EPOCH, "epoch": 0}, {**EPOCH, "epoch": 1, "reward": 2.0}]
    (figure,) = course_figure(epochs)
    panels = {panel.title: panel for panel in figure.panels}
    assert panels["reward"].lines[0].y == [1.0, 2.0] and panels["reward"].lines[0].x == [1.0, 2.0]
    assert [line.y[0] for line in panels["latency of modules (ms)"].lines] == [2.0, 1.0, 3.0]
    assert {series.label for series in figure.legend} == {
        "drawn paths",
        "band",
        "by the controller",
        "decisions shuffled",
    }
    assert "60.0%, with decisions shuffled among images 50.0%" in figure.says


@pytest.mark.parametrize(
    "broken", [[], [{"phase": "pretrain"}], [{"phase": "search"}], [4], [{"phase": "search", "epoch": "x"}]]
)
def test_no_course_of_nothing_or_of_what_is_broken(broken: list[Any]) -> None:
    assert course_figure(broken) == []
