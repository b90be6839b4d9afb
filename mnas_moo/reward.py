"""Scalarised rewards: one number for an accuracy and a latency, given a target latency.

MnasNet's weighted product (Tan et al. 2019, eq. 2 and 3), soft and hard, and the absolute reward of TuNAS
(Bender et al. 2020, google-research/tunas `reward_for_single_cost_model`). Accuracy may come as a fraction or in
percent, which the papers mix; the reward is always on the scale of the fraction.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.front import Floats, direction_names


@dataclass(frozen=True)
class Reward(abc.ABC):
    """A reward of two objectives: an accuracy, maximised, and a cost with a target, minimised.

    Attributes:
        target: the latency T that is aimed at, in the study's unit, > 0.
        accuracy: which objective is the accuracy: its position, or its metric name.
        latency: which objective is the cost: its position, or its metric name.
    """

    target: float
    accuracy: int | str = field(default=0, kw_only=True)
    latency: int | str = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.target) and self.target > 0):
            raise ValueError(f"target is {self.target}; a target latency must be a finite number above 0")
        if self.accuracy == self.latency:
            raise ValueError(f"accuracy and latency are both objective {self.accuracy!r}; name two objectives")

    @overload
    def __call__(self, accuracy: float, latency: float) -> float: ...
    @overload
    def __call__(self, accuracy: npt.ArrayLike, latency: npt.ArrayLike) -> float | Floats: ...
    def __call__(self, accuracy: Any, latency: Any) -> Any:
        """The reward, larger is better.

        Args:
            accuracy: fraction of 1, or percent where any of them is above 1; a number or an array (N,). A single
                accuracy of at most 1 percent is therefore taken for a fraction.
            latency: in the unit of ``target``, > 0; a number or an array (N,).

        Returns:
            A number, or an array (N,).

        Raises:
            ValueError: a latency is not above 0, or an accuracy is not within 0 and 100.
        """
        acc, lat = np.asarray(accuracy, dtype=float), np.asarray(latency, dtype=float)
        if not (lat > 0).all():
            raise ValueError(f"latency is {lat.min()}; the reward needs latencies above 0")
        if not ((acc >= 0) & (acc <= 100)).all():
            raise ValueError(f"accuracy is between {acc.min()} and {acc.max()}; allowed: 0 to 1, or 0 to 100 percent")
        reward = self.formula(acc / 100 if (acc > 1).any() else acc, lat / self.target)
        return reward if reward.ndim else float(reward)

    @abc.abstractmethod
    def formula(self, accuracy: Floats, ratio: Floats) -> Floats:
        """Rewards (N,), larger is better.

        Args:
            accuracy: (N,) ACC, as fractions of 1.
            ratio: (N,) LAT / T, > 0.
        """

    def bind(self, metric_names: Sequence[str] | None, directions: Sequence[Any]) -> tuple[int, int]:
        """Positions of the two objectives in a study.

        Args:
            metric_names: names of the study's objectives; None: they have no names.
            directions: directions of the study's objectives, as names or Optuna's enum.

        Returns:
            (position of the accuracy, position of the latency).

        Raises:
            ValueError: the study has no such objectives, or other directions; or it has more than two objectives, and
                the reward does not name its own.
        """
        names = direction_names(directions)
        if len(names) > 2 and (self.accuracy, self.latency) == (0, 1):
            raise ValueError(
                f"the study has {len(names)} objectives and the reward is of two: name them, for example "
                f"{type(self).__name__}(target={self.target}, accuracy='accuracy', latency='latency_ms')"
            )
        positions = []
        for role, key, direction in (("accuracy", self.accuracy, "maximize"), ("latency", self.latency, "minimize")):
            if isinstance(key, str):
                if metric_names is None or key not in metric_names:
                    raise ValueError(
                        f"reward: no objective is named {key!r}; the study has {metric_names or 'no names'}"
                    )
                key = list(metric_names).index(key)
            if not 0 <= key < len(names):
                raise ValueError(f"reward: {role} is objective {key}, but the study has {len(names)} (from 0)")
            if names[key] != direction:
                raise ValueError(
                    f"reward: {role} is objective {key}, which the study will {names[key]}, not {direction}"
                )
            positions.append(key)
        return positions[0], positions[1]


@dataclass(frozen=True)
class MnasReward(Reward):
    """ACC x (LAT / T) ** w, w = alpha up to the target and beta above it (Tan et al. 2019, eq. 2 and 3).

    Soft, the paper's default: alpha = beta = -0.07. Hard: alpha = 0, beta = -1.

    Attributes:
        alpha: exponent w of networks up to the target, <= 0.
        beta: exponent w of networks above the target, <= 0.

    >>> round(MnasReward(target=75.0)(0.752, 78.0), 4)
    0.7499
    >>> round(MnasReward(target=75.0, alpha=0.0, beta=-1.0)(75.2, 78.0), 4)
    0.7231
    """

    alpha: float = -0.07
    beta: float = -0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "beta"):
            if not getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; above 0, slower networks would score better")

    def formula(self, accuracy: Floats, ratio: Floats) -> Floats:
        """Tan et al. 2019, eq. 2 and 3."""
        w = np.where(ratio <= 1, self.alpha, self.beta)  # w = alpha if LAT <= T else beta  (eq. 3)
        return accuracy * ratio**w  # ACC x (LAT / T)^w  (eq. 2)


@dataclass(frozen=True)
class AbsoluteReward(Reward):
    """ACC + beta x |LAT / T - 1| (TuNAS): largest at the target, from both sides, so that one search meets it.

    Attributes:
        beta: weight of the distance from the target, <= 0.

    >>> round(AbsoluteReward(target=84.0)(0.75, 92.4), 4)
    0.74
    """

    beta: float = -0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta <= 0:
            raise ValueError(f"beta is {self.beta}; above 0, missing the target would score better")

    def formula(self, accuracy: Floats, ratio: Floats) -> Floats:
        """Bender et al. 2020, the absolute reward; tunas names it ``RL_REWARD_ABS``."""
        # ACC + beta x |LAT / T - 1|
        return accuracy + self.beta * abs(ratio - 1)
