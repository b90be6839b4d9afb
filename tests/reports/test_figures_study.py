from __future__ import annotations

from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import create_trial

from mnas_moo.reports.figures import rows_of
from mnas_moo.reports.figures_study import (
    busy_seconds,
    front_figure,
    importance_figure,
    learning_figures,
    members_figures,
    published_figure,
    volume_figure,
)
from mnas_moo.reports.importance import Importance
from mnas_moo.reports.learning import Chart, Series
from mnas_moo.running.trials import MEASUREMENTS
from tests.reports.conftest import a_study, of, random_values
from tests.reports.test_members import members

START = datetime(2026, 1, 1)


def test_the_front_shows_each_trial_with_its_tag_and_what_is_said_of_it() -> None:
    past = of(a_study([[0.75, 10.0], [0.5, 50.0], [0.9, 60.0]], infeasible=[2]))
    figure = front_figure(past, 1, {0: "knee"}, {0: "a network"})
    (panel,) = figure.panels
    assert {marks.label: list(marks.names) for marks in panel.marks} == {
        "violates a constraint": ["trial 2"],
        "dominated": ["trial 1"],
        "Pareto front": ["trial 0"],
    }
    front = panel.marks[-1]
    assert front.tags == [(0, "knee")]
    assert front.notes[0].splitlines()[-1] == "a network"
    assert "violates a constraint" in panel.marks[0].notes[0]
    assert panel.y.percent and not panel.x.percent
    assert "The front has 1 member: accuracy on the hold-out 75.00 % and latency (ms) 10." in figure.says


def test_intervals_of_trials_are_those_of_their_marks() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "latency_ms"])
    held = {"accuracy": {"value": 0.6, "interval": [0.5, 0.7]}}
    study.add_trial(create_trial(values=[0.6, 1.0], user_attrs={MEASUREMENTS: held}))
    study.add_trial(create_trial(values=[0.5, 2.0]))
    marks = {marks.label: marks for marks in front_figure(of(study), 1, {}, {}).panels[0].marks}
    assert marks["Pareto front"].y_range == [pytest.approx((0.5, 0.7))]
    assert marks["dominated"].y_range == [None]
    assert marks["Pareto front"].notes[0].splitlines()[0] == "accuracy on the hold-out: 60.0 ± 10.0 %"


@pytest.mark.parametrize(("objectives", "panels"), [(1, 1), (2, 1), (3, 3)])
def test_one_objective_is_drawn_over_trials_and_three_pair_by_pair(objectives: int, panels: int) -> None:
    figure = front_figure(of(a_study(random_values(20, objectives))), 1, {}, {})
    assert len(figure.panels) == panels
    assert figure.panels[0].x.label == ("trial" if objectives == 1 else "latency (ms)")
    assert all(sum(len(marks.x) for marks in panel.marks) == 20 for panel in figure.panels)


def timed(*spans: tuple[float, float]) -> list[optuna.trial.FrozenTrial]:
    trials = []
    for number, (begin, end) in enumerate(spans):
        trial = create_trial(values=[0.5 + number / 100, 10.0 - number])
        trial.number = number
        trial.datetime_start, trial.datetime_complete = (START + timedelta(seconds=s) for s in (begin, end))
        trials.append(trial)
    return trials


def test_time_is_that_in_which_trials_ran() -> None:
    # the second runs beside the first, then there is a pause of 90 s
    assert busy_seconds(timed((0, 10), (5, 20), (110, 130))) == {0: 10, 1: 20, 2: 40}
    assert busy_seconds([]) == {}


def test_the_hypervolume_is_drawn_over_trials_and_over_time() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "latency_ms"])
    trials = timed((0, 60), (60, 180), (180, 360))
    for trial in trials:
        study.add_trial(trial)
    past = of(study)
    over_trials, over_time = volume_figure(past, trials).panels
    assert list(over_trials.lines[0].x) == [0, 1, 2]
    assert list(over_time.lines[0].x) == [1, 3, 6]
    assert over_time.x.label == "time in which trials ran (minutes)"
    assert over_time.lines[0].y == over_trials.lines[0].y == past.hypervolumes().tolist()


def test_charts_of_the_search_are_panels_of_their_group() -> None:
    charts = [
        Chart("model", "R²", [Series("accuracy", [20, 40], [0.1, 0.5]), Series("latency", [20], [0.9])]),
        Chart("policy", "entropy", [Series("entropy", [20, 40], [1.1, 1.0])]),
    ]
    model, policy = learning_figures(charts)
    assert [line.label for line in model.panels[0].lines] == ["accuracy", "latency"]
    assert [line.label for line in policy.panels[0].lines] == [""]  # its title says it
    assert (model.name, policy.name) == ("learning-model", "learning-policy")
    assert model.says == "At the end, R²: accuracy 0.5, latency 0.9."


def test_decisions_are_drawn_by_importance_for_each_objective() -> None:
    importance = Importance({"kernel": (0.1, 0.8), "filters": (0.9, 0.2)}, "A rule.")
    figure = importance_figure(importance, ["accuracy", "latency (ms)"])
    assert [list(panel.y.names) for panel in figure.panels] == [["filters", "kernel"], ["kernel", "filters"]]
    assert figure.notes == ["A rule."]


def test_published_networks_are_told_apart_from_the_studys() -> None:
    figure = published_figure({"knee (trial 3)": 1.0, "MobileNetV2": 2.0}, 1)
    (panel,) = figure.panels
    assert [bars.label for bars in panel.bars] == ["this study", "published"]
    assert panel.bars[0].lengths[0] == 1.0 and panel.bars[1].lengths[1] == 2.0
    assert figure.says == "knee (trial 3) 1 ms, MobileNetV2 2 ms."


def test_the_members_of_a_front_are_drawn_in_two_ways_with_one_table() -> None:
    parallel, matrix = members_figures(members())
    assert (parallel.name, parallel.matrix, matrix.name, matrix.matrix) == ("parallel", False, "matrix", True)
    assert parallel.notes == ["Logarithmic: latency (ms), multiply-adds (millions)."]
    assert rows_of(parallel) == rows_of(matrix) == members().rows()
