"""A trained network in the file formats of other programs, each with labels and normalisation inside.

LiteRT for apps (float32; float16 at half the size; int8 at a quarter, for units that have nothing else), ONNX for ONNX
Runtime and its kin, and torch's own export for programs in Python. The first four are written by ``formats`` from the
specification; the last is traced.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mnas_moo.objectives.export.description import LABELS_FILE, description, labels_text
from mnas_moo.objectives.export.metadata import metadata, with_files
from mnas_moo.objectives.formats import litert, onnx
from mnas_moo.objectives.training.trained import TrainedNetwork

if TYPE_CHECKING:
    from torch import Tensor

CALIBRATION_IMAGES = 256
"""So many training images give the ranges of an int8 model's activations."""
EXTRA = "host,onnx"
"""The extras that all formats together need."""


@dataclass(frozen=True)
class Format:
    """One of the files.

    Attributes:
        program: what opens it.
        weights: what its weights are stored as.
        exact: whether it computes what torch computes, but for the order of additions.
    """

    program: Literal["LiteRT", "ONNX Runtime", "torch.export"]
    weights: Literal["float32", "float16", "int8"]
    exact: bool


FORMATS: Mapping[str, Format] = {
    "model_float32.tflite": Format("LiteRT", "float32", exact=True),
    "model_float16.tflite": Format("LiteRT", "float16", exact=False),
    "model_int8.tflite": Format("LiteRT", "int8", exact=False),
    "model.onnx": Format("ONNX Runtime", "float32", exact=True),
    "model.pt2": Format("torch.export", "float32", exact=True),
}
"""File -> what it is."""


def calibration_images(train: Tensor) -> Tensor:
    """Which training images calibrate an int8 model: evenly spread, so that every class has its share.

    Args:
        train: indices of the training images, in the order of the data.
    """
    import torch

    return train[torch.linspace(0, len(train) - 1, min(CALIBRATION_IMAGES, len(train))).round().long()]


def normalised(trained: TrainedNetwork, images: np.ndarray) -> np.ndarray:
    """The network's input for some images.

    Args:
        trained: the network.
        images: (N, H, W, C) uint8.

    Returns:
        (N, H, W, C) float32.
    """
    mean, std = (np.array(values, np.float32) for values in (trained.mean, trained.std))
    return (images.astype(np.float32) - mean) / std


def write(trained: TrainedNetwork, calibration: np.ndarray) -> dict[str, bytes]:
    """Writes the network in all formats.

    Args:
        trained: the network.
        calibration: (N, H, W, C) uint8, some 100 of the training images.

    Returns:
        The content of each file, by the names of ``FORMATS``.

    Raises:
        ValueError: a label has a line break; the images have another shape; a weight is not finite, or too large for
            float16.
        MissingExtraError: ai-edge-litert, flatbuffers or onnx is not installed.
    """
    from mnas_moo.objectives.formats import torch_module

    described = description(trained)
    module = trained.module()
    spec, weights = trained.spec, torch_module.weights(module)
    inside, labels = metadata(described), {LABELS_FILE: labels_text(trained.classes)}
    images = normalised(trained, calibration)
    files: dict[str, bytes] = {}
    for name, kind in FORMATS.items():
        if kind.program == "LiteRT":
            ranges_from = images if kind.weights == "int8" else None
            model = litert.write(spec, weights, kind.weights, ranges_from, metadata=inside)
            files[name] = with_files(model, labels)
        elif kind.program == "ONNX Runtime":
            files[name] = onnx.write(spec, weights, metadata=_as_texts(described))
        else:
            files[name] = _traced(module, spec.input_shape, described, labels)
    return files


def _as_texts(described: Mapping[str, Any]) -> dict[str, str]:
    """What is said of a network as pairs of texts; what is none is JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in described.items()}


def _traced(module: Any, shape: tuple[int, int, int], described: Mapping[str, Any], labels: Mapping[str, str]) -> bytes:
    """The program that torch.export makes of a module, for any number of images at once."""
    import torch

    packed = io.BytesIO()
    with torch.no_grad():
        batch = {"x": {0: torch.export.Dim("images", min=1)}}
        # two images: torch would take a batch of one for a constant
        program = torch.export.export(module, (torch.zeros(2, *shape),), dynamic_shapes=batch)
    extra = {"model.json": json.dumps(described, indent=2), **labels}
    torch.export.save(program, packed, extra_files=extra)
    return packed.getvalue()
