from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.reports.past import History
from mnas_moo.reports.plots_plotly import front_figure, hypervolume_figure
from tests.reports.conftest import NAMES, a_study, of, random_values


def points(figure: object, name: str) -> list[tuple[float, float]]:
    traces = [trace for trace in figure.data if trace.name == name]  # type: ignore[attr-defined]
    return [point for trace in traces for point in zip(trace.x, trace.y, strict=True)]


def test_every_trial_is_drawn_once_in_the_group_it_belongs_to() -> None:
    figure = front_figure(of(a_study([[0.9, 10], [0.8, 20], [0.95, 5], [0.99, 30]], infeasible=[2])))
    assert points(figure, "Pareto front") == [(10, 0.9), (30, 0.99)]
    assert points(figure, "dominated") == [(20, 0.8)]
    assert points(figure, "violates a constraint") == [(5, 0.95)]


def test_the_steps_of_the_front_go_right_before_they_rise() -> None:
    figure = front_figure(of(a_study([[0.99, 30], [0.9, 10], [0.8, 20]])))
    (line,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert (list(line.x), list(line.y), line.line.shape) == ([10, 30], [0.9, 0.99], "hv")


def test_axes_have_units_and_marks_say_trial_values_and_network() -> None:
    figure = front_figure(of(a_study([[0.9012, 10]], network="in1x8x8 stem_k3_s11_o8 fc10")))
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == (
        "latency (ms)",
        "accuracy on the hold-out",
    )
    (text,) = next(trace for trace in figure.data if trace.name == "Pareto front").text
    assert text == (
        "<b>trial 0</b><br>accuracy on the hold-out: 90.12%<br>latency (ms): 10<br>in1x8x8 stem_k3_s11_o8 fc10"
    )


def test_broken_networks_do_not_squeeze_the_front_and_are_mentioned() -> None:
    good = [[0.9 + i / 100, 10 + i] for i in range(8)]
    figure = front_figure(of(a_study([*good, [0.1, 12], [0.1, 300]])))
    assert figure.layout.yaxis.range[0] > 0.5
    assert figure.layout.xaxis.range[1] < 100
    assert "1 trial lies outside" in front_figure(of(a_study([*good, [0.1, 300]]))).layout.title.text


def test_three_objectives_are_drawn_pair_by_pair() -> None:
    figure = front_figure(of(a_study(random_values(10, 3))))
    shown = {(trace.xaxis, trace.yaxis) for trace in figure.data}
    assert len(shown) == 3
    assert len(points(figure, "Pareto front")) == 3 * int(of(a_study(random_values(10, 3))).front.sum())


def test_one_objective_is_drawn_as_its_best_value_so_far() -> None:
    figure = front_figure(of(a_study([[0.3], [0.2], [0.6]])))
    (line,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert (list(line.x), list(line.y)) == ([0, 1, 2], [0.3, 0.3, 0.6])


def test_the_hypervolume_figure_names_the_reference_point() -> None:
    figure = hypervolume_figure(of(a_study([[0.9, 10], [0.5, 50]])))
    assert "accuracy on the hold-out: 46.00%, latency (ms): 54" in figure.layout.title.text
    assert list(figure.data[0].y) == pytest.approx([(0.9 - 0.46) * (54 - 10)] * 2)


def test_one_objective_has_no_hypervolume() -> None:
    with pytest.raises(ValueError, match="two objectives or more"):
        hypervolume_figure(of(a_study([[0.3]])))


def test_networks_of_dominated_trials_do_not_swell_the_figures_of_a_long_study() -> None:
    n = 8000
    values = np.array(random_values(n, 2))
    networks = ("r2_k3_s22_e6_i16_o24 " * 10,) * n
    past = History(NAMES[:2], ("maximize", "minimize"), tuple(range(n)), values, np.ones(n, dtype=bool), networks)
    assert len(front_figure(past).to_json()) < 1.5e6
    assert len(hypervolume_figure(past).to_json()) < 1e4
