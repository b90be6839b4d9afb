from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from mnas_moo.instanas.export.check import Check, check, timed
from mnas_moo.instanas.export.files import Exported
from mnas_moo.objectives.training.data import ImageData


@pytest.mark.parametrize("threads", [1, 3])
def test_the_files_decide_as_torch_does(threads: int, folder: Path, exported: Exported, digits: ImageData) -> None:
    told: list[tuple[int, int]] = []
    found = check(folder, exported, digits, threads=threads, listener=lambda done, of: told.append((done, of)))
    assert (found.images, found.same_decisions, found.agreement) == (len(digits.holdout), 1.0, 1.0)
    assert found.accuracy == found.torch_accuracy and found.paths > 1 and 0 < found.on < 1
    assert found.share < 1e-5 and found.probability_difference < 1e-5 and not found.failures
    assert told[-1] == (found.images, found.images)


def test_other_modules_and_another_controller_fail(folder: Path, exported: Exported, digits: ImageData) -> None:
    few = dataclasses.replace(digits, holdouts=(digits.holdout[:40],))
    kept = (folder / "cell-01-basic.tflite").read_bytes()
    (folder / "cell-01-basic.tflite").write_bytes((folder / "cell-01-k3_e6.tflite").read_bytes())
    (failure,) = check(folder, exported, few).failures
    assert failure.startswith("the modules differ from torch by") and failure.endswith("float32 may differ by 0.0001")
    (folder / "cell-01-basic.tflite").write_bytes(kept)
    other = dataclasses.replace(exported, mean=[0.0] * len(exported.mean))
    assert not check(folder, other, few).failures  # the files have their own normalisation
    about = json.loads((folder / "manifest.json").read_text())
    about["input"]["mean"] = [0.0]
    (folder / "manifest.json").write_text(json.dumps(about))
    assert len(check(folder, exported, few).failures) == 2


def test_a_number_that_is_none_is_no_pass() -> None:
    nothing = float("nan")
    assert len(Check(1, 0.0, 0.0, 0.0, 0.0, nothing, nothing, 1.0, 1, 0.5).failures) == 2


def test_times_are_of_each_way(folder: Path, exported: Exported, digits: ImageData) -> None:
    found = timed(folder, exported, dataclasses.replace(digits, holdouts=(digits.holdout[:5],)))
    assert found.images == 5 and found.low_ms <= found.high_ms
    assert min(found.per_image_ms, found.controller_ms, found.mobilenet_ms, found.whole_ms) > 0
    assert found.saved == pytest.approx(1 - found.per_image_ms / found.mobilenet_ms)
    low, high = found.saved_interval
    assert low <= found.saved <= high
    assert not (folder / "whole.tflite").exists()
