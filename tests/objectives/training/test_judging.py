import numpy as np
import pytest

from mnas_moo.objectives.training.judging import NORMAL_95, Outcome, judge


def trained(accuracies, fold=0):
    return [Outcome(fold, accuracy) for accuracy in accuracies]


def test_the_accuracy_is_the_mean_and_its_interval_holds_noise_and_sampling():
    found = judge(trained([0.6, 0.62, 0.64]), [], holdouts=[500])
    assert found.accuracy == pytest.approx(0.62)
    half = found.interval[1] - found.accuracy
    assert half == pytest.approx(found.accuracy - found.interval[0])
    sampling = np.sqrt(0.62 * 0.38 / 500)
    assert half == pytest.approx(NORMAL_95 * np.hypot(found.standard_error, sampling), rel=0.01)


def test_the_noise_is_learnt_from_all_networks():
    others = [trained(0.5 + noise) for noise in np.random.default_rng(0).normal(0, 0.05, (40, 4))]
    quiet = [trained(0.5 + noise) for noise in np.random.default_rng(0).normal(0, 0.001, (40, 4))]
    own = trained([0.7, 0.7])
    assert judge(own, others, [10_000]).standard_error == pytest.approx(0.05 / np.sqrt(2), rel=0.15)
    assert judge(own, quiet, [10_000]).standard_error < 0.003


def test_what_a_fold_does_to_all_networks_is_taken_out():
    # Fold 1 is ten points harder; the network was judged on it alone, the others on both.
    others = [[Outcome(0, a), Outcome(1, a - 0.1)] for a in np.linspace(0.4, 0.6, 30)]
    found = judge([Outcome(1, 0.5)], others, holdouts=[60, 60])
    assert found.accuracy == pytest.approx(0.55, abs=0.01)
    both = judge([Outcome(0, 0.6), Outcome(1, 0.5)], others, holdouts=[60, 60])
    assert both.accuracy == pytest.approx(0.55, abs=1e-9)


def test_more_trainings_and_more_images_narrow_the_interval():
    def width(trainings, images):
        low, high = judge(trained([0.6] * trainings), [], holdouts=[images]).interval
        return high - low

    assert width(1, 60) > width(4, 60) > width(4, 6000)


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_an_interval_is_never_empty_and_stays_within_0_and_1(accuracy):
    low, high = judge(trained([accuracy] * 3), [], holdouts=[20]).interval
    assert 0 <= low < high <= 1
    assert high - low > 0.05


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        networks = rng.uniform(0.4, 0.7, 12)
        groups = [
            [Outcome(fold, rng.binomial(60, np.clip(a + rng.normal(0, 0.02), 0, 1)) / 60) for fold in range(4)]
            for a in networks
        ]
        low, high = judge(groups[0], groups[1:], holdouts=[60] * 4).interval
        inside += low <= networks[0] <= high
    assert inside >= 0.93 * 300
