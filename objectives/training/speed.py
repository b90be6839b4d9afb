"""How fast a network trains here: a few steps of it, as many trainings at a time as a search runs.

What is measured in seconds says what a search of minutes or days will take; counts of multiply-adds do not, since small
networks wait for memory and not for arithmetic. Learned group convolutions are timed as they are trained: dense.
"""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mnas_moo.objectives.threads import cpu_threads
from mnas_moo.objectives.training.batches import Batches, Randomness
from mnas_moo.objectives.training.condensing import Condensing, dense, learns
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.train import (
    Step,
    TrainSettings,
    evaluate,
    find_device,
    fit,
    fit_condensing,
    untrained,
)
from mnas_moo.spaces.spec import NetworkSpec

WARM_UP_STEPS = 3
LEAST_STEPS = 4
TIMED_SECONDS = 2.0
EVALUATED_IMAGES = 512


@dataclass(frozen=True)
class Speed:
    """How fast a network trains.

    Attributes:
        images_per_second: training images a second of each of the trainings at a time.
        evaluation_seconds: time to judge the network on the hold-out.
    """

    images_per_second: float
    evaluation_seconds: float


def speed_of(
    spec: NetworkSpec, data: ImageData, settings: TrainSettings, at_a_time: int, *, fresh: bool = True
) -> Speed:
    """Times some steps of a training, and the evaluation of a part of the hold-out.

    Args:
        spec: the network.
        data: images and their split.
        settings: how the network is trained; no more steps are timed than such a training has.
        at_a_time: trainings that run at the same time.
        fresh: whether the training begins without weights, and so condenses learned group convolutions.

    Raises:
        ValueError: the loss stopped being a number.
    """
    with ThreadPoolExecutor(at_a_time) as pool:
        speeds = list(pool.map(lambda _: _speed(spec, data, settings, fresh), range(at_a_time)))
    return Speed(*(sum(each) / at_a_time for each in zip(*map(dataclasses.astuple, speeds), strict=True)))


def _speed(spec: NetworkSpec, data: ImageData, settings: TrainSettings, fresh: bool) -> Speed:
    device = find_device(settings.device)
    held = data.holdout[:: max(1, len(data.holdout) // EVALUATED_IMAGES)]
    some = dataclasses.replace(data, holdouts=(held,))
    random = Randomness.of(0, device)
    with cpu_threads(settings.threads):
        condensed = fresh and learns(spec)
        model = untrained(dense(spec) if condensed else spec, random, device)
        batches = Batches(some, device, settings.augmenting(some))

        def some_steps(steps: int) -> Step:
            short = dataclasses.replace(settings, epochs=None, steps=steps)
            if condensed:
                return fit_condensing(Condensing(spec, model), batches, short, random)
            return fit(model, batches, short, random)

        some_steps(WARM_UP_STEPS)
        timed = some_steps(LEAST_STEPS)
        more = min(int(TIMED_SECONDS / timed.seconds * timed.steps), settings.length(len(data.train)))
        if more > 2 * LEAST_STEPS:
            timed = some_steps(more)
        evaluate(model, batches)  # the first one chooses the code of its convolutions
        began = time.perf_counter()
        evaluate(model, batches)
        evaluation = (time.perf_counter() - began) * len(data.holdout) / len(held)
    return Speed(timed.images_per_second, evaluation)
