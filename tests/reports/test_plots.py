from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.front import hypervolume
from mnas_moo.reports.plots import History, front_figure, history, hypervolume_figure, save_front
from mnas_moo.study_file.study import StudyFile

NAMES = ("accuracy", "latency_ms", "parameters_m")


def a_study(
    values: Sequence[Sequence[float]], infeasible: Sequence[int] = (), network: str = "in1x8x8"
) -> optuna.Study:
    objectives = len(values[0])
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"][:objectives])
    study.set_metric_names(list(NAMES[:objectives]))
    for i, row in enumerate(values):
        constraints = {"parameters_m": 1.0 if i in infeasible else -1.0}
        study.add_trial(create_trial(values=list(row), constraints=constraints, user_attrs={"network": network}))
    return study


def of(study: optuna.Study) -> History:
    return history(study.trials, study.directions, study.metric_names)


def random_values(n: int, objectives: int, seed: int = 0) -> list[list[float]]:
    return np.random.default_rng(seed).random((n, objectives)).tolist()


def points(figure: object, name: str) -> list[tuple[float, float]]:
    traces = [trace for trace in figure.data if trace.name == name]  # type: ignore[attr-defined]
    return [point for trace in traces for point in zip(trace.x, trace.y, strict=True)]


def test_the_front_is_that_of_optuna(finished_study: tuple[StudyFile, optuna.Study]) -> None:
    study = finished_study[1]
    past = of(study)
    assert not past.feasible.all()
    assert {past.numbers[i] for i in np.flatnonzero(past.front)} == {trial.number for trial in study.best_trials}


def test_the_front_of_three_objectives_is_that_of_optuna() -> None:
    study = a_study(random_values(40, 3), infeasible=range(0, 40, 5))
    past = of(study)
    assert {past.numbers[i] for i in np.flatnonzero(past.front)} == {trial.number for trial in study.best_trials}


def test_the_reference_point_is_the_worst_feasible_values_and_a_tenth_of_their_range() -> None:
    past = of(a_study([[0.9, 10], [0.5, 50], [0.1, 900]], infeasible=[2]))
    assert past.reference_point == pytest.approx([0.46, 54])


def test_a_single_trial_has_a_reference_point_that_it_dominates() -> None:
    past = of(a_study([[0.5, 50]]))
    assert past.reference_point == pytest.approx([0.45, 55])
    assert past.hypervolumes() == pytest.approx([0.05 * 5])


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_curve_is_the_hypervolume_of_the_feasible_trials_so_far(objectives: int) -> None:
    values, infeasible = random_values(30, objectives), {3, 11, 12}
    study = a_study(values, infeasible=sorted(infeasible))
    past = of(study)
    assert past.reference_point is not None
    for n, volume in enumerate(past.hypervolumes(), start=1):
        feasible = [values[i] for i in range(n) if i not in infeasible]
        assert volume == pytest.approx(hypervolume(feasible, past.reference_point, study.directions), rel=1e-9)


def test_failed_pruned_and_infinite_trials_are_left_out() -> None:
    study = a_study([[0.9, 10]])
    study.add_trial(create_trial(state=TrialState.FAIL))
    study.add_trial(create_trial(state=TrialState.PRUNED))
    study.add_trial(create_trial(values=[0.8, math.inf]))
    study.enqueue_trial({"x": 1})
    study.add_trial(create_trial(values=[0.7, 5]))
    assert of(study).numbers == (0, 5)


def test_the_best_value_so_far_passes_over_infeasible_trials() -> None:
    past = of(a_study([[0.9], [0.3], [0.2], [0.6], [0.5]], infeasible=[0]))
    assert past.best().tolist() == pytest.approx([math.nan, 0.3, 0.3, 0.6, 0.6], nan_ok=True)


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


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
@pytest.mark.parametrize("objectives", [1, 2, 4])
def test_a_front_is_printed(tmp_path: Path, suffix: str, begins: bytes, objectives: int) -> None:
    study = optuna.create_study(directions=["minimize"] * objectives)
    for row in random_values(20, objectives):
        study.add_trial(create_trial(values=row))
    save_front(study, tmp_path / f"front{suffix}")
    assert (tmp_path / f"front{suffix}").read_bytes().startswith(begins)


def test_a_front_in_html_needs_no_network(tmp_path: Path) -> None:
    save_front(a_study(random_values(20, 2)), tmp_path / "front.html")
    text = (tmp_path / "front.html").read_text(encoding="utf-8")
    assert "plotly.js v" in text
    assert "<script src=" not in text


def test_another_ending_is_refused_and_the_right_ones_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"front\.jpg: its ending is '\.jpg'; .* \.html, \.pdf, \.png, \.svg"):
        save_front(a_study([[0.9, 10]]), tmp_path / "front.jpg")


def test_a_study_without_finished_trials_has_no_front(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="study 'empty' has no finished trial yet"):
        save_front(optuna.create_study(study_name="empty"), tmp_path / "front.png")


def test_a_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"mnas-moo\[plot\]"):
        save_front(a_study([[0.9, 10]]), tmp_path / "front.png")
