from __future__ import annotations

import json

import numpy as np

from mnas_moo.reports.point_text import point_json, point_lines
from mnas_moo.reports.points import Point

FIGURES = {"accuracy": 0.5, "latency_ms": 1.0, "shuffled_accuracy": 0.375, "paths": 3.0, "on": 0.25}
USE = np.array([[[1.0, 0.5], [0.5, 0.0]], [[0.0, 0.0], [0.25, 0.25]]])


def known(classes: int = 2) -> Point:
    names = [f"class {i}" for i in range(classes)]
    use = USE if classes == 2 else np.linspace(0, 1, 4 * classes).reshape(classes, 2, 2)
    return Point(7, 1, FIGURES, ("stage1.cell1", "stage2.cell1"), ("k3_e6", "basic"), names, use)


def test_a_point_as_json_and_as_text() -> None:
    found = point_json(known())
    assert json.loads(json.dumps(found)) == {
        "point": 1,
        "shuffled_accuracy": 0.375,
        "paths": 3,
        "on": 0.25,
        "modules": {
            "stage1.cell1": {"k3_e6": 0.5, "basic": 0.25},
            "stage2.cell1": {"k3_e6": 0.375, "basic": 0.125},
        },
        "classes": {"class 0": 0.5, "class 1": 0.125},
    }
    lines = list(point_lines(found))
    assert any(line.split() == ["stage1.cell1", "50", "25"] for line in lines)
    assert "  share of modules that a class has on; class 1: 12 %, class 0: 50 %" in lines


def test_of_many_classes_those_at_both_ends_are_told() -> None:
    (line,) = (line for line in point_lines(point_json(known(100))) if "that a class has on" in line)
    assert "class 0: 0 %" in line and "class 99: 100 %" in line and ", …, " in line and "class 50" not in line


def test_without_notes_there_are_the_figures() -> None:
    found = point_json(Point(7, 1, FIGURES))
    assert set(found) == {"point", "shuffled_accuracy", "paths", "on"}
    assert len(list(point_lines(found))) == 5
