"""The course of a search as figures: its epochs, its checkpoints, and which of these are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mnas_moo.objectives.front import hypervolume, pareto_mask, reference_point

PRETRAIN, SEARCH, FINETUNE = "pretrain", "search", "finetune"
DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave; what a phase does not have is None.

    Attributes:
        phase: "pretrain", "search" or "finetune".
        epoch: its number in the phase, from 0.
        seconds: since the search began.
        loss: mean cross-entropy of the graph's steps.
        controller_loss: mean cross-entropy of the controller's classifier.
        point: number of the point that is fine-tuned.
        reward: mean reward of drawn decisions.
        advantage: mean of that reward minus the reward of greedy decisions.
        entropy: mean entropy term of an image's decisions, in nats.
        on: share of modules that are on in greedy decisions on the hold-out.
        drawn_ms: mean latency of the modules of drawn paths.
        band_ms: ends of the band of latencies.
        accuracy: on the hold-out (part of it), as all that follows; of a fine-tuning, in its last epoch.
        latency_ms: mean latency on the hold-out.
        shuffled_accuracy: see ``Evaluation``.
        paths: number of different paths on the hold-out.
    """

    phase: str
    epoch: int
    seconds: float
    loss: float
    controller_loss: float | None = None
    point: int | None = None
    reward: float | None = None
    advantage: float | None = None
    entropy: float | None = None
    on: float | None = None
    drawn_ms: float | None = None
    band_ms: tuple[float, float] | None = None
    accuracy: float | None = None
    latency_ms: float | None = None
    shuffled_accuracy: float | None = None
    paths: int | None = None


@dataclass(frozen=True)
class Point:
    """A checkpoint of the search, fine-tuned.

    Attributes:
        epoch: of the search.
        file: where its graph and controller stand, beside the search's file.
        accuracy: on the whole hold-out.
        latency_ms: mean latency on it, that of the controller included.
        shuffled_accuracy: see ``Evaluation``.
        paths: number of different paths on it.
        on: share of modules that are on.
        usual: names of the modules of each cell that most images have on, joined by "+"; "none" where there are none.
    """

    epoch: int
    file: str
    accuracy: float
    latency_ms: float
    shuffled_accuracy: float
    paths: int
    on: float
    usual: list[str]


@dataclass(frozen=True)
class Result:
    """What a search found.

    Attributes:
        points: the points, from fast to slow.
        seconds: time of the search.
    """

    points: list[Point]
    seconds: float


def kept(found: list[dict[str, Any]], points: int) -> list[dict[str, Any]]:
    """The checkpoints on the front; of more than ``points``, those that the hypervolume would miss most.

    Args:
        found: checkpoints, each with "accuracy" and "latency_ms".
        points: how many stay at most.
    """
    values = np.array([[each["accuracy"], each["latency_ms"]] for each in found])
    front = [each for each, stays in zip(found, pareto_mask(values, DIRECTIONS), strict=True) if stays]
    while len(front) > points:
        values = np.array([[each["accuracy"], each["latency_ms"]] for each in front])
        reference = reference_point(values, DIRECTIONS)
        without = [hypervolume(np.delete(values, i, axis=0), reference, DIRECTIONS) for i in range(len(front))]
        del front[int(np.argmax(without))]
    return front
