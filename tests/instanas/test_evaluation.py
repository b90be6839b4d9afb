from __future__ import annotations

import base64
import dataclasses

import numpy as np
import pytest
import torch

from mnas_moo.instanas.evaluation import SHOWN, evaluate, from_fast_to_slow, use_by_class
from mnas_moo.instanas.inference import Answer, Runner
from mnas_moo.instanas.table import ModuleTable
from mnas_moo.objectives.training.batches import Batches
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.spaces.instanas import InstaNASSpace

SPACE = InstaNASSpace(preset="digits")
TABLE = ModuleTable(np.ones((SPACE.cells, 5)), 0.5, 0.25, SPACE)


class Knowing(Runner):
    """Even classes are right with all modules on, odd ones with one a cell; decisions fit the class."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches
        self.labels = iter(labels for _, labels in [*batches.holdout(), *batches.holdout()])

    def __call__(self, images: torch.Tensor) -> Answer:
        labels = next(self.labels)
        masks = torch.zeros(len(labels), SPACE.cells, 5, dtype=torch.bool)
        masks[:, :, 0] = True
        masks[labels % 2 == 0] = True
        return Answer(torch.eye(10)[labels], masks)

    def run(self, images: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        labels = next(self.labels)
        right = masks.all(2).all(1) == (labels % 2 == 0)
        return torch.eye(10)[torch.where(right, labels, (labels + 1) % 10)]


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", 16)


def test_a_shuffle_tells_what_decisions_know_of_their_images(digits: ImageData) -> None:
    batches = Batches(digits, torch.device("cpu"), "none")
    found = evaluate(Knowing(batches), batches, TABLE)
    even = float((found.labels % 2 == 0).float().mean())
    assert found.accuracy == 1.0 and found.paths == 2
    assert found.latency_ms == pytest.approx(0.75 + SPACE.cells * (1 + 4 * even))
    assert found.on == pytest.approx((1 + 4 * even) / 5)
    assert found.shuffled_accuracy == pytest.approx(even**2 + (1 - even) ** 2, abs=0.1)
    use = use_by_class(found, 11)
    assert use[2] == [1.0] * 5 * SPACE.cells and use[3] == [1.0, 0, 0, 0, 0] * SPACE.cells
    assert use[10] == [0.0] * 5 * SPACE.cells  # a class without images


def test_images_are_shown_from_fast_to_slow_and_large_ones_smaller(digits: ImageData) -> None:
    batches = Batches(digits, torch.device("cpu"), "none")
    found = evaluate(Knowing(batches), batches, TABLE)
    shown = from_fast_to_slow(found, digits, TABLE)
    latencies = [each["latency_ms"] for each in shown]
    assert len(shown) == SHOWN and latencies == sorted(latencies) and latencies[0] < latencies[-1]
    assert shown[0]["label"] % 2 == 1 and shown[-1]["label"] % 2 == 0
    assert len(base64.b64decode(shown[0]["pixels"])) == 16 * 16
    large = dataclasses.replace(digits, images=digits.images.repeat_interleave(7, 1).repeat_interleave(7, 2))
    assert from_fast_to_slow(found, large, TABLE)[0]["shape"] == [48, 48, 1]
