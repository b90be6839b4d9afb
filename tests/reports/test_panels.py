from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mnas_moo.reports.panels import described, groups_of, outside, panels_of, title_of
from tests.reports.conftest import a_study, of, random_values


def test_two_objectives_are_one_panel_with_the_first_upwards() -> None:
    (panel,) = panels_of(of(a_study([[0.9, 10], [0.8, 20]])))
    assert (panel.x.tolist(), panel.y.tolist()) == ([10, 20], [0.9, 0.8])
    assert (panel.x_label, panel.y_label) == ("latency (ms)", "accuracy on the hold-out")


def test_the_line_is_the_front_from_left_to_right_and_steps_towards_worse_values() -> None:
    study = a_study([[0.99, 30], [0.9, 10], [0.8, 20]])
    (panel,) = panels_of(of(study))
    assert (panel.line.tolist(), panel.turns) == ([[10, 0.9], [30, 0.99]], "hv")
    turned = dataclasses.replace(of(study), directions=("minimize", "maximize"))
    assert panels_of(turned)[0].turns == "vh"


def test_three_objectives_are_the_upper_triangle_of_their_pairs_without_lines() -> None:
    past = of(a_study(random_values(9, 3)))
    panels = panels_of(past)
    assert [(panel.row, panel.column) for panel in panels] == [(0, 0), (0, 1), (1, 1)]
    assert [(panel.y_label, panel.x_label) for panel in panels] == [
        (past.labels[0], past.labels[1]),
        (past.labels[0], past.labels[2]),
        (past.labels[1], past.labels[2]),
    ]
    assert not any(len(panel.line) for panel in panels)


def test_one_objective_is_drawn_over_the_trial_numbers() -> None:
    (panel,) = panels_of(of(a_study([[0.3], [0.2], [0.6]])))
    assert (panel.x_label, panel.x.tolist()) == ("trial", [0, 1, 2])
    assert panel.line.tolist() == [[0, 0.3], [1, 0.3], [2, 0.6]]


def test_the_axes_leave_room_around_all_trials_that_are_near_the_front() -> None:
    (panel,) = panels_of(of(a_study([[0.9, 10], [0.8, 20], [0.7, 30]])))
    assert panel.x_view == pytest.approx((10 - 0.06 * 20, 30 + 0.06 * 20))
    assert outside([panel]) == ""


def test_a_trial_far_from_the_front_is_outside_and_counted() -> None:
    good = [[0.9 + i / 100, 10 + i] for i in range(8)]
    (panel,) = panels_of(of(a_study([*good, [0.1, 300], [0.1, 400]])))
    assert panel.outside.tolist() == [False] * 8 + [True] * 2
    assert outside([panel]) == "2 trials lie outside the view"


def test_every_trial_is_in_one_group_and_empty_groups_are_left_out() -> None:
    past = of(a_study([[0.9, 10], [0.8, 20], [0.95, 5], [0.99, 30]], infeasible=[2]))
    groups = groups_of(past)
    assert {group.label: np.flatnonzero(group.mask).tolist() for group in groups} == {
        "violates a constraint": [2],
        "dominated": [1],
        "Pareto front": [0, 3],
    }
    assert [group.label for group in groups_of(of(a_study([[0.9, 10]])))] == ["Pareto front"]
    assert {group.label for group in groups_of(of(a_study([[0.3], [0.2]])))} == {"tried", "best"}


def test_titles_count_trials() -> None:
    assert title_of(of(a_study([[0.9, 10], [0.8, 20]]))) == "Pareto front: 1 of 2 finished trials"
    assert title_of(of(a_study([[0.9]]))) == "Best accuracy of 1 finished trial"


def test_an_accuracy_above_1_is_not_shown_in_percent() -> None:
    fraction, percent = of(a_study([[0.9012, 10]])), of(a_study([[90.12, 10]]))
    assert described(fraction, fraction.values[0]) == ["accuracy on the hold-out: 90.12%", "latency (ms): 10"]
    assert described(percent, percent.values[0]) == ["accuracy: 90.12", "latency (ms): 10"]
