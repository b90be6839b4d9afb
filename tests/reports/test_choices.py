from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from mnas_moo.reports.choices import choices_of, shared_choices, short_label, tags_of, title_of
from mnas_moo.reports.text import front_trials
from mnas_moo.reward import MnasReward
from mnas_moo.running.trials import MEASUREMENTS

NAMES = ("accuracy", "latency_ms")


def trials(*values: Sequence[float], attributes: Sequence[dict[str, Any]] = ()) -> list[FrozenTrial]:
    found = []
    for i, each in enumerate(values):
        space: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 100)}
        attrs = attributes[i] if attributes else {}
        trial = create_trial(values=list(each), params={"x": i}, distributions=space, user_attrs=attrs)
        trial.number = i
        found.append(trial)
    return found


def directions(n: int) -> list[optuna.study.StudyDirection]:
    return [optuna.study.StudyDirection.MAXIMIZE, *[optuna.study.StudyDirection.MINIMIZE] * (n - 1)]


def chosen(found: Sequence[FrozenTrial], names: Sequence[str] = NAMES, **more: Any) -> dict[str, int]:
    ways = directions(len(names))
    choices = choices_of(front_trials(ways, found), names, ways, more.get("reward"))
    return {choice.title: choice.trial.number for choice in choices}


def test_most_accurate_fastest_and_the_farthest_bulge() -> None:
    # spans 0.4 and 90 ms: trial 2 gives up 25 % and 11 %, trial 3 50 % and 6 %
    found = trials([0.9, 100.0], [0.5, 10.0], [0.8, 20.0], [0.7, 15.0], [0.4, 50.0])
    assert chosen(found) == {"most accurate": 0, "fastest": 1, "knee": 2}


def test_the_reason_of_the_knee_has_its_losses() -> None:
    found = front_trials(directions(2), trials([0.9, 110.0], [0.5, 10.0], [0.8, 20.0]))
    knee = choices_of(found, NAMES, directions(2), None)[-1]
    assert "25 % in accuracy and 10 % in latency" in knee.why


def test_a_front_of_two_has_no_knee_and_an_empty_one_nothing() -> None:
    assert chosen(trials([0.9, 100.0], [0.5, 10.0])) == {"most accurate": 0, "fastest": 1}
    assert choices_of([], NAMES, directions(2), None) == []


def test_the_reward_chooses_where_there_is_one() -> None:
    found = trials([0.9, 100.0], [0.5, 10.0], [0.8, 20.0])
    assert chosen(found, reward=MnasReward(target=90.0))["best reward"] == 0
    assert chosen(found, reward=MnasReward(target=10.0, alpha=-1.0, beta=-1.0))["best reward"] == 1


def test_every_objective_has_its_best_and_one_objective_one() -> None:
    found = trials([0.9, 100.0, 5.0], [0.5, 10.0, 6.0], [0.8, 20.0, 1.0])
    names = ("accuracy", "latency_ms@pixel", "parameters_m")
    assert chosen(found, names) == {
        "most accurate": 0,
        "fastest on pixel": 1,
        "fewest parameters": 2,
        "knee": 2,
    }
    assert chosen(trials([0.9], [0.5]), ("accuracy",)) == {"most accurate": 0}
    assert title_of("memory_mb@pixel") == "least runtime memory on pixel"
    assert title_of("energy_j") == "best energy_j"
    assert short_label("accuracy") == "accuracy"


def test_of_equally_good_ones_that_which_is_better_elsewhere() -> None:
    ways = directions(2)
    found = trials([0.9, 100.0], [0.9, 50.0])
    assert choices_of(found, NAMES, ways, None)[0].trial.number == 1


def test_a_faster_network_within_the_interval_is_named() -> None:
    held = [{MEASUREMENTS: {"accuracy": {"value": v, "interval": [v - 0.05, v + 0.05]}}} for v in (0.9, 0.88, 0.5)]
    found = front_trials(directions(2), trials([0.9, 100.0], [0.88, 40.0], [0.5, 10.0], attributes=held))
    why = choices_of(found, NAMES, directions(2), None)[0].why
    assert "90.0 ± 5.0 %" in why
    assert "Trial 1 lies within its interval (88.00 %) and is 2.5 times as fast." in why


def test_one_network_with_several_titles_has_one_tag() -> None:
    found = choices_of(trials([0.9, 10.0]), NAMES, directions(2), None)
    assert tags_of(found) == {0: "most accurate, fastest"}


def configured(*rows: dict[str, Any]) -> list[FrozenTrial]:
    space: dict[str, BaseDistribution] = {
        "kernel": CategoricalDistribution([3, 5]),
        "width": FloatDistribution(0.0, 1.0),
        "one": CategoricalDistribution(["only"]),
    }
    return [
        create_trial(
            values=[0.5, 1.0], params={"one": "only", **row}, distributions={n: space[n] for n in (*row, "one")}
        )
        for row in rows
    ]


def test_shared_choices_stand_beside_those_of_all_trials() -> None:
    front = configured(*({"kernel": 5, "width": 0.5 + i / 100} for i in range(4)))
    others = configured(*({"kernel": 3, "width": i / 20} for i in range(12)))
    shared = {each.decision: each for each in shared_choices(front, [*front, *others])}
    assert set(shared) == {"kernel", "width"}  # one choice is none
    assert (shared["kernel"].value, shared["kernel"].members, shared["kernel"].trials) == ("5", 1.0, 0.25)
    assert shared["width"].value == "0.5 to 0.53"
    assert shared["width"].trials == pytest.approx(5 / 16)


def test_small_fronts_share_nothing() -> None:
    front = configured({"kernel": 5}, {"kernel": 5})
    assert shared_choices(front, front) == []
