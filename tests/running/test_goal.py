from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.running.goal import UNLIMITED, Goal, spent_seconds
from mnas_moo.running.workers import WORKER, Worker

BEGIN = datetime(2026, 1, 1)


def ran(first, last, state=TrialState.COMPLETE):
    trial = optuna.trial.create_trial(state=state, values=[1.0] if state == TrialState.COMPLETE else None)
    trial.datetime_start = BEGIN + timedelta(seconds=first)
    trial.datetime_complete = None if last is None else BEGIN + timedelta(seconds=last)
    return trial


def test_time_in_which_several_trials_ran_counts_once():
    assert spent_seconds([ran(0, 10), ran(20, 30)]) == 20
    assert spent_seconds([ran(0, 10), ran(5, 15), ran(6, 7)]) == 15
    assert spent_seconds([ran(0, 10, TrialState.FAIL)]) == 10
    assert spent_seconds([]) == 0


def study_of(*trials):
    study = optuna.create_study()
    study.add_trials(trials)
    return study


def test_a_number_of_trials_is_the_end():
    goal = Goal(7, None, 3.0)
    assert goal.wanted(study_of()) == goal.expected(study_of()) == 7


@pytest.mark.parametrize(("spent", "wanted"), [(50, UNLIMITED), (94, UNLIMITED), (96, 1)])
def test_a_budget_lets_trials_begin_as_long_as_half_of_one_fits(spent, wanted):
    goal = Goal(None, 100.0, 10.0)
    assert goal.wanted(study_of(ran(0, spent))) == wanted


def test_runs_that_are_at_work_are_expected_to_go_on():
    goal = Goal(None, 100.0, 10.0)
    study = study_of()
    with Worker(study) as one, Worker(study) as other:
        for worker in (one, other):
            trial_id = study._storage.create_new_trial(study._study_id)
            study._storage.set_trial_system_attr(trial_id, WORKER, worker.note())
        assert goal.expected(study) == 30
    assert goal.expected(study) == 10  # both have died
    goal.workers = 2
    assert goal.expected(study) == 20


def test_what_is_expected_follows_the_trials():
    goal = Goal(None, 100.0, 10.0)
    assert goal.expected(study_of()) == 10
    slow = [ran(20 * i, 20 * i + 20) for i in range(3)]
    assert goal.expected(study_of(*slow)) == 3 + round(40 / 15)
