from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from mnas_moo.objectives.export.check import check
from mnas_moo.objectives.export.document import document
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.trained import TrainedNetwork


def test_it_says_what_each_files_numbers_mean(folder: Path, trained: TrainedNetwork, data: ImageData) -> None:
    figures = document(folder, trained, check(folder, trained, data), [{"name": "latency_ms", "value_ms": 2.5}])
    assert json.loads(json.dumps(figures)) == figures
    files = figures["files"]
    assert files["model_float32.tflite"]["input"] == {"shape": [1, 12, 12, 3], "type": "float32", "layout": "NHWC"}
    assert files["model.onnx"]["input"] == {"shape": [1, 3, 12, 12], "type": "float32", "layout": "NCHW"}
    assert files["model.pt2"]["input"]["shape"] == ["any", 3, 12, 12]
    source = files["model_int8.tflite"]["input"]
    assert source["type"] == files["model_int8.tflite"]["output"]["type"] == "int8"
    # every byte of an image has an integer: (0 - 120) / 60 and (255 - 100) / 70 are the ends of what it takes
    ends = [source["scale"] * (end - source["zero_point"]) for end in (-128, 127)]
    assert -2.1 < ends[0] < -1.9
    assert 2.1 < ends[1] < 2.3
    content = (folder / "model.pt2").read_bytes()
    assert files["model.pt2"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert files["model.pt2"]["bytes"] == len(content)
    assert (figures["parameters"], figures["multiply_adds"]) == (trained.spec.parameters, trained.spec.multiply_adds)
    assert figures["latencies"] == [{"name": "latency_ms", "value_ms": 2.5}]
    assert figures["licence"] == {"data": None, "mnas-moo": "MIT"}
    assert figures["training"]["seed"] == 7
    assert figures["check"]["warnings"] == []
    assert {"python", "torch", "onnxruntime", "ai-edge-litert"} <= figures["versions"].keys()


def test_it_notes_that_the_images_have_changed(folder: Path, trained: TrainedNetwork, data: ImageData) -> None:
    before = dataclasses.replace(trained, figures={**trained.figures, "accuracy": 0.9})
    (warning,) = document(folder, before, check(folder, before, data), [])["check"]["warnings"]
    assert warning.endswith("it was 90.00 % at the end of the training: the images have changed since")
