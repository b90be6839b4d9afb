from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.fbnet.sampler import SUPERNET_ACCURACY, FBNetSampler, result_of
from mnas_moo.fbnet.search import Result
from mnas_moo.spaces import get

SPACE = get("fbnet", preset="digits")
CHOICES = {name: list(each.choices) for name, each in SPACE.distributions.items()}  # type: ignore[attr-defined]


def found(*likely: float) -> Result:
    """Two distributions: of small candidates, and of large ones, each with this probability of its favourite."""
    points = []
    for favourite, p in zip((0, 7), likely, strict=True):
        row = [(1 - p) / 8] * 9
        row[favourite] = p
        points.append([row] * len(CHOICES))
    return Result(CHOICES, [0.2, 2.0], [1.0, 2.0], points, 12.5)


def run(result: Result, n_trials: int, seed: int = 0, **settings: Any) -> tuple[optuna.Study, list[int]]:
    searched: list[int] = []

    def search(study: optuna.Study) -> Result:
        searched.append(len(study.trials))
        return result

    sampler = FBNetSampler(search, SPACE.distributions, SPACE.canonical, seed=seed, **settings)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        params = {name: trial._suggest(name, each) for name, each in SPACE.distributions.items()}
        if trial.number == 3 and n_trials == 4:
            raise ValueError("a network that fails")
        return 0.5, SPACE.spec(params).multiply_adds / 1e6

    study.optimize(objective, n_trials=n_trials, catch=ValueError)
    return study, searched


def test_the_distributions_take_turns_and_begin_with_their_most_likely_networks() -> None:
    study, searched = run(found(0.6, 0.6), 20)
    assert searched == [1]  # once, when the first trial had begun
    first, second = study.trials[:2]
    assert set(first.params.values()) == {"k3_e1"} and set(second.params.values()) == {"k5_e6"}
    sizes = [trial.values[1] for trial in study.trials]
    assert max(sizes[0::2]) < max(sizes[1::2]) and sum(sizes[0::2]) < 0.7 * sum(sizes[1::2])


def test_no_network_is_drawn_twice_although_a_distribution_is_sure() -> None:
    study, _ = run(found(1.0, 1.0), 30)
    canonical = {str(SPACE.canonical(trial.params)) for trial in study.trials}
    assert len(canonical) == 30


def test_a_study_that_goes_on_draws_from_what_was_found() -> None:
    study, _ = run(found(0.5, 0.5), 6)
    again = FBNetSampler(lambda _: pytest.fail("searched again"), SPACE.distributions, SPACE.canonical, seed=0)
    study.sampler = again
    study.optimize(lambda trial: (0.5, float(len(trial.params))), n_trials=0)
    trial = study.ask(SPACE.distributions)
    whole, _ = run(found(0.5, 0.5), 7)
    assert trial.params == whole.trials[6].params
    held = result_of(study)
    assert held is not None and held["seconds"] == 12.5 and held["beta"] == [0.2, 2.0]


def test_the_seed_decides() -> None:
    one, same, other = (run(found(0.3, 0.3), 8, seed)[0] for seed in (1, 1, 2))
    assert [trial.params for trial in one.trials] == [trial.params for trial in same.trials]
    assert [trial.params for trial in one.trials] != [trial.params for trial in other.trials]


def test_what_the_supernet_says_is_stored_with_completed_trials() -> None:
    study, _ = run(found(0.5, 0.5), 4, judge=lambda params: 0.01 * len(params))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3 + [TrialState.FAIL]
    accuracies = [trial.user_attrs.get(SUPERNET_ACCURACY) for trial in study.trials]
    assert accuracies == [0.01 * len(CHOICES)] * 3 + [None]


def test_parameters_of_another_space_are_refused() -> None:
    study, _ = run(found(0.5, 0.5), 1)
    with pytest.raises(ValueError, match="FBNet searches 7 layers; 'width' is none of them"):
        study.ask().suggest_int("width", 1, 2)
