"""The weights that a final training begins with, from a file of ours or of torchvision.

A classifier for other classes begins fresh, so that a network that knows ImageNet can learn a user's images. Channels
that a condensed network has selected stay selected. Files are read with torch's loader of plain tensors, which executes
nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mnas_moo.objectives.formats.torch_module import build, load_torchvision
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.full import Start
from mnas_moo.objectives.training.trained import read_state
from mnas_moo.spaces.operations import Select
from mnas_moo.spaces.spec import NetworkSpec

TORCHVISION_EPSILON = 1e-5
TORCHVISION_MEAN = (0.485, 0.456, 0.406)
TORCHVISION_STD = (0.229, 0.224, 0.225)
CLASSIFIER = ("classifier.weight", "classifier.bias")


def begin(spec: NetworkSpec, data: ImageData, file: Path, seed: int) -> tuple[NetworkSpec, ImageData, Start]:
    """What a training from the weights of a file begins with.

    Args:
        spec: the network.
        data: the images.
        file: a network of `mnas-moo train`, or torchvision's weights of a MnasNet or MobileNetV2.
        seed: seed of a classifier that begins fresh.

    Returns:
        The network, its norms' epsilon torchvision's where the weights are; the images, normalised as those that the
        weights know; and the weights.

    Raises:
        ValueError: it holds no weights, or those of another network.
        OSError: it cannot be read.
    """
    state = read_state(file, "holds no weights that can be read without executing what is in it")
    if not isinstance(state, Mapping):
        raise ValueError(f"{file} holds no weights by name")
    if isinstance(state.get("weights"), Mapping) and isinstance(state.get("network"), str):
        found, words = state["weights"], "mnas-moo"
        mean, std = state.get("mean"), state.get("std")
        fits = isinstance(mean, list) and isinstance(std, list) and len(mean) == len(std) == len(data.mean)
        if not fits:
            raise ValueError(f"{file} holds weights for images of other channels than the {len(data.mean)} of the data")
        normalised = dataclasses.replace(data, mean=torch.tensor(mean), std=torch.tensor(std))
        return spec, normalised, Start(f"{words} ({file.name})", _fitting(spec, found, file, seed))
    if not all(isinstance(tensor, Tensor) for tensor in state.values()) or not state:
        raise ValueError(f"{file} holds neither a network of `mnas-moo train` nor weights of torchvision")
    spec = dataclasses.replace(spec, epsilon=TORCHVISION_EPSILON)
    classes = list(state.values())[-1].shape[0] if list(state.values())[-1].ndim == 1 else spec.classes
    theirs = build(dataclasses.replace(spec, classes=classes))
    try:
        load_torchvision(theirs, state)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    mean, std = (torch.tensor(each) * 255 for each in (TORCHVISION_MEAN, TORCHVISION_STD))
    if len(data.mean) == len(mean):
        data = dataclasses.replace(data, mean=mean, std=std)
    return spec, data, Start(f"torchvision ({file.name})", _fitting(spec, theirs.state_dict(), file, seed))


def _fitting(spec: NetworkSpec, found: Mapping[str, Any], file: Path, seed: int) -> dict[str, Tensor]:
    """Weights for a network; its classifier begins fresh where the file's has other classes."""
    weights = dict(build(spec, torch.Generator().manual_seed(seed)).state_dict())
    if set(found) != set(weights):
        raise ValueError(f"{file} has weights of another network: {_difference(set(found), set(weights))}")
    # channels that each selection selects from, by the name of its index
    inputs = {f"{n.name}.index": n.input_shapes[0][0] for n in spec.nodes if isinstance(n.operation, Select)}
    for name, own in weights.items():
        if not isinstance(found[name], Tensor):
            raise ValueError(f"{file}: {name} is no tensor")
        shape = found[name].shape
        if shape == own.shape and name in inputs:
            index = found[name]
            if index.dtype != torch.int64 or not bool(((index >= 0) & (index < inputs[name])).all()):
                raise ValueError(f"{file}: {name} is no selection of channels: these are 0 to {inputs[name] - 1}")
            weights[name] = index
        elif shape == own.shape:
            weights[name] = found[name].to(own.dtype)
        elif name not in CLASSIFIER or shape[1:] != own.shape[1:]:
            raise ValueError(
                f"{file} has weights of another network: {name} is {tuple(shape)}; {tuple(own.shape)} is needed"
            )
    return weights


def _difference(found: set[str], wanted: set[str]) -> str:
    lacks, more = sorted(wanted - found), sorted(found - wanted)
    return f"it lacks {lacks[0]}" if lacks else f"it has {more[0]}"
