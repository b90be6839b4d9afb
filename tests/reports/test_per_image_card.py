from __future__ import annotations

import copy
from typing import Any

import pytest

from mnas_moo.reports.per_image_card import in_words, per_image_card
from tests.reports.test_model_card import DOCUMENT as PLAIN

TIMES = {
    **{"device": "a CPU", "threads": 1, "rounds": 5, "images": 100, "per_image_ms": 1.5, "low_ms": 1.25},
    **{"high_ms": 1.75, "controller_ms": 0.25, "mobilenet_ms": 2.0, "whole_ms": 1.875},
    **{"saved": 0.25, "saved_interval": [0.2, 0.3]},
}
CHECK = {
    **{"images": 1000, "accuracy": 0.9, "torch_accuracy": 0.901, "same_decisions": 0.999, "agreement": 1.0},
    **{"probability_difference": 1e-7, "difference": 1e-6, "output_range": 10.0, "share": 1e-7, "paths": 12},
    **{"on": 0.3, "failures": [], "warnings": []},
}
DOCUMENT: dict[str, Any] = {
    **{key: PLAIN[key] for key in ("labels", "input", "output", "licence", "versions")},
    "name": "trial-3",
    "study": "insects",
    "rule": "A rule.",
    "controller": {"file": "controller.tflite", "on_from": 0.0},
    "stem": "stem.tflite",
    "head": "head.tflite",
    "cells": [{"modules": [{"file": "cell-01-a.tflite"}, {"file": "cell-01-b.tflite"}]}],
    "parameters": 80165,
    "multiply_adds": {"controller": 12000, "mobilenet": 98000},
    "files": {
        name: {"bytes": 3000 * i}
        for i, name in enumerate(
            ("controller.tflite", "stem.tflite", "head.tflite", "cell-01-a.tflite", "cell-01-b.tflite")
        )
    },
    "check": CHECK,
    "timed": TIMES,
    "training": {**PLAIN["training"], "shuffled_accuracy": 0.5, "latency_ms": 1.25},
}


def with_(**times: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENT), "timed": {**TIMES, **times}}


def test_the_card_has_what_was_found() -> None:
    lines = per_image_card(DOCUMENT).splitlines()
    assert lines[0] == "# trial-3"
    assert "a network for each image, trial-3 of the study insects." in lines[2]
    assert "| accuracy where images take each other's paths | 50.00 % |" in lines
    assert "| modules that run, mean of an image | 30.0 % |" in lines
    assert "| by its own path, controller included | 1.5 (1.25 to 1.75 for the middle 80 % of the images) |" in lines
    assert "| by the MobileNetV2-like path, module by module | 2 |" in lines
    assert "| `cell-01-a.tflite`, … | 2 modules of 1 cells, each a file | 21 |" in lines
    text = " ".join(lines)
    assert "switch on the same modules for 99.90 % of the images and give the same answer for 100.00 %" in text
    assert "an image takes 1.25 ms in the mean" in text and "A rule." in text
    assert "| learning rate | 0.05 |" in lines and "- labels: `ant`, `<b>moth</b>`, `fly | wasp`" in lines


@pytest.mark.parametrize(
    ("saved", "interval", "words"),
    [
        (
            0.25,
            (0.2, 0.3),
            "an image takes 25.0 % less time than by the MobileNetV2-like path in the same program (20.0 to 30.0 %",
        ),
        (
            -0.5,
            (-0.6, -0.4),
            "an image takes 50.0 % more time than by the MobileNetV2-like path in the same program (40.0 to 60.0 %",
        ),
        (0.02, (-0.01, 0.05), "an image takes about as long as by the MobileNetV2-like path"),
        (-0.02, (-0.05, 0.01), "about as long as by the MobileNetV2-like path in the same program: 2.0 % more time"),
    ],
)
def test_what_is_saved_is_said_with_its_sign(saved: float, interval: tuple[float, float], words: str) -> None:
    document = with_(saved=saved, saved_interval=list(interval))
    assert words in "\n".join(in_words(document))
    assert words[3:] in per_image_card(document)


def test_a_failure_is_at_the_top_and_lines_tell_the_check() -> None:
    document = {**DOCUMENT, "check": {**CHECK, "failures": ["the modules differ from torch"]}}
    assert "**It failed its check: the modules differ from torch.**" in per_image_card(document).splitlines()[:6]
    lines = list(in_words(DOCUMENT))
    assert lines[0] == "trial-3 of insects, on the 1,000 images held out:"
    assert lines[2] == "  modules as torch    99.90 % of the images, 12 paths"
