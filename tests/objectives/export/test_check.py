from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from mnas_moo.objectives.export.check import Check, FileCheck, check
from mnas_moo.objectives.formats import onnx, torch_module
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.trained import TrainedNetwork


def test_float32_files_compute_what_torch_computes_and_the_others_nearly(
    folder: Path, trained: TrainedNetwork, data: ImageData
) -> None:
    told: list[tuple[int, int]] = []
    found = check(folder, trained, data, threads=2, listener=lambda *done: told.append(done))
    assert (found.images, found.torch_accuracy) == (100, 1.0)
    for name in ("model_float32.tflite", "model.onnx", "model.pt2"):
        assert found.files[name].share < 1e-5, name
        assert (found.files[name].accuracy, found.files[name].agreement) == (1.0, 1.0)
    assert 1e-5 < found.files["model_float16.tflite"].share < 0.01
    assert 1e-3 < found.files["model_int8.tflite"].share < 0.2
    assert found.files["model_int8.tflite"].agreement > 0.8
    assert found.failures == []
    assert told == [(100, 100)]


def test_a_file_with_other_weights_fails_the_check(folder: Path, trained: TrainedNetwork, data: ImageData) -> None:
    weights = torch_module.weights(trained.module())
    weights["classifier.bias"] = weights["classifier.bias"] + [0, 0, 0.01, 0, 0]
    (folder / "model.onnx").write_bytes(onnx.write(trained.spec, weights))
    found = check(folder, trained, data)
    assert found.files["model.onnx"].difference == pytest.approx(0.01, rel=1e-3)
    assert found.files["model.onnx"].share == pytest.approx(0.01 / found.output_range, rel=1e-3)
    (failure,) = found.failures
    assert failure.startswith("model.onnx differs from torch by")
    assert failure.endswith("float32 may differ by 0.0001")


@pytest.mark.parametrize("name", ["model_int8.tflite", "model.onnx", "model.pt2"])
def test_a_file_that_does_not_run_is_named(folder: Path, trained: TrainedNetwork, data: ImageData, name: str) -> None:
    (folder / name).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=f"^{name} does not run: "):
        check(folder, trained, data)


def test_accuracy_may_be_the_mean_over_the_classes(folder: Path, trained: TrainedNetwork, data: ImageData) -> None:
    labels = data.labels.clone()
    first = data.holdout[labels[data.holdout] == labels[data.holdout[0]]]
    labels[first[0]] = (labels[first[0]] + 1) % 5  # one image is of another class than torch finds
    other = dataclasses.replace(data, labels=labels)
    images = torch.bincount(labels[other.holdout], minlength=5)
    present = int((images > 0).sum())
    lost = 1 / float(images[labels[first[0]]])
    assert check(folder, trained, other).torch_accuracy == pytest.approx(0.99)
    assert check(folder, trained, other, balanced=True).torch_accuracy == pytest.approx(1 - lost / present)


def found(**files: tuple[float, float]) -> Check:
    """A check of files by accuracy and share of the range; torch is right for 80 %."""
    names = {"int8": "model_int8.tflite", "onnx": "model.onnx"}
    return Check(
        100, 0.8, 10.0, {names[key]: FileCheck(value, 1.0, 10 * share, share) for key, (value, share) in files.items()}
    )


def test_limits_are_those_of_the_weights() -> None:
    assert found(int8=(0.79, 0.3), onnx=(0.8, 1e-4)).failures == []
    assert found(int8=(0.79, 0.3), onnx=(0.8, 1e-4)).warnings == []
    assert len(found(onnx=(0.8, 1.1e-4)).failures) == 1
    assert len(found(onnx=(0.8, float("nan"))).failures) == 1
    (warning,) = found(int8=(0.785, 0.1)).warnings
    assert warning == "model_int8.tflite is right for 78.50 % of the images, 1.50 points less than torch"
