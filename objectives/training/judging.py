"""What several trainings of a network say of its accuracy, in the light of those of other networks.

One training is a draw: initial weights, order and augmentation move its accuracy, and so does the part of the images
that happened to be held out. Of a network that was trained n times, on folds that may differ, the model is

    accuracy of training j = accuracy of the network + effect of its fold + noise,

a two-way layout without interaction (Scheffe 1959, ch. 4), fitted by least squares to all trainings of a study. Fold
effects are drawn to 0 in the ratio of noise to sampling error (ridge), and the variance of the noise to what the size
of a hold-out lets expect, so that both are of use from the first networks on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

EXPECTED_DEVIATION = 0.01
"""Deviation of an accuracy from training to training that is expected beyond that of its hold-out (fraction)."""
EXPECTED_TRAININGS = 3
"""So many trainings the expectation weighs against those that were made."""
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Outcome:
    """Accuracy of one training on one fold's hold-out, in [0, 1]."""

    fold: int
    accuracy: float


@dataclass(frozen=True)
class Judgement:
    """What is known of one network's accuracy.

    Attributes:
        accuracy: mean of its trainings, freed of the effects of their folds.
        standard_error: of ``accuracy``, from the noise of training.
        interval: 95 % interval for new images of the same kind: noise of training and size of the hold-out.
    """

    accuracy: float
    standard_error: float
    interval: tuple[float, float]


def judge(own: Sequence[Outcome], others: Sequence[Sequence[Outcome]], holdouts: Sequence[int]) -> Judgement:
    """Judges a network by its trainings and those of other networks of the study.

    >>> judge([Outcome(0, 0.50), Outcome(0, 0.52)], [], holdouts=[10_000]).accuracy
    0.51

    Args:
        own: trainings of the network, at least one.
        others: trainings of each other network.
        holdouts: number of images that each fold holds out.
    """
    groups = [group for group in (own, *others) if group]
    share = float(np.clip(np.mean([each.accuracy for group in groups for each in group]), 0.05, 0.95))
    size = float(np.mean(holdouts))
    expected = EXPECTED_DEVIATION**2 + share * (1 - share) / (2 * size)
    effects = np.zeros(len(holdouts))
    variance = expected
    for _ in range(2):  # the ridge needs the variance, and the variance the effects
        effects = _effects(groups, len(holdouts), variance * size / (share * (1 - share)))
        squares, freedom = 0.0, 0
        for group in groups:
            rest = np.array([each.accuracy - effects[each.fold] for each in group])
            squares += float(((rest - rest.mean()) ** 2).sum())
            freedom += len(group) - 1
        variance = (squares + EXPECTED_TRAININGS * expected) / (freedom + EXPECTED_TRAININGS)
    accuracy = float(np.clip(np.mean([each.accuracy - effects[each.fold] for each in own]), 0.0, 1.0))
    images = sum(holdouts[fold] for fold in {each.fold for each in own})
    return Judgement(accuracy, math.sqrt(variance / len(own)), interval_of(accuracy, images, variance / len(own)))


def interval_of(accuracy: float, images: int, variance: float = 0.0) -> tuple[float, float]:
    """95 % interval of an accuracy for new images of the same kind.

    Args:
        accuracy: share of the images that is right.
        images: number of images held out.
        variance: of the accuracy, from the noise of training.
    """
    # as if one more were right and one more wrong (Agresti & Coull 1998), so that no interval is empty at 0 or 1
    guarded = (accuracy * images + 1) / (images + 2)
    half = NORMAL_95 * math.sqrt(variance + guarded * (1 - guarded) / images)
    return max(0.0, accuracy - half), min(1.0, accuracy + half)


def _effects(groups: Sequence[Sequence[Outcome]], folds: int, ridge: float) -> npt.NDArray[np.float64]:
    """(F,) effects of the folds, with sum 0, that leave the least squares within the networks."""
    normal, right = ridge * np.eye(folds), np.zeros(folds)
    for group in groups:
        design = np.zeros((len(group), folds))
        design[np.arange(len(group)), [each.fold for each in group]] = 1
        design -= design.mean(axis=0)
        accuracies = np.array([each.accuracy for each in group])
        normal += design.T @ design
        right += design.T @ accuracies
    effects = np.linalg.solve(normal, right)
    return np.asarray(effects - effects.mean(), dtype=np.float64)
