from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.objectives.front import hypervolume
from mnas_moo.study_file.study import StudyFile
from tests.reports.conftest import a_study, of, random_values


def test_the_front_is_that_of_optuna(finished_study: tuple[StudyFile, optuna.Study]) -> None:
    study = finished_study[1]
    past = of(study)
    assert not past.feasible.all()
    assert {past.numbers[i] for i in np.flatnonzero(past.front)} == {trial.number for trial in study.best_trials}


def test_the_front_of_three_objectives_is_that_of_optuna() -> None:
    study = a_study(random_values(40, 3), infeasible=range(0, 40, 5))
    past = of(study)
    assert {past.numbers[i] for i in np.flatnonzero(past.front)} == {trial.number for trial in study.best_trials}


def test_the_reference_point_is_the_worst_feasible_values_and_a_tenth_of_their_range() -> None:
    past = of(a_study([[0.9, 10], [0.5, 50], [0.1, 900]], infeasible=[2]))
    assert past.reference_point == pytest.approx([0.46, 54])


def test_a_single_trial_has_a_reference_point_that_it_dominates() -> None:
    past = of(a_study([[0.5, 50]]))
    assert past.reference_point == pytest.approx([0.45, 55])
    assert past.hypervolumes() == pytest.approx([0.05 * 5])


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_curve_is_the_hypervolume_of_the_feasible_trials_so_far(objectives: int) -> None:
    values, infeasible = random_values(30, objectives), {3, 11, 12}
    study = a_study(values, infeasible=sorted(infeasible))
    past = of(study)
    assert past.reference_point is not None
    for n, volume in enumerate(past.hypervolumes(), start=1):
        feasible = [values[i] for i in range(n) if i not in infeasible]
        assert volume == pytest.approx(hypervolume(feasible, past.reference_point, study.directions), rel=1e-9)


def test_failed_pruned_and_infinite_trials_are_left_out() -> None:
    study = a_study([[0.9, 10]])
    study.add_trial(create_trial(state=TrialState.FAIL))
    study.add_trial(create_trial(state=TrialState.PRUNED))
    study.add_trial(create_trial(values=[0.8, math.inf]))
    study.enqueue_trial({"x": 1})
    study.add_trial(create_trial(values=[0.7, 5]))
    assert of(study).numbers == (0, 5)


def test_the_best_value_so_far_passes_over_infeasible_trials() -> None:
    past = of(a_study([[0.9], [0.3], [0.2], [0.6], [0.5]], infeasible=[0]))
    assert past.best().tolist() == pytest.approx([math.nan, 0.3, 0.3, 0.6, 0.6], nan_ok=True)
