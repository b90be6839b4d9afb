"""The accuracy of a child after short trainings: MnasNet's ACC(m) (Tan et al. 2019, sec. 3 and 5).

A fixed part of the training set is held out and the child is judged on it; the test set is never read. Where that part
is small, every further training of a child holds out another one (stratified k-fold), and what a few dozen images
cannot tell is said: the accuracy is a mean with its standard error and its interval (``judging``). The paper trains
every child once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnas_moo.objectives.objective import JSON, Direction, Measurement
from mnas_moo.objectives.training.balance import chance
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.judging import Outcome, judge
from mnas_moo.objectives.training.settings import FOLDED_IMAGES
from mnas_moo.objectives.training.train import Listener, TrainSettings, find_device, train
from mnas_moo.spaces.spec import NetworkSpec

if TYPE_CHECKING:
    from torch import Tensor


class Accuracy:
    """Share of the hold-out that a freshly trained child classifies right, in [0, 1], to be maximised.

    >>> from mnas_moo.objectives import Accuracy, load_data
    >>> from mnas_moo.spaces import get
    >>> space = get("mnasnet", preset="digits", resolution=8, blocks=1)
    >>> network = space.spec({name: choice.choices[0] for name, choice in space.distributions.items()})
    >>> accuracy = Accuracy(load_data("digits", resolution=8), epochs=2, device="cpu")
    >>> accuracy.measure(network, seed=0).value > 0.5  # a tenth by chance
    True

    Args:
        data: images, decoded once for all children.
        settings: the fields of ``TrainSettings``.

    Raises:
        ValueError: a setting is out of range, or the device is not there.
    """

    name = "accuracy"
    direction: Direction = "maximize"

    def __init__(self, data: ImageData, **settings: Any) -> None:
        self.data = data
        self.settings = TrainSettings(**settings)
        folded = len(data.holdout) < FOLDED_IMAGES
        self._folds = [data.fold(k) for k in range(len(data.holdouts) if folded else 1)]

    @property
    def steps(self) -> int:
        """Steps of one training."""
        return self.settings.length(len(self.data.train))

    @property
    def device(self) -> str:
        """Where networks are trained: "cpu", "cuda:0", "mps"."""
        return str(find_device(self.settings.device))

    @property
    def chance(self) -> float:
        """What guessing the most frequent class of the hold-out gets; one class's share if ``balanced``."""
        return chance(self.data.labels[self.data.holdout], balanced=self.settings.balanced)

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """Trains ``spec`` once from scratch and evaluates it.

        Args:
            spec: network; its input and classes must be those of the images.
            seed: seed of initial weights, order, augmentation and dropout.

        Returns:
            The accuracy, with its interval, and steps, seconds and speed of the training.

        Raises:
            ValueError: the network does not fit the images, or its loss stopped being a number.
        """
        return self.judged([self.train(spec, seed)])

    def train(
        self,
        spec: NetworkSpec,
        seed: int,
        number: int = 0,
        *,
        listener: Listener | None = None,
        saved: Path | None = None,
    ) -> dict[str, JSON]:
        """Trains ``spec`` once.

        Args:
            spec: the network.
            seed: seed of the network's first training; that of others follows from it.
            number: number of the training, from 0; it decides its seed and its fold.
            listener: see ``train.train``.
            saved: see ``train.train``.

        Returns:
            The training as it is stored: "accuracy", "fold", "seed", "loss", "seconds", "images_per_second", "device".

        Raises:
            ValueError: see ``measure``.
        """
        seed = (seed + 0x9E3779B1 * number) % 2**32
        fold = number % len(self._folds)
        start = self.start(spec)
        result = train(spec, self._folds[fold], self.settings, seed, listener=listener, saved=saved, start=start)
        return {
            "accuracy": result.accuracy,
            "fold": fold,
            "seed": seed,
            "loss": result.loss,
            "seconds": result.seconds,
            "images_per_second": result.images_per_second,
            "device": result.device,
        }

    def start(self, spec: NetworkSpec) -> Mapping[str, Tensor] | None:
        """The weights that a training begins with; None: fresh ones."""
        del spec
        return None

    def judged(
        self, trainings: Sequence[Mapping[str, Any]], others: Sequence[Sequence[Mapping[str, Any]]] = ()
    ) -> Measurement:
        """The accuracy of a network by its trainings.

        Args:
            trainings: trainings of the network, as ``train`` returns them; at least one.
            others: those of each other network of the study.
        """
        holdouts = [len(each.holdout) for each in self._folds]
        # Trainings of a study whose images are others now may have had more folds.
        compared = [[each for each in _outcomes(group) if 0 <= each.fold < len(holdouts)] for group in others]
        judgement = judge(_outcomes(trainings), compared, holdouts)
        seconds = [float(each["seconds"]) for each in trainings]
        return Measurement(
            judgement.accuracy,
            {
                "trainings": [dict(each) for each in trainings],
                "standard_error": judgement.standard_error,
                "interval": list(judgement.interval),
                "chance": self.chance,
                "holdout_images": sum(holdouts[fold] for fold in {int(each["fold"]) for each in trainings}),
                "steps": self.steps,
                "loss": float(np.mean([each["loss"] for each in trainings])),
                "seconds": sum(seconds),
                "images_per_second": float(np.mean([each["images_per_second"] for each in trainings])),
                "device": trainings[-1]["device"],
            },
        )

    def close(self) -> None:
        """Does nothing: the images stay with the caller."""


def _outcomes(trainings: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    return [Outcome(int(each["fold"]), float(each["accuracy"])) for each in trainings]
