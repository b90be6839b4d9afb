import dataclasses

import optuna
import pytest

from mnas_moo.running.plan import (
    GOOD_TRIALS,
    LEAST_IMAGES,
    PLAN,
    NoTimeError,
    Plan,
    Timing,
    choose,
    store_plan,
    stored_plan,
    worth_seeing,
)

SPEEDS = {"2m": 800.0, "10m": 250.0, "50m": 60.0, "300m": 10.0}


def timed(size, factor=1.0):
    return Timing(size, 32, 1.0, factor * SPEEDS[size], 1.0, 1.0)


def plan(budget, images=10_000, factor=1.0, **given):
    return choose(budget, images, lambda size: timed(size, factor), tuple(SPEEDS), **given)[1]


def test_more_time_or_a_faster_machine_takes_larger_networks():
    assert plan(600, images=240).size == "2m"
    assert plan(6 * 3600, images=240).size == "50m"
    assert plan(600, images=240, factor=100).size == "300m"


@pytest.mark.parametrize("budget", [400, 1200, 7200, 86400])
@pytest.mark.parametrize("images", [100, 5_000, 1_000_000])
def test_the_trials_fill_the_budget(budget, images):
    made = plan(budget, images)
    assert 0.7 * budget <= made.trials * made.trial_seconds <= budget


@pytest.mark.parametrize("images", [100, 5_000, 1_000_000])
def test_trainings_are_long_enough_to_leave_chance_and_not_longer_than_is_of_use(images):
    for budget in (300, 1200, 86400):
        made = plan(budget, images)
        assert LEAST_IMAGES <= made.steps * made.batch_size <= 1.01 * worth_seeing(images)


def test_trials_at_a_time_share_a_budget_and_measure_latencies_one_after_the_other():
    one, two = (
        choose(900, 10_000, lambda size, n=n: dataclasses.replace(timed(size), workers=n), ("2m",))[1] for n in (1, 2)
    )
    assert two.steps > one.steps
    fixed = {"steps": 200, "batch_size": 64}
    one, two = (
        choose(3600, 10_000, lambda size, n=n: dataclasses.replace(timed(size), workers=n), ("2m",), **fixed)[1]
        for n in (1, 2)
    )
    assert two.trial_seconds == one.trial_seconds + 1  # a second of latency
    assert two.trials == int(2 * 3600 / two.trial_seconds)


def test_on_little_time_trainings_are_shortened_before_trials_are_dropped():
    little = plan(500, 240)
    assert little.trials >= GOOD_TRIALS
    assert LEAST_IMAGES <= little.steps * little.batch_size < worth_seeing(240)
    assert plan(200, 240).trials < GOOD_TRIALS


def test_what_the_file_says_is_kept():
    made = plan(3600, steps=100, batch_size=16, trials=7)
    assert (made.steps, made.batch_size, made.trials) == (100, 16, 7)


def test_too_little_time_says_how_much_is_needed():
    with pytest.raises(NoTimeError, match=r"is 30 s, and a trial .* takes 15 s here; at least 100 s are needed"):
        plan(30, 240)


def test_a_plan_is_stored_and_read_and_what_is_no_plan_is_not():
    study = optuna.create_study()
    assert stored_plan(study) is None
    made = dataclasses.replace(plan(600), words=("chosen", "why"))
    store_plan(study, made)
    assert stored_plan(study) == made
    for held in (
        7,
        {"format": 2},
        {"format": 1, "size": "2m"},
        {**dataclasses.asdict(made), "format": 1, "steps": "x"},
    ):
        study._storage.set_study_system_attr(study._study_id, PLAN, held)
        assert stored_plan(study) is None


def test_a_storage_cannot_hand_over_senseless_numbers():
    study = optuna.create_study()
    for steps in (0, -1, 10**12):
        store_plan(study, Plan("2m", 32, steps, 32, 10, 1.0, ()))
        assert stored_plan(study) is None
