"""What every exported file says of its network: the labels, how an image becomes the input, what the output means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.spaces.operations import Shape
from mnas_moo.spaces.text import to_text

LABELS_FILE = "labels.txt"
"""One class a line, in the order of the outputs."""
OUTPUT = "logits, one a label in the order of the labels; softmax makes probabilities of them"


def description(trained: TrainedNetwork) -> dict[str, Any]:
    """What a program must know to use the network, as JSON.

    Returns:
        "name" of the network and of its "study", "network" (its block string), "labels", "input" (what becomes of an
        image), "output" (what the numbers are).

    Raises:
        ValueError: a label has a line break, so that a file of labels would have another line for it.
    """
    return {
        "name": str(trained.figures.get("label", "")),
        "study": str(trained.figures.get("study", "")),
        "network": to_text(trained.spec),
        "labels": labels_of(trained.classes),
        "input": input_of(trained.spec.input_shape, trained.mean, trained.std),
        "output": OUTPUT,
    }


def labels_of(classes: Sequence[str]) -> list[str]:
    """The labels of some classes.

    Raises:
        ValueError: one has a line break, so that a file of labels would have another line for it.
    """
    for label in classes:
        if label.splitlines() != [label]:
            raise ValueError(f"class {label!r} is empty or has a line break; a label is one line: rename its folder")
    return list(classes)


def input_of(shape: Shape, mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
    """What becomes of an image, as JSON.

    Args:
        shape: (C, H, W) of the input.
        mean: (C,) what is subtracted of each channel, in units of a byte.
        std: (C,) what each channel is divided by then.
    """
    channels, height, width = shape
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "colours": {1: "grey", 3: "RGB"}.get(channels, "as in the data"),
        "crop": "the shorter side is scaled to the input's, and the middle is cut out",
        "normalisation": "(byte - mean) / std, channel by channel; a byte is 0 to 255",
        "mean": list(mean),
        "std": list(std),
    }


def labels_text(classes: Sequence[str]) -> str:
    """The content of the file of labels."""
    return "".join(f"{label}\n" for label in classes)
