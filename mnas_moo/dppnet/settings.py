"""Settings of DPP-Net's search, without torch; K is smaller than the paper's 128, which had two days of a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mnas_moo.objectives.settings import COUNT


@dataclass(frozen=True)
class ProgressiveSettings:
    """How the progressive search goes on.

    >>> ProgressiveSettings(k=0)
    Traceback (most recent call last):
    ValueError: k is 0; it must be at least 1

    Attributes:
        k: networks that are trained at each step. Published: 128; on tables, with budgets of 100 to 160 trainings,
            8 to 12 end better than 20 (studies/benchmarks/progressive.py).
        exploration: share of them that is drawn from all mutants, whatever is predicted of these. Ours.
        mutants: mutants that are predicted at each step, at most; if there are more, they are drawn evenly among the
            parents. Published: all of them.
        predictor: what predicts mutants: an LSTM over the decisions, as published, or the default sampler's model.
        hidden: units of the LSTM. Never published for DPP-Net.
        embedding: size of a token's embedding. Never published for DPP-Net.
        fit_steps: steps of Adam with all results at once. Ours, as all three next.
        learning_rate: of Adam at first; it falls to 0 as half a cosine.
        weight_decay: share of the weights that a step takes away, in units of the learning rate.
    """

    k: int = field(default=12, metadata=COUNT)
    exploration: float = field(default=0.1, metadata={"ge": 0, "le": 1})
    mutants: int = field(default=2000, metadata=COUNT)
    predictor: Literal["lstm", "surrogate"] = "lstm"
    hidden: int = field(default=48, metadata=COUNT)
    embedding: int = field(default=24, metadata=COUNT)
    fit_steps: int = field(default=120, metadata=COUNT)
    learning_rate: float = field(default=0.01, metadata={"gt": 0, "allow_inf_nan": False})
    weight_decay: float = field(default=0.01, metadata={"ge": 0, "allow_inf_nan": False})

    def __post_init__(self) -> None:
        for name in ("k", "mutants", "hidden", "embedding", "fit_steps"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.exploration <= 1:
            raise ValueError(f"exploration is {self.exploration}; it is a share, from 0 to 1")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate is {self.learning_rate}; it must be above 0")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay is {self.weight_decay}; it must be at least 0")
        if self.predictor not in ("lstm", "surrogate"):
            raise ValueError(f"predictor is {self.predictor!r}; it must be 'lstm' or 'surrogate'")
