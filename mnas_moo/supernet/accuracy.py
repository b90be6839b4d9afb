"""Accuracy by the weights that a space's networks share: an evaluation in the place of a training.

The figure ranks networks, it does not say what they reach when they are trained alone: that is mostly more, and of
small networks more so (Yu et al. 2020, "Evaluating the Search Phase of Neural Architecture Search"). So a measurement
says whose weights judged.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.accuracy import Accuracy
from mnas_moo.objectives.training.balance import chance
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.judging import interval_of
from mnas_moo.objectives.training.train import find_device
from mnas_moo.spaces.space import Space
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.supernet.module import Supernet
from mnas_moo.supernet.training import Judge, check_images, describe_weights

MOST_BYTES = 2**32


class SharedAccuracy:
    """Share of the hold-out that a network classifies right with its part of the shared weights, to be maximised.

    Args:
        file: the weights, as ``training.train_supernet`` writes them.
        space: the space that they were trained for.
        data: the images that they were trained on; the hold-out must be theirs as well.
        balanced: whether accuracy is the mean over the classes.
        device: where networks are evaluated.
        threads: CPU threads of an evaluation.

    Raises:
        ValueError: the file is no such file, or of another space, other classes, another resolution or other images.
        OSError: it cannot be read.
    """

    name = "accuracy"
    direction: Direction = "maximize"

    def __init__(
        self,
        file: Path,
        space: Space,
        data: ImageData,
        *,
        balanced: bool = False,
        device: str = "auto",
        threads: int = 1,
    ) -> None:
        check_images(space, data)
        self.space = space
        self.data = data
        self.threads = threads
        self.supernet = load_supernet(file, space, data).to(find_device(device))
        self.judge = Judge(self.supernet, data, balanced=balanced)
        self.chance = chance(data.labels[data.holdout], balanced=balanced)

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """Evaluates ``spec``; the seed decides nothing.

        Returns:
            The accuracy, with the interval that the size of the hold-out gives it; ``weights`` is "shared".

        Raises:
            ValueError: the network is no member of the space.
        """
        del seed
        began = time.perf_counter()
        with cpu_threads(self.threads):
            accuracy = self.judge.accuracy(self.space.params(spec))
        n = self.judge.images
        return Measurement(
            accuracy,
            {
                "weights": "shared",
                "interval": list(interval_of(accuracy, n)),
                "chance": self.chance,
                "holdout_images": n,
                "seconds": time.perf_counter() - began,
            },
        )

    def close(self) -> None:
        """Does nothing: the weights go with the object."""


class FineTuned(Accuracy):
    """Accuracy of networks that are trained from their part of the shared weights on, and not from scratch.

    Args:
        shared: the shared weights, with their images.
        settings: the fields of ``TrainSettings``.
    """

    def __init__(self, shared: SharedAccuracy, **settings: Any) -> None:
        super().__init__(shared.data, **settings)
        self.shared = shared

    def start(self, spec: NetworkSpec) -> dict[str, torch.Tensor]:
        """The network's part of the shared weights."""
        return dict(self.shared.supernet.cut(self.shared.space.params(spec)).state_dict())


def load_supernet(file: Path, space: Space, data: ImageData) -> Supernet:
    """Reads shared weights, which executes nothing of the file.

    Raises:
        ValueError: see ``SharedAccuracy``.
        OSError: the file cannot be read.
    """
    state = _read(file)
    ours = describe_weights(space, data)
    if state["space"] != ours["space"]:
        raise ValueError(f"{file} has weights of the space {state['space']}; the study searches {ours['space']}")
    for name, value in ours["settings"].items():
        held = state["settings"].get(name)
        if held != value:
            raise ValueError(f"{file} has weights of a space whose {name} is {held}; the study's is {value}")
    if state["classes"] != ours["classes"]:
        raise ValueError(
            f"{file} has weights for the classes {_list(state['classes'])}; the study's are {_list(ours['classes'])}"
        )
    if state["images"] != ours["images"]:
        raise ValueError(
            f"{file} was trained on a part of {state['images']:,} images; there are {ours['images']:,} now"
        )
    shared = np.intersect1d(state["train"].numpy(), data.holdout.numpy())
    if len(shared):
        raise ValueError(
            f"{file} was trained on {len(shared):,} of the {len(data.holdout):,} images that are held out; give the "
            "share `holdout` that it was trained with, or train it anew"
        )
    supernet = Supernet(space, torch.Generator())
    try:
        supernet.load_state_dict(state["weights"])
    except RuntimeError as error:
        raise ValueError(f"{file} has not the weights of this version of the space; train them anew") from error
    return supernet.to(memory_format=torch.channels_last)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ValueError(f"{file} is no file; `mnas-moo supernet STUDY -o {file}` trains shared weights")
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"{file} has {file.stat().st_size:,} bytes; shared weights have fewer than {MOST_BYTES:,}")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises errors of many kinds for a broken file
        raise ValueError(f"{file} is no file of shared weights, or a broken one") from error
    kinds = {"format": int, "space": str, "settings": dict, "classes": list, "images": int, "weights": dict}
    if not isinstance(state, dict) or not all(isinstance(state.get(key), kind) for key, kind in kinds.items()):
        raise ValueError(f"{file} is no file of shared weights")
    if state["format"] != 1 or not isinstance(state.get("train"), torch.Tensor):
        raise ValueError(f"{file} was written by another version of mnas-moo")
    return state


def _list(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
