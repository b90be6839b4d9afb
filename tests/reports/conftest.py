"""Small studies in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import optuna
from optuna.trial import create_trial

from mnas_moo.reports.past import History, history
from mnas_moo.running.trials import NETWORK, SAME_AS
from tests.running.postgres import server as server

NAMES = ("accuracy", "latency_ms", "parameters_m")


def a_study(
    values: Sequence[Sequence[float]], infeasible: Sequence[int] = (), network: str = "in1x8x8"
) -> optuna.Study:
    objectives = len(values[0])
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"][:objectives])
    study.set_metric_names(list(NAMES[:objectives]))
    for i, row in enumerate(values):
        constraints = {"parameters_m": 1.0 if i in infeasible else -1.0}
        study.add_trial(create_trial(values=list(row), constraints=constraints, user_attrs={"network": network}))
    return study


def of(study: optuna.Study) -> History:
    return history(study.trials, study.directions, study.metric_names)


def random_values(n: int, objectives: int, seed: int = 0) -> list[list[float]]:
    return np.random.default_rng(seed).random((n, objectives)).tolist()


def study_of(*rows: tuple[list[float], dict[str, object]]) -> optuna.Study:
    """A study in memory: values and user attributes of its trials; an attribute `constraint` is one."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "latency_ms"])
    for values, attributes in rows:
        constraint = attributes.get("constraint")
        study.add_trial(
            create_trial(
                values=values,
                params={"x": values[0]},
                distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
                user_attrs=attributes,
                system_attrs={} if constraint is None else {"constraints": [constraint]},
            )
        )
    return study


STUDY = [
    ([0.8, 20.0], {NETWORK: "a"}),
    ([0.9, 40.0], {NETWORK: "b"}),
    ([0.7, 30.0], {NETWORK: "dominated"}),
    ([0.9, 40.0], {NETWORK: "b", SAME_AS: 1}),
    ([0.99, 1.0], {NETWORK: "c", "constraint": 0.1}),
    ([0.5, 10.0], {NETWORK: "d", "constraint": 0.0}),
]
