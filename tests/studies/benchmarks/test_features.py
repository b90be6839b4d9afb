"""What described numbers are worth."""

from __future__ import annotations

import numpy as np
import optuna

from mnas_moo.genomes.history import History
from mnas_moo.studies.benchmarks.features import figures
from mnas_moo.surrogate.view import Reader


def test_numbers_that_explain_an_objective_make_its_predictions_better() -> None:
    rng = np.random.default_rng(0)
    worth = rng.standard_normal((3,) * 5)  # no choice says anything by itself

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        choices = tuple(trial.suggest_categorical(f"p{i}", [0, 1, 2]) for i in range(5))
        return float(worth[choices]), float(sum(choices))

    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=80)
    history = History()
    history.read(study.trials)
    readers = Reader(), Reader(features=lambda params: {"worth": float(worth[tuple(params.values())])})
    choices, described = (
        figures(history.finished, ["accuracy", "latency_ms"], np.array([-1.0, 1.0]), reader, 40, 0)
        for reader in readers
    )
    assert choices["accuracy tau"] < 0.4 < 0.8 < described["accuracy tau"]
    assert described["accuracy error"] < 0.5 * choices["accuracy error"]
    assert choices["latency_ms tau"] > 0.8
