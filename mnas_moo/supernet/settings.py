"""Settings of the training of shared weights, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnas_moo.objectives.settings import COUNT, POSITIVE

RULES = ("uniform", "sandwich")
MINUTES = 20.0
"""Length of a training where nothing else is asked for."""


@dataclass(frozen=True)
class SharedTraining:
    """How the weights that a space's networks share are trained.

    Attributes:
        minutes: time of the training, which is turned into steps before it begins; None, without ``steps``: 20.
        steps: batches that the training takes, instead of ``minutes``.
        rule: which networks a step trains: "uniform", eight that are drawn uniformly, each on its share of the images
            (single-path one-shot, Guo et al. 2020, has one); or "sandwich", on all of them the largest, the smallest
            and two others, which learn from the largest (BigNAS, Yu et al. 2020, sec. 3.1).
        batch_size: images a step, at least 32.
        learning_rate: learning rate of SGD at its peak.
        weight_decay: L2 decay of the weights of convolutions and the classifier.
        device: see ``objectives.training.settings.Training``.
        threads: networks that are computed at the same time on a CPU, one a core; None: as many as there are cores.
    """

    minutes: float | None = field(default=None, metadata=POSITIVE)
    steps: int | None = field(default=None, metadata=COUNT)
    rule: str = "uniform"
    batch_size: int = field(default=256, metadata={"ge": 32})
    learning_rate: float = field(default=0.8, metadata=POSITIVE)
    weight_decay: float = field(default=0.001, metadata={"ge": 0, "allow_inf_nan": False})
    device: str = "auto"
    threads: int | None = field(default=None, metadata=COUNT)
