"""Settings of FBNet's search, without torch; the defaults are the paper's.

Sources: Wu et al. 2019, sec. 3 and 4; where the paper is silent, what its two reimplementations agree on
(AnnaAraslanova and JunrQ on GitHub). The size of a batch is of one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mnas_moo.objectives.settings import COUNT, POSITIVE, SHARE


@dataclass(frozen=True)
class FBNetSettings:
    """How FBNet searches.

    Attributes:
        beta: exponents of the latency in the loss; each gives a distribution of networks of its own.
        targets_ms: latencies that the distributions are to have on average, instead of ``beta``: the exponent is then
            raised or lowered after every epoch. Ours; the paper has one exponent.
        conditioned: whether one function of the exponent stands for all distributions, as in MODNAS (Sukthanker et al.
            2024), and not one table each.
        minutes: time of the whole search, which decides how many images an epoch has; None: all.
        alpha: factor of the loss.
        epochs: passes.
        theta_from: epochs for which the distributions stay uniform.
        batch_size: images a step.
        weights_share: share of the training part that trains weights; the rest trains the distributions.
        learning_rate: of SGD for the weights at its peak, then half a cosine.
        momentum: of SGD.
        weight_decay: of the weights.
        theta_learning_rate: of Adam for the distributions.
        theta_weight_decay: of the distributions' logits.
        temperature: of the Gumbel softmax in the first epoch.
        temperature_decay: factor on it from epoch to epoch; exp(-0.045).
        device: see ``objectives.training.settings.Training``.
        threads: shares of a step that are computed at the same time on a CPU; None: as many as there are cores.
    """

    beta: tuple[float, ...] = (0.6,)
    targets_ms: tuple[float, ...] = ()
    conditioned: bool = False
    minutes: float | None = field(default=None, metadata=POSITIVE)
    alpha: float = field(default=0.2, metadata=POSITIVE)
    epochs: int = field(default=90, metadata=COUNT)
    theta_from: int = field(default=10, metadata={"ge": 0})
    batch_size: int = field(default=192, metadata={"ge": 4})
    weights_share: float = field(default=0.8, metadata=SHARE)
    learning_rate: float = field(default=0.1, metadata=POSITIVE)
    momentum: float = field(default=0.9, metadata={"ge": 0, "lt": 1})
    weight_decay: float = field(default=1e-4, metadata={"ge": 0, "allow_inf_nan": False})
    theta_learning_rate: float = field(default=0.01, metadata=POSITIVE)
    theta_weight_decay: float = field(default=5e-4, metadata={"ge": 0, "allow_inf_nan": False})
    temperature: float = field(default=5.0, metadata=POSITIVE)
    temperature_decay: float = field(default=0.956, metadata={"gt": 0, "le": 1})
    device: str = "auto"
    threads: int | None = field(default=None, metadata=COUNT)

    def __post_init__(self) -> None:
        for name in ("beta", "targets_ms"):
            values = getattr(self, name)
            for value in values:
                if not 0 < value < float("inf"):
                    raise ValueError(f"fbnet: {name} is {value}; it must be above 0")
            if len(set(values)) < len(values):
                raise ValueError(f"fbnet: {name} is {list(values)}; it must be different numbers")
        if not self.beta:
            raise ValueError("fbnet: beta is empty; give at least one exponent")
        if self.theta_from >= self.epochs:
            raise ValueError(
                f"fbnet: theta_from is {self.theta_from} of {self.epochs} epochs; the distributions would stay uniform"
            )

    @property
    def points(self) -> int:
        """Number of distributions."""
        return len(self.targets_ms or self.beta)

    def temperature_of(self, epoch: int) -> float:
        """Temperature of the Gumbel softmax in an epoch, from 0.

        >>> settings = FBNetSettings()
        >>> settings.temperature_of(0), round(settings.temperature_of(80), 3)
        (5.0, 0.137)
        """
        return self.temperature * self.temperature_decay**epoch
