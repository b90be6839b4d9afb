"""Recipes of final trainings, without torch: MnasNet's as published, and two of today.

"mnasnet": RMSProp 0.9 / 0.9, 5 epochs of warm-up to 0.256 for 4,096 images a step, x0.97 every 2.4 epochs, weight decay
1e-5, label smoothing 0.1, averaged weights with 0.9999, norm statistics of 0.99 (Tan et al. 2019, sec. 5; epochs,
smoothing and averaging from the official configs/mnasnet_config.py). Its Inception crops are our "photo". "sgd": a
child's training made long. "adamw": AdamW in its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mnas_moo.objectives.training.settings import AUGMENTATIONS

RATE_IMAGES = 256
"""Learning rates of recipes are for so many images a step, and grow in proportion to them (Goyal et al. 2017)."""
PUBLISHED_EPOCHS = 350
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained to the end.

    Attributes:
        name: the name of the recipe that it began as.
        optimizer: "sgd" (Nesterov momentum 0.9), "adamw" or "rmsprop".
        learning_rate: at its peak, for ``RATE_IMAGES`` images a step.
        schedule: "cosine" to zero, or "exponential": x0.97 every 2.4 of ``PUBLISHED_EPOCHS`` epochs; a training of
            fewer epochs runs through the same curve faster.
        epochs: passes over the training images; a part of one is possible.
        batch_size: images a step, those of all processes together.
        warm_up_epochs: epochs over which the learning rate rises, at most a fifth of the training.
        weight_decay: of the weights of convolutions and the classifier.
        label_smoothing: share of the target that is spread over all classes.
        averaged: share that the average of weights keeps in a step, which a young average reaches slowly
            ((1 + t) / (10 + t) after t steps, as in TensorFlow); 0: the last weights are taken.
        norm_momentum: share of a new batch in the statistics of batch norm, by torch's definition.
        augmentation: one of ``settings.AUGMENTATIONS``.
        precision: type that the network computes in; weights are float32 always.
    """

    name: str
    optimizer: str
    learning_rate: float
    weight_decay: float
    schedule: str = "cosine"
    epochs: float = 100
    batch_size: int = 64
    warm_up_epochs: float = 5.0
    label_smoothing: float = 0.1
    averaged: float = 0.0
    norm_momentum: float = 0.1
    augmentation: str = "auto"
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.batch_size < 4:
            raise ValueError(f"train: batch_size is {self.batch_size}; it must be at least 4")
        for name in ("epochs", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"train: {name} is {getattr(self, name)}; it must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"train: weight_decay is {self.weight_decay}; it must be at least 0")
        for name, allowed in (("augmentation", AUGMENTATIONS), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"train: {name} is {getattr(self, name)!r}; allowed: {', '.join(allowed)}")

    @property
    def peak(self) -> float:
        """Learning rate at its peak, for this batch size."""
        return self.learning_rate * self.batch_size / RATE_IMAGES

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step.

        Args:
            step: its number, from 0.
            steps: steps of the training, which are ``epochs`` epochs.
        """
        warm_up = min(0.2, self.warm_up_epochs / self.epochs)
        progress = (step + 0.5) / steps
        rising = min(1.0, progress / warm_up)
        if self.schedule == "cosine":
            after = max(0.0, progress - warm_up) / (1 - warm_up)
            return self.peak * rising * 0.5 * (1 + math.cos(math.pi * after))
        return float(self.peak * rising * 0.97 ** math.floor(progress * PUBLISHED_EPOCHS / 2.4))


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("sgd", "sgd", 0.2, 0.002),
        Recipe("adamw", "adamw", 0.004, 0.05),
        Recipe(
            "mnasnet",
            "rmsprop",
            0.016,
            1e-5,
            schedule="exponential",
            epochs=PUBLISHED_EPOCHS,
            batch_size=256,
            averaged=0.9999,
            norm_momentum=0.01,
            augmentation="photo",
        ),
    )
}
