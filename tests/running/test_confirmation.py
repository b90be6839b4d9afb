import optuna
import pytest

from mnas_moo.running.confirmation import MOST_TRAININGS, Confirmation, past_trainings, trainings_of

NAMES, DIRECTIONS = ("accuracy", "latency_ms"), ("maximize", "minimize")


def accuracy(value, n, error=0.01):
    trainings = [{"accuracy": value, "fold": 0, "seconds": 1.0} for _ in range(n)]
    return {"value": value, "standard_error": error, "trainings": trainings}


def measured(value, latency, n=2, error=0.01):
    return {"accuracy": accuracy(value, n, error), "latency_ms": {"value": latency}}


def trial(value, latency, n=2, error=0.01, **attributes):
    measurements = measured(value, latency, n, error)
    return optuna.trial.create_trial(values=[value, latency], user_attrs={"measurements": measurements, **attributes})


def rule(share=0.5):
    return Confirmation(share, 2, NAMES, DIRECTIONS)


def more(own, completed, share=0.5, kept=True, wanted=20):
    return rule(share).more(own, kept, completed, wanted)


def test_a_network_that_might_be_on_the_front_is_trained_again():
    assert more(measured(0.7, 1.0), []) == 2
    assert more(measured(0.7, 1.0), [trial(0.6, 2.0)]) == 2


def test_one_that_is_dominated_even_if_it_was_unlucky_is_not():
    assert more(measured(0.5, 2.0), [trial(0.6, 1.0)]) == 0
    assert more(measured(0.595, 2.0), [trial(0.6, 1.0)]) == 2
    assert more(measured(0.595, 2.0, error=0.001), [trial(0.6, 1.0)]) == 0


def test_it_ends_once_the_order_is_known_or_at_the_most():
    sure = [trial(0.5, 0.5), trial(0.9, 3.0)]
    assert more(measured(0.7, 1.0, n=4), sure) == 0
    unsure = [trial(0.695, 0.5)]  # less accurate and faster, but by less than the noise
    assert more(measured(0.7, 1.0, n=4), unsure) == 2
    assert more(measured(0.7, 1.0, n=MOST_TRAININGS), unsure) == 0


def test_networks_outside_the_constraints_are_trained_once():
    assert more(measured(0.7, 1.0), [], kept=False) == 0


@pytest.mark.parametrize(("share", "again"), [(0.0, 0), (0.2, 0), (0.5, 2)])
def test_the_share_limits_what_confirmation_takes(share, again):
    # 5 of 10 trials are completed, with 2 further trainings each: 10; a share of 0.5 allows 2 for each of 6 trials.
    completed = [trial(0.5 + i / 100, 1.0 + i, n=4) for i in range(5)]
    assert more(measured(0.9, 9.0), completed, share=share, wanted=10) == again


def test_a_trial_that_took_the_results_of_another_counts_no_trainings():
    assert trainings_of(trial(0.5, 1.0, n=4)) == 4
    again = trial(0.5, 1.0, n=4, same_as=0)
    assert trainings_of(again) == 0
    assert past_trainings([trial(0.5, 1.0, n=4), again]) == [accuracy(0.5, 4)["trainings"]]


def test_trials_of_earlier_versions_have_one_training_that_nobody_knows_of():
    old = optuna.trial.create_trial(
        values=[0.6, 1.0], user_attrs={"measurements": {"accuracy": {"value": 0.6}, "latency_ms": {"value": 1.0}}}
    )
    assert trainings_of(old) == 0
    assert past_trainings([old]) == []
    assert more(measured(0.7, 1.0), [old]) == 2


@pytest.mark.parametrize(
    "stored", [7, {"accuracy": 7}, {"accuracy": {"trainings": 7}}, {"accuracy": {"trainings": [7]}}]
)
def test_nonsense_of_another_program_is_no_training(stored):
    odd = optuna.trial.create_trial(values=[0.6, 1.0], user_attrs={"measurements": stored})
    assert trainings_of(odd) == 0
    assert past_trainings([odd]) == []
    assert more(measured(0.7, 1.0), [odd]) == 2
