from __future__ import annotations

import torch

from mnas_moo.objectives.training.data import DataInfo, ImageData
from mnas_moo.spaces.dppnet import DppNetSpace
from mnas_moo.spaces.spec import Layer, NetworkSpec


def network(resolution: int = 8, channels: int = 1, classes: int = 10) -> NetworkSpec:
    layers = (
        Layer("mbconv", 8, 16, 3, stride=2, expansion=3, se_ratio=0.25),
        Layer("conv", 16, 16, 3, skip="identity"),
    )
    stem = Layer("conv", channels, 8, 3, skip="none")
    return NetworkSpec((channels, resolution, resolution), stem, layers, head=32, classes=classes)


def condensenet(features: float = 0.5) -> NetworkSpec:
    """A small CondenseNet for the digits; training chooses what its learned convolutions and its classifier read."""
    space = DppNetSpace(preset="digits", resolution=8, stem_stride=1, features=features)
    return space.spec(space.genome(("bnrelu", "learned1x1", "bnrelu", "group3x3")))


def images(n: int, n_train: int, flip: bool = False, resolution: int = 8) -> ImageData:
    """Random bytes of two classes."""
    pixels = torch.randint(256, (n, resolution, resolution, 3), generator=torch.Generator().manual_seed(0))
    order = torch.arange(n)
    return ImageData(
        images=pixels.byte(),
        labels=order % 2,
        train=order[:n_train],
        holdouts=(order[n_train:],),
        mean=torch.full((3,), 100.0),
        std=torch.tensor([50.0, 60.0, 70.0]),
        info=DataInfo(("a", "b"), 3, resolution, n, flip),
    )
