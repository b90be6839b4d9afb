import optuna
import pytest

from mnas_moo.reports.intervals import interval_of, trainings_of


def trial(**measurements):
    return optuna.trial.create_trial(value=1.0, user_attrs={"measurements": measurements})


def test_an_interval_is_the_stored_one_or_that_of_a_median():
    assert interval_of(trial(accuracy={"value": 0.6, "interval": [0.5, 0.7]}), "accuracy") == (0.5, 0.7)
    found = interval_of(trial(latency_ms={"value": 2.0, "confidence_half_width_ms": 0.25}), "latency_ms")
    assert found == (1.75, 2.25)


@pytest.mark.parametrize(
    "stored",
    [
        {},
        "nonsense",
        {"value": 0.6},
        {"value": "0.6", "interval": [0.5, 0.7]},
        {"value": 0.6, "interval": [0.5]},
        {"value": 0.6, "interval": [0.7, 0.5]},
        {"value": 0.6, "interval": [0.5, float("nan")]},
        {"value": 0.6, "interval": ["0.5", "0.7"]},
        {"value": 0.6, "confidence_half_width_ms": -1},
    ],
)
def test_what_is_no_interval_around_the_value_is_left_out(stored):
    assert interval_of(trial(accuracy=stored), "accuracy") is None


def test_a_trial_of_another_program_has_none():
    assert interval_of(optuna.trial.create_trial(value=1.0), "accuracy") is None
    assert interval_of(optuna.trial.create_trial(value=1.0, user_attrs={"measurements": 7}), "accuracy") is None


def test_trainings_are_counted():
    assert trainings_of(trial(accuracy={"trainings": [{}, {}]})) == 2
    assert trainings_of(trial(accuracy={"trainings": 7})) == 0
    assert trainings_of(optuna.trial.create_trial(value=1.0)) == 0
