from __future__ import annotations

import re

import numpy as np
import pytest

from mnas_moo.reports.past import History
from mnas_moo.reports.plots_plotly import front_figure, hypervolume_figure, with_link
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
    shown = re.sub("<.*?>", " ", figure.layout.title.text)
    assert "accuracy on the hold-out: 46.00%,   latency (ms): 54" in shown
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


def test_the_axis_of_hypervolumes_leaves_out_the_steep_beginning_and_says_so() -> None:
    rising = [[0.1, 99.0], *([0.9 + i / 1000, 10.0 - i / 10] for i in range(9))]
    figure = hypervolume_figure(of(a_study(rising)))
    low, high = figure.layout.yaxis.range
    volumes = figure.data[0].y
    assert volumes[0] < low < volumes[2]
    assert high > volumes[-1]
    assert "double-click" in figure.layout.title.text
    assert "double-click" not in hypervolume_figure(of(a_study(rising[1:2]))).layout.title.text


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_front_is_told_in_words(objectives: int) -> None:
    past = of(a_study(random_values(30, objectives)))
    told = front_figure(past).layout.meta["alternative"]
    for label in past.labels:
        assert label in told
    assert f"trial {past.numbers[int(np.flatnonzero(past.front)[0])]}, " in told


def test_a_link_is_the_last_line_of_a_title_with_room_for_it() -> None:
    past = of(a_study([[0.9, 10]]))
    figure, plain = with_link(front_figure(past), "/a", "b"), front_figure(past)
    assert figure.layout.title.text.endswith('<a href="/a" target="_self">b</a></span>')
    assert figure.layout.margin.t > plain.layout.margin.t
