from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.running.trials import NETWORK, Observer, completed_trials, network_of
from mnas_moo.spaces.text import MOST_CHARACTERS


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


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ({NETWORK: "in1x8x8"}, "in1x8x8"),
        ({}, ""),
        ({NETWORK: "r" * MOST_CHARACTERS}, "r" * MOST_CHARACTERS),
        ({NETWORK: "r" * (MOST_CHARACTERS + 1)}, ""),
        ({NETWORK: ["in1x8x8"]}, ""),
    ],
)
def test_the_network_of_a_trial_is_a_text_of_some_length(stored: dict[str, Any], found: str) -> None:
    assert network_of(create_trial(value=1.0, user_attrs=stored)) == found
