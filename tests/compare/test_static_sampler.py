"""What our own contenders share."""

from __future__ import annotations

import optuna

from mnas_moo.compare.local_search import LocalSearchSampler


def test_only_what_all_trials_have_and_what_varies_is_searched() -> None:
    study = optuna.create_study()

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        trial.suggest_int("fixed", 3, 3)
        return float(trial.suggest_int("extra", 0, 9)) if kind == "b" else 0.0

    for kind in ("a", "b"):
        study.enqueue_trial({"kind": kind})
    study.optimize(objective, n_trials=2)
    space = LocalSearchSampler(0).infer_relative_search_space(study, study.trials[-1])
    assert list(space) == ["kind"]
