"""The accuracy of a child after a short training: MnasNet's ACC(m) (Tan et al. 2019, sec. 3 and 5).

A fixed part of the training set is held out and the child is judged on it; the test set is never read.
"""

from __future__ import annotations

from typing import Any

from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.train import TrainSettings, train
from mnas_moo.spaces.spec import NetworkSpec


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

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        """Trains ``spec`` from scratch and evaluates it.

        Args:
            spec: network; its input and classes must be those of the images.
            seed: seed of initial weights, order, augmentation and dropout.

        Returns:
            The accuracy, with the settings, loss, seconds and speed of the training.

        Raises:
            ValueError: the network does not fit the images, or its loss stopped being a number.
        """
        result = train(spec, self.data, self.settings, seed)
        return Measurement(
            result.accuracy,
            {
                "epochs": self.settings.epochs,
                "loss": result.loss,
                "seconds": result.seconds,
                "images_per_second": result.images_per_second,
                "device": result.device,
                "holdout_images": len(self.data.holdout),
            },
        )

    def close(self) -> None:
        """Does nothing: the images stay with the caller."""
