from __future__ import annotations

import optuna
from optuna.trial import TrialState, create_trial

from mnas_moo.running.trials import Observer, completed_trials


def test_completed_trials_are_those_with_values_by_number() -> None:
    study = optuna.create_study()
    for state in (TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE):
        study.add_trial(create_trial(state=state, value=1.0 if state == TrialState.COMPLETE else None))
    study.ask()
    assert [trial.number for trial in completed_trials(study)] == [0, 2]


def test_an_observer_may_leave_every_method_as_it_is() -> None:
    observer, study = Observer(), optuna.create_study()
    study.add_trial(create_trial(value=1.0))
    observer.preparing("reading images")
    observer.waiting("a phone is too warm")
    observer.started(study, [], 10)
    observer.trial_started(0, "in1x8x8")
    observer.trial_finished(study, study.trials[0], study.trials)
