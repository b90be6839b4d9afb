import optuna
import pytest
from optuna.study import StudyDirection

from mnas_moo.reports.verdicts import verdicts

NAMES = ("accuracy", "latency_ms")
DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)


def trial(accuracy, latency, error=0.005, half=0.02, chance=0.2, trainings=2, images=300):
    held = {
        "value": accuracy,
        "standard_error": error,
        "interval": [max(0.0, accuracy - half), min(1.0, accuracy + half)],
        "chance": chance,
        "holdout_images": images,
        "trainings": [{"accuracy": accuracy}] * trainings,
    }
    return optuna.trial.create_trial(
        values=[accuracy, latency],
        user_attrs={"measurements": {"accuracy": held}, "network": f"network of {latency} ms"},
    )


def said(*trials):
    return verdicts(NAMES, DIRECTIONS, trials)


def test_a_study_that_tells_its_networks_apart_needs_no_words():
    assert said(trial(0.4, 1.0), trial(0.5, 2.0), trial(0.6, 3.0)) == []


def test_a_study_that_learns_nothing_says_so():
    (line,) = said(trial(0.19, 1.0), trial(0.20, 2.0), trial(0.215, 3.0))
    assert line.startswith(
        "no network beats chance yet: the best one gets 21.5 % (19.5 % to 23.5 %), and guessing 20.0 %"
    )
    assert said(trial(0.19, 1.0), trial(0.20, 2.0), trial(0.23, 3.0)) == []


def test_networks_within_the_noise_of_each_other_are_not_told_apart():
    noisy = [trial(0.50 + i / 100, 1.0 + i, error=0.02) for i in range(3)]
    (line,) = said(*noisy)
    assert "cannot be told apart: they differ by 2.0 points" in line
    assert said(*(trial(0.50 + i / 10, 1.0 + i, error=0.02) for i in range(3))) == []


def test_without_standard_errors_the_size_of_the_hold_out_decides():
    (line,) = said(*(trial(0.50 + i / 50, 1.0 + i, error=None, images=60) for i in range(3)))
    assert "cannot be told apart" in line
    assert said(*(trial(0.50 + i / 50, 1.0 + i, error=None, images=60_000) for i in range(3))) == []


def test_members_that_were_trained_once_are_named_where_others_were_trained_again():
    (line,) = said(trial(0.4, 1.0), trial(0.5, 2.0, trainings=1), trial(0.6, 3.0))
    assert line.startswith("not confirmed")
    assert said(*(trial(0.4 + i / 10, 1.0 + i, trainings=1) for i in range(3))) == []


def test_nothing_is_said_of_few_trials_or_of_studies_without_such_accuracies():
    assert said(trial(0.2, 1.0), trial(0.2, 2.0)) == []
    assert verdicts(("latency_ms", "parameters_m"), DIRECTIONS, [trial(0.2, 1.0)] * 5) == []
    old = [optuna.trial.create_trial(values=[0.2, 1.0]) for _ in range(5)]
    assert said(*old) == []


@pytest.mark.parametrize("key", ["chance", "standard_error", "interval", "holdout_images", "trainings"])
@pytest.mark.parametrize("value", [None, "x", -1, [], {}])
def test_nonsense_in_a_storage_breaks_nothing(key, value):
    trials = [trial(0.2 + i / 100, 1.0 + i) for i in range(4)]
    trials[1].user_attrs["measurements"]["accuracy"][key] = value
    said(*trials)
