"""BoTorch as a sampler."""

from __future__ import annotations

import optuna
import pytest

from mnas_moo.compare import contenders
from mnas_moo.compare.tabular_run import task_of
from tests.compare.conftest import formula

pytest.importorskip("botorch", reason="needs the extra botorch")


def objective(trial: optuna.Trial) -> tuple[float, float]:
    tokens = [trial.suggest_categorical(f"d{i}", ["a", "b", "c"]) for i in range(2)]
    width, rate = trial.suggest_int("width", 1, 9), trial.suggest_float("rate", 1e-3, 1.0, log=True)
    return tokens.count("c") + width * rate, tokens.count("c") * 2 + float(width)


def run(seed: int, trials: int) -> list[dict[str, object]]:
    from mnas_moo.compare.botorch_sampler import BoTorchSampler

    study = optuna.create_study(directions=["maximize", "minimize"], sampler=BoTorchSampler(seed))
    study.optimize(objective, n_trials=trials)
    return [trial.params for trial in study.trials]


@pytest.mark.slow
def test_it_searches_mixed_spaces_and_a_seed_fixes_it() -> None:
    first = run(0, 12)  # ten of a Sobol sequence, then two of the model
    assert run(0, 12) == first
    assert first[10] not in first[:10]


def test_a_gain_is_preferred_to_what_is_known_to_be_bad() -> None:
    from mnas_moo.compare.botorch_sampler import BoTorchSampler

    study = optuna.create_study(sampler=BoTorchSampler(0))
    study.optimize(lambda trial: float(abs(trial.suggest_int("x", 0, 30) - 21)), n_trials=14)
    assert study.best_value <= 1


def test_it_is_refused_for_constraints() -> None:
    task = contenders.Task(formula().distributions, 2, 1)
    assert "no constraints" in str(contenders.refusal("botorch", task))
    assert contenders.refusal("botorch", task_of(formula())) is None
