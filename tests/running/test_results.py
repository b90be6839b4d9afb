from __future__ import annotations

import math

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.objectives.objective import DeviceError, Measurement
from mnas_moo.running.results import Results, checked, told_as


def test_a_measurement_is_stored_with_its_details_and_must_be_finite() -> None:
    assert checked("accuracy", Measurement(0.5, {"steps": 3})) == {"value": 0.5, "steps": 3}
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"accuracy is {value}"):
            checked("accuracy", Measurement(value))


@pytest.mark.parametrize(
    ("error", "message"),
    [(ValueError("too wide"), "latency_ms: too wide"), (KeyError("x"), "latency_ms: KeyError: 'x'")],
)
def test_an_error_is_told_as_that_of_the_objective(error: Exception, message: str) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match=message):
        told_as("latency_ms", fail)


def test_a_device_that_is_gone_stays_that_error() -> None:
    def fail() -> None:
        raise DeviceError("no phone")

    with pytest.raises(DeviceError):
        told_as("latency_ms", fail)


def test_the_first_completed_trial_of_a_network_has_its_results() -> None:
    study = optuna.create_study()
    for state in (TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE):
        values = [1.0] if state == TrialState.COMPLETE else None
        attributes = {"network": "conv", "measurements": {"accuracy": {"value": 0.5}}}
        study.add_trial(create_trial(state=state, values=values, user_attrs=attributes))
    results = Results()
    found = results.of(study, "conv")
    assert found is not None
    assert found.number == 1
    assert results.of(study, "sepconv") is None
