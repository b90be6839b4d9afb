from __future__ import annotations

import optuna
from optuna.distributions import CategoricalDistribution

from mnas_moo.dppnet.sampler import ProgressiveSampler
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.genomes.history import ATTRIBUTE
from mnas_moo.spaces.growth import Growth

GROWTH = Growth(tuple({f"op{i}": CategoricalDistribution([0, 1, 2])} for i in range(4)))


def study_of(k: int = 5) -> optuna.Study:
    settings = ProgressiveSettings(k=k, fit_steps=3, hidden=4, embedding=2)
    sampler = ProgressiveSampler(GROWTH, seed=0, settings=settings)
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)


def values(trial: optuna.Trial) -> tuple[float, float]:
    total = sum(trial.params.values())
    return total / 8, 1.0 + total


def test_trials_that_are_asked_for_at_once_claim_different_networks() -> None:
    study = study_of()
    asked = [study.ask(GROWTH.distributions) for _ in range(30)]
    assert len({tuple(trial.params.items()) for trial in asked}) == 30
    for trial in asked:
        study.tell(trial, values(trial))


def test_a_round_ends_when_its_trials_have_completed_and_not_when_they_have_begun() -> None:
    study = study_of()
    asked = [study.ask(GROWTH.distributions) for _ in range(3)]
    late = study.ask(GROWTH.distributions)  # the first round has three networks
    note = study.trials[late.number].system_attrs[ATTRIBUTE]
    assert (note["round"], note["source"]) == (0, "walk")
    for trial in asked:
        study.tell(trial, values(trial))
    later = study.ask(GROWTH.distributions)
    assert study.trials[later.number].system_attrs[ATTRIBUTE]["round"] == 1


def test_trials_of_another_sampler_count_and_are_not_tried_again() -> None:
    study = study_of()
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    for _ in range(20):
        trial = study.ask(GROWTH.distributions)
        study.tell(trial, values(trial))
    before = {tuple(trial.params.items()) for trial in study.trials}
    study.sampler = study_of().sampler
    new = [study.ask(GROWTH.distributions) for _ in range(10)]
    assert not before & {tuple(trial.params.items()) for trial in new}
