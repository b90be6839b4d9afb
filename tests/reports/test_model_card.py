from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from mnas_moo.reports.model_card import model_card

FILE = {"program": "LiteRT", "weights": "float32", "bytes": 36858, "accuracy": 0.9, "agreement": 1.0, "share": 3.3e-7}
INT8 = {
    **FILE,
    "weights": "int8",
    "accuracy": 0.894,
    "input": {"scale": 0.0123, "zero_point": -50},
    "output": {"scale": 0.05, "zero_point": 3},
}
DOCUMENT: dict[str, Any] = {
    "name": "trial-3",
    "study": "insects",
    "network": "in3x12x12 stem_k3",
    "labels": ["ant", "<b>moth</b>", "fly | wasp"],
    "input": {
        "width": 12,
        "height": 12,
        "colours": "RGB",
        "crop": "the middle is cut out",
        "normalisation": "(byte - mean) / std",
        "mean": [120.0, 110.0, 100.5],
        "std": [60.0, 65.0, 70.0],
    },
    "output": "logits",
    "parameters": 8244,
    "multiply_adds": 103328,
    "peak_memory_bytes": 21760,
    "files": {"model_float32.tflite": FILE, "model_int8.tflite": INT8},
    "check": {"images": 1000, "torch_accuracy": 0.9, "failures": [], "warnings": []},
    "latencies": [],
    "training": {
        "accuracy": 0.9,
        "interval": [0.88, 0.92],
        "holdout_images": 1000,
        "chance": 0.4,
        "recipe": {"optimizer": "sgd", "learning_rate": 0.05, "ema": None},
        "seed": 7,
        "steps": 400,
        "seconds": 12.34567,
        "data": {"source": "~/insects", "train_images": 3000},
        "versions": {"torch": "2.14.1"},
    },
    "licence": {"data": None, "mnas-moo": "MIT"},
    "versions": {"python": "3.11.7", "onnx": "1.23.2"},
}
TIMED = {"name": "latency_ms", "device": "Pixel 6", "how": "LiteRT 2.2, float32", "value_ms": 2.5, "predicted": False}


def with_(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENT), **changes}


def test_it_says_what_the_network_is_worth() -> None:
    card = model_card(DOCUMENT)
    assert card.startswith("# trial-3\n")
    assert "| accuracy on images held out | 90.00 % (88.0 to 92.0 %, 95 % interval; 1,000 images) |" in card
    assert "| accuracy of guessing | 40.0 % |" in card
    assert "| parameters | 8,244 |" in card
    assert "| multiply-adds of an image | 103,328 |" in card
    assert "accuracy on the test images" not in card
    tested = {**DOCUMENT["training"], "test_accuracy": 0.85, "test_interval": [0.8, 0.9], "test_images": 200}
    assert "| accuracy on the test images | 85.00 % (80.0 to 90.0 %, 95 % interval; 200 images) |" in model_card(
        with_(training=tested)
    )


def test_each_file_has_what_the_check_found() -> None:
    card = model_card(DOCUMENT)
    assert "run on the 1,000 images held out and compared with torch, which classifies 90.00 %" in card
    assert "| `model_float32.tflite` | LiteRT | float32 | 37 | 90.00 % | 100.00 % | 3.3e-07 |" in card
    assert "| `model_int8.tflite` | LiteRT | int8 | 37 | 89.40 % |" in card
    assert "input of the int8 file: real = 0.0123 * (integer + 50)" in card
    assert "output of the int8 file: real = 0.05 * (integer - 3)" in card
    failed = model_card(with_(check={**DOCUMENT["check"], "failures": ["x differs"], "warnings": ["y loses"]}))
    assert "**It failed its check: x differs.**" in failed
    assert "**Note: y loses.**" in failed


def test_latencies_have_their_interval_and_spread() -> None:
    assert "It was not measured." in model_card(DOCUMENT)
    sure = {**TIMED, "confidence_half_width_ms": 0.1, "p10_ms": 2.4, "p90_ms": 2.9, "threads": 2, "accelerator": "gpu"}
    guessed = {**TIMED, "predicted": True, "low_ms": 2.0, "high_ms": 3.1, "threads": 1}
    card = model_card(with_(latencies=[sure, guessed, {**TIMED, "device": None}]))
    assert "| Pixel 6 | LiteRT 2.2, float32, 2 threads, gpu | 2.5 | 2.4 to 2.6 | 2.4 to 2.9 |" in card
    assert "| Pixel 6 | LiteRT 2.2, float32, 1 thread, predicted, not measured | 2.5 | 2 to 3.1 (90 %) |  |" in card
    assert "| not stored | LiteRT 2.2, float32 | 2.5 |  |  |" in card


def test_training_data_licence_and_versions_are_there() -> None:
    card = model_card(DOCUMENT)
    assert "| learning rate | 0.05 |" in card
    assert "| seed | 7 |" in card
    assert "| seconds | 12.35 |" in card
    assert "- source: `~/insects`" in card
    assert "- licence: unknown;" in card
    assert "of the package mnas-moo that made them: MIT" in card
    assert "- training: torch 2.14.1\n" in card
    assert "- export: python 3.11.7, onnx 1.23.2\n" in card


def test_names_of_others_are_no_markup() -> None:
    card = model_card(with_(name="<script>", study="[x](http://y)"))
    outside_code = re.sub(r"`[^`\n]*`", "", card)
    assert "<" not in outside_code
    assert "](" not in outside_code
    assert "`<b>moth</b>`" in card


def test_every_row_of_a_table_has_its_columns() -> None:
    card = model_card(with_(latencies=[{**TIMED, "device": "a | b"}]))
    for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


@pytest.mark.parametrize("labels", [20, 1000])
def test_of_many_labels_the_first_are_named(labels: int) -> None:
    card = model_card(with_(labels=[f"class {i}" for i in range(labels)]))
    assert "`class 19`" in card
    assert "`class 20`" not in card
    assert ("980 more in `labels.txt`" in card) == (labels == 1000)
