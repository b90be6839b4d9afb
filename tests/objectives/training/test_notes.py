from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from mnas_moo.objectives.training.notes import Notes


@dataclass(frozen=True)
class Point:
    step: int


def notes(path: Path, identity: str = "a", unit: str = "steps") -> Notes[Point]:
    return Notes(path, identity, unit, Point)


def test_notes_of_the_same_training_are_taken_up_and_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "new" / "curve.json"
    first = notes(path)
    assert first.length is None and first.curve == []
    first.length, first.curve = 7, [Point(3)]
    first.write()
    again = notes(path)
    assert (again.length, again.curve) == (7, [Point(3)])
    other = notes(path, "b")
    assert (other.length, other.curve) == (None, [])


@pytest.mark.parametrize(
    "held",
    [
        "{",
        "[]",
        json.dumps({"identity": "a", "steps": 1.5, "curve": []}),
        json.dumps({"identity": "a", "steps": True, "curve": []}),
        json.dumps({"identity": "a", "steps": 1, "curve": [{"pace": 2}]}),
        json.dumps({"identity": "a", "epochs": 1, "curve": []}),
    ],
)
def test_what_is_no_notes_is_as_none(held: str, tmp_path: Path) -> None:
    (tmp_path / "curve.json").write_text(held)
    assert notes(tmp_path / "curve.json").length is None


def test_epochs_may_be_a_part_of_one(tmp_path: Path) -> None:
    (tmp_path / "curve.json").write_text(json.dumps({"identity": "a", "epochs": 1.5, "curve": []}))
    assert notes(tmp_path / "curve.json", unit="epochs").length == 1.5
