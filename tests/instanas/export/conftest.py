"""One exported point for all tests: a graph with statistics of images, and a controller that tells them apart."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mnas_moo.instanas.controller import Controller
from mnas_moo.instanas.export.files import Exported, write
from mnas_moo.instanas.inference import Runner
from mnas_moo.objectives.training.data import ImageData, load_data
from mnas_moo.spaces.instanas import NAMES
from tests.instanas.test_metagraph import SPACE, graph


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_data("digits", 16)


@pytest.fixture(scope="session")
def exported(digits: ImageData) -> Exported:
    controller = Controller((1, 16, 16), (SPACE.cells, len(NAMES)), torch.Generator().manual_seed(0), 0.5, 2)
    pixels = (digits.images[digits.train].float() - digits.mean) / digits.std
    with torch.no_grad():
        for _ in range(30):
            controller(pixels.permute(0, 3, 1, 2))
        controller.decide.weight.mul_(20)  # so that images differ in their decisions
        controller.decide.bias.sub_(0.5)
        controller.decide.bias[:10].sub_(100)  # the first two cells have none on
    return Exported(
        name="trial-3",
        study="numbers",
        space=SPACE,
        runner=Runner(graph(), controller),
        classes=digits.info.classes,
        mean=digits.mean.tolist(),
        std=digits.std.tolist(),
    )


@pytest.fixture(scope="session")
def contents(exported: Exported) -> dict[str, bytes]:
    return write(exported)


@pytest.fixture
def folder(contents: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder with the files, which a test may change."""
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path
