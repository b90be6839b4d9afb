"""Digests: what makes them differ, and that they do not depend on the run."""

from __future__ import annotations

import dataclasses

import optuna

from mnas_moo.spaces import NETWORKS
from mnas_moo.studies.benchmarks.digests import TWO, Case, cases, default, digest, mixed, outcome, proposals, static


def test_equal_values_have_one_digest_and_others_another() -> None:
    assert digest([("a", 1)]) == digest([("a", 1)]) != digest([("a", 2)])
    assert len(digest(NETWORKS)) == 16


def test_proposals_are_those_of_the_seed() -> None:
    case = Case(default(0), static, TWO, 12)
    assert proposals(case) == proposals(case) != proposals(dataclasses.replace(case, make=default(1)))


def test_proposals_depend_on_what_was_told_before() -> None:
    case = Case(default(0), static, TWO, 40)
    assert proposals(case) != proposals(dataclasses.replace(case, workers=10))


def test_trials_without_values_end_as_they_should() -> None:
    study = optuna.create_study(directions=TWO, sampler=default(0)())
    results = [outcome(mixed, study.ask()) for _ in range(17)]
    states = {i: result for i, result in enumerate(results) if isinstance(result, optuna.trial.TrialState)}
    assert states == {5: optuna.trial.TrialState.PRUNED, 16: optuna.trial.TrialState.FAIL}


def test_every_study_has_a_name_of_its_own() -> None:
    names = [name for name, _ in cases()]
    assert len(set(names)) == len(names) == 20
