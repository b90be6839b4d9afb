from __future__ import annotations

import csv

import optuna
import pytest

from mnas_moo.reports.progress import Pace, best_line, trial_line
from mnas_moo.reports.text import figure, front_csv, front_records, front_trials, scatter
from mnas_moo.reward import AbsoluteReward, MnasReward
from mnas_moo.running.trials import FAILURE, NETWORK, SAME_AS, completed_trials


def study_of(*rows: tuple[list[float], dict[str, object]]) -> optuna.Study:
    """A study in memory: values and user attributes of its trials; an attribute `constraint` is one."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "latency_ms"])
    for values, attributes in rows:
        constraint = attributes.get("constraint")
        study.add_trial(
            optuna.create_trial(
                values=values,
                params={"x": values[0]},
                distributions={"x": optuna.distributions.FloatDistribution(0, 1)},
                user_attrs=attributes,
                system_attrs={} if constraint is None else {"constraints": [constraint]},
            )
        )
    return study


STUDY = [
    ([0.8, 20.0], {NETWORK: "a"}),
    ([0.9, 40.0], {NETWORK: "b"}),
    ([0.7, 30.0], {NETWORK: "dominated"}),
    ([0.9, 40.0], {NETWORK: "b", SAME_AS: 1}),
    ([0.99, 1.0], {NETWORK: "c", "constraint": 0.1}),
    ([0.5, 10.0], {NETWORK: "d", "constraint": 0.0}),
]


def front_of(study: optuna.Study) -> list[int]:
    return [trial.number for trial in front_trials(study.directions, completed_trials(study))]


def test_the_front_is_feasible_undominated_every_network_once_and_best_first() -> None:
    assert front_of(study_of(*STUDY)) == [1, 0, 5]


def test_a_study_without_trials_has_no_front() -> None:
    assert front_of(study_of()) == []
    assert front_of(study_of(STUDY[4])) == []


def test_records_and_csv_say_the_same() -> None:
    study = study_of(*STUDY)
    front = front_trials(study.directions, completed_trials(study))
    first, *_ = front_records(study, front)
    assert first == {"trial": 1, "accuracy": 0.9, "latency_ms": 40.0, "params": {"x": 0.9}, "network": "b"}
    header, *rows = csv.reader(front_csv(study, front).splitlines())
    assert header == ["trial", "accuracy", "latency_ms", "network", "x"]
    assert rows[0] == ["1", "0.9", "40.0", "b", "0.9"]
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.9567, "95.67 %"),
        ("accuracy", 65.42, "65.42"),
        ("latency_ms", 0.087261, "0.08726"),
        ("latency_ms", 78.123, "78.12"),
        ("parameters_m", 311.57, "312"),
        ("parameters_m", 12345.6, "12,346"),
    ],
)
def test_figures_are_for_people(name: str, value: float, text: str) -> None:
    assert figure(name, value) == text


def test_a_scatter_plot_of_points_on_one_spot_is_in_the_middle() -> None:
    assert scatter([1, 1], [2, 2], [True, False], width=3, height=3) == ["   ", " o ", "   "]


def test_a_trial_in_one_line() -> None:
    study = study_of(*STUDY)
    assert trial_line(study, study.trials[0]) == "trial 0: accuracy 80.00 %, latency_ms 20"
    assert trial_line(study, study.trials[3]).endswith(", as trial 1")
    assert trial_line(study, study.trials[4]).endswith(", outside the constraints")
    trial = study.ask()
    trial.set_user_attr(FAILURE, "no luck")
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert trial_line(study, study.trials[6]) == "trial 6 failed: no luck"


def test_the_best_is_the_reward_where_there_is_one() -> None:
    study = study_of(*STUDY)
    completed = completed_trials(study)
    assert best_line(study, completed, None) == "3 on the front, best accuracy 90.00 % (trial 1)"
    hard = MnasReward(20.0, alpha=0.0, beta=-1.0)
    assert best_line(study, completed, hard) == "3 on the front, best reward 0.8000 (trial 0)"
    slow = AbsoluteReward(30.0, beta=-2.0)
    assert best_line(study, completed, slow).endswith("best reward 0.7000 (trial 2)"), "it need not be on the front"
    assert best_line(study, completed[4:5], hard) == "no feasible network yet"


def test_the_time_left_follows_the_pace_of_this_run() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    pace.start(10, 60)
    assert pace.left(10) == "time left not known yet"
    now[0] += 20
    assert pace.left(20) == "1:20 min left"
    now[0] += 100 * 3600
    assert pace.left(59) == "2 h 2 min left"
    assert pace.left(11) == "204 d 4 h left"
