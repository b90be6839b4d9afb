from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.spaces import get
from mnas_moo.supernet.accuracy import FineTuned, SharedAccuracy
from mnas_moo.supernet.settings import SharedTraining
from mnas_moo.supernet.training import train_supernet

SPACE = get("mnasnet", preset="digits", blocks=3)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", 16)


@pytest.fixture(scope="module")
def file(digits: ImageData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("supernet") / "digits.pt"
    train_supernet(SPACE, digits, SharedTraining(steps=250, batch_size=128, device="cpu", threads=1), file)
    return file


def test_a_measurement_says_whose_weights_judged(file: Path, digits: ImageData) -> None:
    accuracy = SharedAccuracy(file, SPACE, digits, device="cpu")
    spec = SPACE.random(np.random.default_rng(1))
    found = accuracy.measure(spec, seed=0)
    assert found == dataclasses.replace(found, details={**accuracy.measure(spec, seed=9).details, **found.details})
    low, high = found.details["interval"]  # type: ignore[misc]
    assert found.details["weights"] == "shared" and 0.15 < low < found.value < high <= 1  # type: ignore[operator]
    assert found.details["holdout_images"] == len(digits.holdout)


def test_fine_tuning_begins_with_the_shared_weights(file: Path, digits: ImageData) -> None:
    shared = SharedAccuracy(file, SPACE, digits, device="cpu")
    spec = SPACE.random(np.random.default_rng(1))
    tuned = FineTuned(shared, steps=1, learning_rate=1e-9, device="cpu")
    alone = tuned.train(spec, seed=0)["accuracy"]
    fresh = super(FineTuned, tuned).start(spec)
    assert fresh is None
    state = tuned.start(spec)
    cut = shared.supernet.cut(SPACE.params(spec)).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in cut.items())
    assert isinstance(alone, float)


def wrong(file: Path, data: ImageData, **changes: Any) -> str:
    space = get(changes.pop("space", "mnasnet"), **{"preset": "digits", "blocks": 3, **changes})
    with pytest.raises(ValueError, match=" ") as error:
        SharedAccuracy(file, space, data, device="cpu")
    return str(error.value)


def test_weights_of_something_else_are_one_line(file: Path, digits: ImageData, tmp_path: Path) -> None:
    assert wrong(file, digits, space="mnasnet-flat") == (
        f"{file} has weights of the space mnasnet; the study searches mnasnet-flat"
    )
    assert wrong(file, load_data("digits", 8), resolution=8) == (
        f"{file} has weights of a space whose resolution is 16; the study's is 8"
    )
    assert wrong(file, digits, width=0.5) == f"{file} has weights of a space whose width is 0.25; the study's is 0.5"
    other = dataclasses.replace(digits, info=dataclasses.replace(digits.info, classes=tuple("abcdefghij")))
    assert wrong(file, other) == (
        f"{file} has weights for the classes 0, 1, 2, 3, 4 and 5 more; the study's are a, b, c, d, e and 5 more"
    )
    mixed = load_data("digits", 16, holdout=0.4)
    assert wrong(file, mixed).startswith(f"{file} was trained on ")
    assert "of the 719 images that are held out; give the share `holdout`" in wrong(file, mixed)
    assert wrong(tmp_path / "none.pt", digits) == (
        f"{tmp_path}/none.pt is no file; `mnas-moo supernet STUDY -o {tmp_path}/none.pt` trains shared weights"
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"\x80\x04cos\nsystem\n"])
def test_a_file_that_is_none_is_one_line_and_executes_nothing(
    content: bytes, digits: ImageData, tmp_path: Path
) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    assert wrong(tmp_path / "a.pt", digits) == f"{tmp_path}/a.pt is no file of shared weights, or a broken one"


def test_a_file_with_other_contents_is_one_line(file: Path, digits: ImageData, tmp_path: Path) -> None:
    state = torch.load(file, weights_only=True)
    for changed, message in (
        ({**state, "format": 2}, "was written by another version of mnas-moo"),
        ({**state, "weights": 3}, "is no file of shared weights"),
        ({**state, "weights": {}}, "has not the weights of this version of the space"),
        ([1, 2], "is no file of shared weights"),
    ):
        torch.save(changed, tmp_path / "b.pt")
        assert message in wrong(tmp_path / "b.pt", digits)
