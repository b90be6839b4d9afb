"""Balanced accuracy against a case worked by hand, and what guessing gets."""

from __future__ import annotations

import pytest
import torch

from mnas_moo.objectives.training.balance import balanced_accuracy, chance

LABELS = torch.tensor([0] * 6 + [1] * 3 + [3])  # class 2 has no image
PREDICTED = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 0, 3])


def test_it_is_the_mean_of_the_recalls_of_the_classes_present() -> None:
    # 5 of 6, 1 of 3, 1 of 1
    assert balanced_accuracy(PREDICTED, LABELS, 4) == pytest.approx((5 / 6 + 1 / 3 + 1) / 3)


def test_it_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the reference")
    generator = torch.Generator().manual_seed(0)
    labels, predicted = torch.randint(5, (2, 200), generator=generator)
    labels[labels == 4] = 0
    predicted[predicted == 4] = 1  # scikit-learn warns of predicted classes without an image
    expected = metrics.balanced_accuracy_score(labels, predicted)
    assert balanced_accuracy(predicted, labels, 5) == pytest.approx(expected)


def test_the_best_guess_is_the_largest_class() -> None:
    assert chance(LABELS, balanced=False) == 0.6
    assert chance(LABELS, balanced=True) == pytest.approx(1 / 3)


@pytest.mark.parametrize("guess", range(4))
def test_no_guess_gets_more_than_chance(guess: int) -> None:
    always = torch.full_like(LABELS, guess)
    assert (always == LABELS).double().mean() <= chance(LABELS, balanced=False)
    assert balanced_accuracy(always, LABELS, 4) <= chance(LABELS, balanced=True)
