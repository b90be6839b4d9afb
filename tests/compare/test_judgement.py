from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from mnas_moo.compare import report
from mnas_moo.compare.judgement import Setting, judge
from mnas_moo.compare.record import Run
from mnas_moo.objectives.front import Floats
from mnas_moo.reward import MnasReward

DIRECTIONS = {"accuracy": "maximize", "latency_ms": "minimize"}
SEEDS = 12


def run(sampler: str, seed: int, values: Floats, **changes: Any) -> Run:
    n = len(values)
    nothing = np.empty((n, 0))
    made = Run(
        sampler, seed, "trials", math.inf, nothing, values, values, nothing, np.ones(n, bool), np.full(n, 2.0 + seed)
    )
    return dataclasses.replace(made, **changes)


def climbing(sampler: str, seed: int, trials: int, step: float) -> Run:
    """Accuracy rises by ``step`` a trial, at 10 ms."""
    accuracy = 0.1 + step * np.arange(1, trials + 1) + 1e-4 * seed
    return run(sampler, seed, np.column_stack([accuracy, np.full(trials, 10.0)]))


SETTING = Setting("climb", DIRECTIONS, 100, reference_point=(0.1, 20.0), best_hypervolume=2.5)
RUNS = {
    "nsga2": [climbing("nsga2", seed, 100, 0.001) for seed in range(SEEDS)],
    "mnas": [climbing("mnas", seed, 100, 0.002) for seed in range(SEEDS)],
}
SHIFT = 1e-4 * np.arange(SEEDS).mean()


def test_hypervolume_and_regret_at_the_marks_by_hand() -> None:
    found = judge(SETTING, RUNS)
    assert found["marks"] == [50, 100]
    at = found["samplers"]["mnas"]["at_marks"]
    assert at["hypervolume"]["mean"] == pytest.approx([10 * (0.1 + SHIFT), 10 * (0.2 + SHIFT)])
    assert at["regret"]["mean"] == pytest.approx([1 - 10 * (0.1 + SHIFT) / 2.5, 1 - 10 * (0.2 + SHIFT) / 2.5])
    assert np.shape(at["hypervolume_of_seeds"]) == (2, SEEDS)
    assert (found["reference_point_of"], found["best_hypervolume_of"]) == ("problem", "problem")
    band = found["samplers"]["mnas"]["curve"]["regret"]
    assert (np.array(band["low"]) < band["mean"]).all()
    assert (np.array(band["mean"]) < band["high"]).all()


def test_the_goal_is_nsga2s_final_hypervolume_and_twice_the_pace_needs_half_the_trials() -> None:
    found = judge(SETTING, RUNS)
    assert found["goal"] == {"of": "nsga2", "trials": 100, "hypervolume": pytest.approx(10 * (0.1 + SHIFT))}
    assert found["samplers"]["nsga2"]["to_goal"] == {"mean": 100, "median": 100, "seeds": 6}
    assert found["samplers"]["mnas"]["to_goal"]["mean"] == 50
    assert found["samplers"]["mnas"]["to_goal"]["seeds"] == SEEDS


def test_all_others_are_tested_against_mnas_and_corrected_for_the_number_of_all_tests() -> None:
    tests = judge(SETTING, RUNS)["tests"]
    assert [(test["sampler"], test["versus"], test["trials"]) for test in tests] == [
        ("mnas", "nsga2", 50),
        ("mnas", "nsga2", 100),
    ]
    assert all((test["wins"], test["losses"], test["ties"]) == (SEEDS, 0, 0) for test in tests)
    assert [test["p"] for test in tests] == pytest.approx([2 / 2**SEEDS] * 2)
    assert [test["p_holm"] for test in tests] == pytest.approx([4 / 2**SEEDS] * 2)
    others = judge(SETTING, {"nsga2": RUNS["nsga2"], "random": RUNS["mnas"]})["tests"]
    assert {test["sampler"] for test in others} == {"nsga2"}


def test_a_curve_ends_with_the_run_whose_time_was_up_first() -> None:
    cut = [run("tpe", s, RUNS["mnas"][s].values[: 60 + s], ended="time", limit_ms=60_000.0) for s in range(SEEDS)]
    found = judge(dataclasses.replace(SETTING, limit_ms=60_000.0), {**RUNS, "tpe": cut})
    tpe = found["samplers"]["tpe"]
    assert tpe["trials"] == 60
    assert tpe["at_marks"]["trials"] == [50]
    assert tpe["curve"]["trials"][-1] == 60
    assert tpe["to_goal"]["seeds"] == SEEDS
    assert {test["trials"] for test in found["tests"] if test["versus"] == "tpe"} == {50}
    assert report.cells(found, tpe)[1] == report.EMPTY
    assert "the sampler's 1 minutes were up" in report.caption(found)


def test_a_sampler_that_tried_everything_keeps_what_it_has() -> None:
    all_tried = [run("brute", s, RUNS["mnas"][s].values[:30], ended="exhausted") for s in range(SEEDS)]
    brute = judge(SETTING, {**RUNS, "brute": all_tried})["samplers"]["brute"]
    assert brute["at_marks"]["trials"] == [50, 100]
    assert brute["at_marks"]["hypervolume"]["mean"] == pytest.approx([10 * (0.06 + SHIFT)] * 2)


def test_without_a_known_front_all_runs_together_give_reference_point_and_best() -> None:
    values = np.array([[0.5, 10.0], [0.9, 30.0], [0.4, 40.0]])
    setting = Setting("unknown", DIRECTIONS, 3)
    found = judge(setting, {"random": [run("random", 0, values)], "nsga2": [run("nsga2", 0, values[:1])]})
    assert found["reference_point"] == pytest.approx([0.46, 32.0])
    assert (found["reference_point_of"], found["best_hypervolume_of"]) == ("runs", "runs")
    assert found["best_hypervolume"] == pytest.approx(0.44 * 2 + 0.04 * 20)
    assert found["samplers"]["random"]["at_marks"]["regret"]["mean"] == pytest.approx([0.0])


def test_infeasible_trials_count_for_nothing() -> None:
    values = np.array([[0.5, 10.0], [0.9, 5.0]])
    only = [run("random", 0, values, feasible=np.array([True, False]))]
    found = judge(dataclasses.replace(SETTING, trials=2), {"random": only})
    assert found["samplers"]["random"]["front"] == [[0.5, 10.0]]
    assert found["samplers"]["random"]["at_marks"]["hypervolume"]["mean"] == pytest.approx([4.0])
    with pytest.raises(ValueError, match="no sampler found a feasible point"):
        judge(SETTING, {"random": [run("random", 0, values, feasible=np.zeros(2, bool))]})


def test_fronts_are_those_of_all_seeds_together_and_of_half_of_them() -> None:
    points = [[[0.8, 10.0]], [[0.7, 10.0]], [[0.6, 5.0]]]
    runs = {"random": [run("random", s, np.array(points[s])) for s in range(3)]}
    random = judge(dataclasses.replace(SETTING, trials=1), runs)["samplers"]["random"]
    assert random["front"] == [[0.8, 10.0], [0.6, 5.0]]
    assert random["median_front"] == [[0.7, 10.0]]


def test_the_best_reward_so_far_is_the_papers_formula() -> None:
    reward = MnasReward(10.0, accuracy="accuracy", latency="latency_ms")
    found = judge(dataclasses.replace(SETTING, reward=(reward, 0, 1)), RUNS)
    best = found["samplers"]["mnas"]["best_reward"]
    assert best["trials"] == [50, 100]
    assert best["mean"] == pytest.approx([0.2 + SHIFT, 0.3 + SHIFT])
    assert found["reward"]["target_ms"] == 10.0


def test_the_samplers_time_is_its_mean_a_trial() -> None:
    times = judge(SETTING, RUNS)["samplers"]["mnas"]["sampler_ms"]
    assert times["mean"] == pytest.approx(2.0 + np.arange(SEEDS).mean())
    assert times["curve"]["ms"] == pytest.approx([times["mean"]] * len(times["curve"]["ms"]))
