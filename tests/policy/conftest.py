"""A history that grows with the tokens, and both learners on it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution

from mnas_moo.controller import Controller
from mnas_moo.genomes.history import Record
from mnas_moo.genomes.tokens import Decision
from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.policy.front_learner import FrontLearner
from mnas_moo.policy.paper import PaperLearner
from mnas_moo.ppo import PPOSettings
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate.surrogate import Transfer
from mnas_moo.surrogate.view import Reader

DECISIONS = [Decision(f"d{i}", CategoricalDistribution([0, 1, 2])) for i in range(4)]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with cpu_threads(1):
        yield


def records(n: int, seed: int = 0) -> list[Record]:
    """Accuracy grows with the sum of the tokens, and so does latency."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(n):
        tokens = rng.integers(0, 3, 4).tolist()
        note: dict[str, Any] = {"log_probs": {d.name: -math.log(3) for d in DECISIONS}}
        genome = tuple(zip(DECISIONS, tokens, strict=True))
        places = tuple(map(float, tokens))
        values = (float(sum(tokens)), float(sum(tokens)))
        made.append(Record(number, genome, places, values, (), False, True, note))
    return made


def paper() -> PaperLearner:
    return PaperLearner(3, lambda values: values[0], PPOSettings(), 0.95, 20, 100, 32)


def default() -> FrontLearner:
    return FrontLearner(3, [-1.0, 1.0], Transfer(), np.full(2, np.nan), SearchSettings(policy=True), Reader())


def weights(controller: Controller | None) -> list[Any]:
    assert controller is not None
    return [parameter.tolist() for parameter in controller.parameters()]
