"""Accuracy where classes have different numbers of images: the mean over the classes, and what guessing gets."""

from __future__ import annotations

import torch
from torch import Tensor


def balanced_accuracy(predicted: Tensor, labels: Tensor, classes: int) -> float:
    """Mean over the classes of the share of their images that is classified right (scikit-learn's definition).

    >>> balanced_accuracy(torch.tensor([0, 0, 0, 0]), torch.tensor([0, 0, 0, 1]), classes=3)
    0.5

    Args:
        predicted: (N,) int64 classes found.
        labels: (N,) int64 true ones, N >= 1; classes without an image here do not count.
        classes: number of classes.
    """
    right = torch.bincount(labels[predicted == labels], minlength=classes)
    images = torch.bincount(labels, minlength=classes)
    present = images > 0
    return float((right[present] / images[present].double()).mean())


def chance(labels: Tensor, *, balanced: bool) -> float:
    """The accuracy of the best guess that never looks at an image: the share of the largest class.

    >>> chance(torch.tensor([0, 0, 0, 1]), balanced=False), chance(torch.tensor([0, 0, 0, 1]), balanced=True)
    (0.75, 0.5)

    Args:
        labels: (N,) int64 labels, N >= 1.
        balanced: whether accuracy is ``balanced_accuracy``: every guess is then right in one of the classes present.
    """
    images = torch.bincount(labels)
    return 1 / int((images > 0).sum()) if balanced else float(images.max()) / len(labels)
