from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mnas_moo.compare import statistics
from mnas_moo.objectives.front import hypervolume

RNG = np.random.default_rng(0)
CLOUD = RNG.random((200, 2))
FEASIBLE = RNG.random(200) < 0.7
CORNER = [0.9, 0.8]


def test_each_hypervolume_is_that_of_the_first_feasible_points() -> None:
    hypervolumes = statistics.Hypervolumes(CLOUD, FEASIBLE, CORNER)
    for n in (0, 1, 2, 10, 57, 200, 1000):
        assert hypervolumes.after(n) == pytest.approx(hypervolume(CLOUD[:n][FEASIBLE[:n]], CORNER))


def test_hypervolumes_of_three_objectives() -> None:
    cloud = RNG.random((100, 3))
    hypervolumes = statistics.Hypervolumes(cloud, np.ones(100, dtype=bool), [1, 1, 1])
    assert hypervolumes.after(60) == pytest.approx(hypervolume(cloud[:60], [1, 1, 1]))


def test_hypervolumes_of_one_objective_is_the_distance_of_the_best_to_the_reference() -> None:
    hypervolumes = statistics.Hypervolumes([[5.0], [3.0], [4.0], [1.0]], [True, True, True, False], [10.0])
    assert [hypervolumes.after(n) for n in range(5)] == [0, 5, 7, 7, 7]


def test_failed_trials_add_nothing() -> None:
    hypervolumes = statistics.Hypervolumes([[np.nan, np.nan], [0.5, 0.5]], [True, True], [1, 1])
    assert [hypervolumes.after(n) for n in (1, 2)] == [0, 0.25]


def test_the_union_front_has_the_feasible_points_of_all_runs_that_no_other_dominates() -> None:
    runs = [([[1, 4], [3, 3], [0, 0]], [True, True, False]), ([[2, 2], [1, 4]], [True, True])]
    assert statistics.union_front(runs).tolist() == [[1, 4], [2, 2]]
    assert statistics.union_front([([[1, 2]], [False])]).shape == (0, 2)


def test_half_of_three_runs_attain_what_the_second_best_offers() -> None:
    fronts = [np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[1.5, 2.5]]), np.array([[0.0, 4.0]])]
    assert statistics.median_attainment(fronts).tolist() == [[1.0, 4.0], [1.5, 3.0], [2.0, 2.5]]


def test_a_run_without_a_feasible_point_attains_nothing() -> None:
    nothing, something = np.empty((0, 2)), np.array([[1.0, 1.0]])
    assert statistics.median_attainment([nothing, something]).tolist() == [[1.0, 1.0]]
    assert statistics.median_attainment([nothing, nothing, something]).shape == (0, 2)
    assert statistics.median_attainment([nothing]).shape == (0, 2)


def test_marks_end_with_the_budget() -> None:
    assert statistics.marks(1000) == [50, 100, 200, 400, 1000]
    assert statistics.marks(30) == [30]
    assert set(statistics.marks(730)) <= set(statistics.grid(730))
    assert statistics.grid(1) == [1]


def test_runs_that_are_all_the_same_have_a_band_of_no_width() -> None:
    low, high = statistics.bootstrap_band(np.tile([0.1, 0.7], (7, 1)))
    assert low.tolist() == high.tolist() == [0.1, 0.7]


def test_the_band_of_many_normal_samples_is_that_of_the_mean() -> None:
    samples = RNG.normal(3.0, 2.0, size=(400, 1))
    low, high = statistics.bootstrap_band(samples)
    half = 1.96 * samples.std() / 20
    assert [low[0], high[0]] == pytest.approx([samples.mean() - half, samples.mean() + half], abs=0.03)
    assert statistics.bootstrap_band(samples)[0] == low, "the same samples gave another band"


def test_the_least_number_of_trials_that_reaches_a_goal() -> None:
    steps = [0.0, 0.0, 1.0, 1.0, 2.0, 5.0]  # after 0, 1, ... 5 trials
    reach = [statistics.trials_to_reach(steps.__getitem__, 5, goal) for goal in (0.5, 1.0, 1.5, 5.0, 5.1)]
    assert reach == [2, 2, 4, 5, None]
    assert statistics.trials_to_reach(lambda n: 1.0, 3, 1.0) == 1
    assert statistics.trials_to_reach(lambda n: 1.0, 0, 1.0) is None


def test_wilcoxon_of_six_pairs_that_all_go_one_way_is_one_in_thirty_two() -> None:
    ours = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert statistics.wilcoxon(ours, np.zeros(6)) == pytest.approx(2 / 2**6)
    assert statistics.wilcoxon(np.zeros(6), ours) == pytest.approx(2 / 2**6)


def test_wilcoxon_is_scipys() -> None:
    a, b = RNG.normal(size=(2, 20))
    assert statistics.wilcoxon(a, b) == stats.wilcoxon(a, b).pvalue


def test_wilcoxon_of_equal_samples_is_one() -> None:
    assert statistics.wilcoxon([1.0, 2.0], [1.0, 2.0]) == 1.0


def test_holm_by_hand() -> None:
    # sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1; the last two not below those before them
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.9]) == [1.0, 1.0]
    assert statistics.holm([]) == []
