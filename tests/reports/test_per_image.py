from __future__ import annotations

import base64
from typing import Any

import pytest

from mnas_moo.reports.per_image import per_image_figures

pytest.importorskip("plotly")
EPOCH = {
    **{"phase": "search", "reward": 1.0, "advantage": 0.5, "entropy": 9.0, "on": 0.3, "drawn_ms": 2.0},
    **{"band_ms": [1.0, 3.0], "accuracy": 0.6, "shuffled_accuracy": 0.5},
}
IMAGE = {"label": 1, "latency_ms": 1.5, "shape": [2, 2, 1], "pixels": base64.b64encode(bytes([0, 9, 8, 7])).decode()}


def held(**changes: Any) -> dict[str, Any]:
    return {
        "modules": ["a", "b"],
        "cells": ["stage1.cell1"],
        "classes": ["cat", "dog"],
        "epochs": [{"phase": "pretrain"}, {**EPOCH, "epoch": 0}, {**EPOCH, "epoch": 1, "reward": 2.0}],
        "points": [{"accuracy": 0.5}, {"accuracy": 0.6}],
        "ways": [{"use": [[0, 0], [0, 0]], "images": []}, {"use": [[0.1, 0.9], [1, 0]], "images": [IMAGE] * 9}],
        **changes,
    }


def test_pictures_are_of_the_search_and_of_the_most_accurate_point() -> None:
    figures = per_image_figures(held())
    assert list(figures) == ["instanas-search", "instanas-images", "instanas-modules"]
    assert list(figures["instanas-search"].data[0].y) == [1.0, 2.0]
    heat = figures["instanas-modules"].data[0]
    assert [list(row) for row in heat.z] == [[0.1, 0.9], [1, 0]] and list(heat.y) == ["cat", "dog"]
    grid = figures["instanas-images"]
    assert len(grid.data) == 9 and grid.data[0].z[0][1] == [9, 9, 9]
    assert grid.layout.annotations[0].text == "dog, 1.5 ms"


@pytest.mark.parametrize("broken", [{}, {"epochs": 3}, {"epochs": [{"phase": "search"}]}, {"epochs": [4]}])
def test_nothing_and_broken_files_have_no_pictures(broken: dict[str, Any]) -> None:
    assert per_image_figures(broken) == {}


def test_a_search_without_points_has_its_course() -> None:
    assert list(per_image_figures(held(points=[], ways=[]))) == ["instanas-search"]
