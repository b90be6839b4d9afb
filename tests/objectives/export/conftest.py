"""One exported network for all tests: its classes are what torch finds, so that torch is always right."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from mnas_moo.objectives.export import files
from mnas_moo.objectives.training.data import DataInfo, ImageData
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.spaces.spec import Layer
from tests.objectives.formats import conftest as formats

LAYERS = (Layer("mbconv", 8, 8, 5, 1, 3, 0.25), Layer("mbconv", 8, 12, 3, 2, 3, groups=2), Layer("conv", 12, 12, 3))
CLASSES = ("ant", "bee", "größe", "fly | wasp", "<b>moth</b>")
FIGURES = {
    "label": "trial-3",
    "study": "insects",
    "trial": 3,
    "accuracy": 1.0,
    "interval": [0.98, 1.0],
    "chance": 0.25,
    "holdout_images": 100,
    "recipe": {"steps": 40, "learning_rate": 0.05, "augmentation": "shift"},
    "seed": 7,
    "steps": 40,
    "seconds": 12.5,
    "device": "cpu",
    "start": "fresh weights",
    "data": {"source": "~/insects", "images": 400, "train_images": 300, "holdout": 0.25},
    "versions": {"python": "3.11.7", "torch": "2.14.1"},
}


@pytest.fixture(scope="session")
def trained() -> TrainedNetwork:
    """A network whose norms fit the images of ``data`` as after a training."""
    spec = formats.small(*LAYERS)
    module = formats.trained(spec)
    return TrainedNetwork(spec, module.state_dict(), CLASSES, (120.0, 110.0, 100.0), (60.0, 65.0, 70.0), FIGURES)


@pytest.fixture(scope="session")
def data(trained: TrainedNetwork) -> ImageData:
    """400 coloured patterns, of which the last 100 are held out."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (400, 4, 4, 3), dtype=np.uint8)
    images = coarse.repeat(3, axis=1).repeat(3, axis=2)
    with torch.no_grad():
        batch = torch.from_numpy(files.normalised(trained, images)).permute(0, 3, 1, 2)
        labels = trained.module()(batch).argmax(1)
    return ImageData(
        images=torch.from_numpy(images),
        labels=labels,
        train=torch.arange(300),
        holdouts=(torch.arange(300, 400),),
        mean=torch.tensor(trained.mean),
        std=torch.tensor(trained.std),
        info=DataInfo(CLASSES, channels=3, resolution=12, images=400, flip=True),
    )


@pytest.fixture(scope="session")
def contents(trained: TrainedNetwork, data: ImageData) -> dict[str, bytes]:
    return files.write(trained, data.images[files.calibration_images(data.train)].numpy())


@pytest.fixture
def folder(contents: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder with the files, which a test may change."""
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def with_classes(trained: TrainedNetwork, *classes: str) -> TrainedNetwork:
    return dataclasses.replace(trained, classes=classes)
