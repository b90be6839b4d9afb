"""All figures of an export as one JSON document: what lies beside the files, and what the model card is made of."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnas_moo.objectives.export.check import MOST_DIFFERENCE, MOST_LOSS, Check, interpreter_of
from mnas_moo.objectives.export.description import description
from mnas_moo.objectives.export.files import FORMATS
from mnas_moo.objectives.training.trained import TrainedNetwork

FORMAT = 1
PACKAGES = ("mnas-moo", "torch", "numpy", "ai-edge-litert", "flatbuffers", "onnx", "onnxruntime")


def document(
    folder: Path, trained: TrainedNetwork, check: Check, latencies: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is known of a network and of its files.

    Args:
        folder: has the files of ``FORMATS``.
        trained: the network.
        check: what the files were found to do.
        latencies: what the network's trial says of its latencies.

    Returns:
        JSON: "format", the keys of ``description.description``, "parameters", "multiply_adds", "peak_memory_bytes",
        "files" by name (with what their input and output are), "check", "latencies", "training" (all figures of the
        trained network), "licence" and "versions".
    """
    spec = trained.spec
    return {
        "format": FORMAT,
        **description(trained),
        "parameters": spec.parameters,
        "multiply_adds": spec.multiply_adds,
        "peak_memory_bytes": spec.peak_memory_bytes,
        "files": {name: _of_file(folder / name, trained, check) for name in FORMATS},
        "check": {
            "images": check.images,
            "torch_accuracy": check.torch_accuracy,
            "output_range": check.output_range,
            "float32_limit": MOST_DIFFERENCE,
            "failures": check.failures,
            "warnings": [*check.warnings, *other_images(trained.figures, check.torch_accuracy)],
        },
        "latencies": list(latencies),
        "training": dict(trained.figures),
        "licence": {"data": None, "mnas-moo": "MIT"},
        "versions": {"python": platform.python_version(), **versions()},
    }


def other_images(training: Mapping[str, Any], torch_accuracy: float) -> list[str]:
    """The warning that the images held out are no longer those of the training; none where they seem to be.

    Args:
        training: the figures of the training.
        torch_accuracy: accuracy on the images held out, as it is now.
    """
    before = training.get("accuracy")
    if not isinstance(before, float) or abs(torch_accuracy - before) <= MOST_LOSS:
        return []
    return [
        f"torch classifies {100 * torch_accuracy:.2f} % of the images rightly, but it was {100 * before:.2f} % "
        "at the end of the training: the images have changed since"
    ]


def _of_file(file: Path, trained: TrainedNetwork, check: Check) -> dict[str, Any]:
    kind, content = FORMATS[file.name], file.read_bytes()
    channels, height, width = trained.spec.input_shape
    if kind.program == "LiteRT":
        tensors = _litert_tensors(file)
    else:
        images = 1 if kind.program == "ONNX Runtime" else "any"
        tensors = {
            "input": {"shape": [images, channels, height, width], "layout": "NCHW", "type": "float32"},
            "output": {"shape": [images, len(trained.classes)], "type": "float32"},
        }
    return {
        "program": kind.program,
        "weights": kind.weights,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **tensors,
        **asdict(check.files[file.name]),
    }


def _litert_tensors(file: Path) -> dict[str, Any]:
    """Shapes and types of a LiteRT model's ends; what integers mean: real = scale * (integer - zero point)."""
    interpreter = interpreter_of(file)
    tensors: dict[str, Any] = {}
    for end, (detail,) in (("input", interpreter.get_input_details()), ("output", interpreter.get_output_details())):
        tensors[end] = {"shape": detail["shape"].tolist(), "type": detail["dtype"].__name__}
        if end == "input":
            tensors[end]["layout"] = "NHWC"
        if detail["dtype"].__name__ == "int8":
            scale, zero_point = detail["quantization"]
            tensors[end] |= {"scale": scale, "zero_point": zero_point}
    return tensors


def versions() -> dict[str, str]:
    """Versions of the packages that took part, as far as they are installed as packages."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # mnas-moo, run from its sources
            continue
    return found
