"""What a study with a budget of time searches: chosen before the first trial, and stored with the study.

One network of each size, from the smallest on, is timed on the images and the machine that are there: a few steps of
its training, as many trainings at a time as later, and its latency. Chosen is the largest size whose networks can still
be trained, in as many trials as a search needs, on a good part (``ENOUGH``) of the images that such a training makes
use of (``worth_seeing``). Larger networks learn more from each image: on CIFAR-10, after 32,000 images (repetitions
counted) one of 5 M multiply-adds was right in 54 % and one of 2 M in 51 %, which after 92,000 was 52 %. On little time
trainings are shortened, down to what takes a network clearly beyond chance, and then trials are dropped; time beyond
that makes more trials, which the sampler's model chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mnas_moo.study_file.duration import in_words

if TYPE_CHECKING:
    import optuna

PLAN = "mnas_moo:plan"
"""System attribute of a study: what was chosen for its budget."""
_FORMAT = 1

GOOD_TRIALS = 22
"""Trials that a search should have: 20 are spread over the space before the sampler's model decides."""
LEAST_TRIALS = 6
AGAIN = 1.6
"""Rounds of trainings that a trial takes on average, since some networks are trained again (measured: 1.4 to 1.8)."""
LEAST_IMAGES = 6_400
"""Images, repetitions counted, that a small network must see to be clearly beyond chance."""
SMALL_DATA = 2_000
"""Of fewer images than this, batches are half as large, so that there are steps enough."""
ENOUGH = 0.4
"""Share of the images that a training makes use of with which a larger network is still the better choice."""
LIMIT = 10**9
"""No number of a stored plan is as large."""
SLACK = 0.92
"""Share of a budget that is planned for; the rest is for preparing, and for what a trial costs besides."""


@dataclass(frozen=True)
class Timing:
    """What one network of a size takes here.

    Attributes:
        size: preset of the size.
        resolution: height and width of the images, in pixels.
        multiply_adds_m: of the network, in millions.
        images_per_second: training images a second of each of the trainings that run at a time.
        evaluation_seconds: time to judge it on the hold-out.
        latency_seconds: time to measure its latency where that is not done while it trains, else 0.
        workers: networks that are measured at the same time; of their latencies, one is.
    """

    size: str
    resolution: int
    multiply_adds_m: float
    images_per_second: float
    evaluation_seconds: float
    latency_seconds: float
    workers: int = 1

    def trial_seconds(self, images: float, again: float = AGAIN) -> float:
        """Mean time of a trial whose trainings see so many images."""
        trained = again * (images / self.images_per_second + self.evaluation_seconds)
        return trained + self.workers * self.latency_seconds


@dataclass(frozen=True)
class Plan:
    """What was chosen.

    Attributes:
        size: preset of the space; "" where the study file says what is searched.
        resolution: height and width of the images, in pixels.
        steps: steps of a training.
        batch_size: images a step.
        trials: number of trials that are expected.
        trial_seconds: expected mean time of a trial.
        words: what was chosen and why, for a reader, a line each.
    """

    size: str
    resolution: int
    steps: int
    batch_size: int
    trials: int
    trial_seconds: float
    words: tuple[str, ...]


class NoTimeError(ValueError):
    """A budget is too small for one child; the message says how much is needed."""


def worth_seeing(images: int) -> int:
    """Images, repetitions counted, that a short training of a small network makes good use of.

    >>> worth_seeing(240), worth_seeing(8_000), worth_seeing(1_000_000)
    (12800, 32000, 100000)

    Args:
        images: number of images to train on.
    """
    return min(max(2 * LEAST_IMAGES, 4 * images), 100_000)


def choose(
    budget: float,
    images: int,
    time: Callable[[str], Timing | None],
    sizes: Sequence[str],
    *,
    steps: int | None = None,
    batch_size: int | None = None,
    trials: int | None = None,
    again: float = AGAIN,
) -> tuple[Timing, Plan]:
    """Chooses a size, the steps of a training and the number of trials.

    Args:
        budget: seconds that all trials may take.
        images: number of images to train on.
        time: times a network of a size; None where the images are too small for it.
        sizes: sizes to choose from, from the smallest on.
        steps: steps of a training, where the study file has them.
        batch_size: images a step, where the study file has them.
        trials: number of trials, where the study file has it.
        again: rounds of trainings that a trial takes on average.

    Returns:
        What the chosen size takes, and the plan, without words.

    Raises:
        NoTimeError: not even ``LEAST_TRIALS`` of the smallest networks can be trained.
    """
    batch = batch_size or (32 if images < SMALL_DATA else 64)
    wish = steps * batch if steps else worth_seeing(images)
    wanted = trials or GOOD_TRIALS
    enough = wish if steps else max(LEAST_IMAGES, ENOUGH * wish)
    chosen: Timing | None = None
    for size in sizes:
        timing = time(size)
        if timing is None:
            break
        seconds = SLACK * budget * timing.workers
        if chosen is not None and wanted * timing.trial_seconds(enough, again) > seconds:
            break
        chosen = timing
    assert chosen is not None
    fixed = chosen.trial_seconds(0, again)
    affordable = (SLACK * budget * chosen.workers / wanted - fixed) / again * chosen.images_per_second
    seen = wish if steps else min(max(affordable, LEAST_IMAGES), wish)
    one = chosen.trial_seconds(seen, again)
    count = trials or int(budget * chosen.workers / one)
    if count < LEAST_TRIALS and trials is None:
        need = in_words(math.ceil(LEAST_TRIALS * one / chosen.workers / 10) * 10)
        raise NoTimeError(
            f"is {in_words(budget)}, and a trial of the smallest networks takes {in_words(one)} here; at least {need} "
            f"are needed, for {LEAST_TRIALS} trials"
        )
    plan = Plan(chosen.size, chosen.resolution, max(1, round(seen / batch)), batch, count, one, ())
    return chosen, plan


def stored_plan(study: optuna.Study) -> Plan | None:
    """The plan that a study holds; None where it holds none that can be used."""
    held = study._storage.get_study_system_attrs(study._study_id).get(PLAN)
    if not isinstance(held, Mapping) or held.get("format") != _FORMAT:
        return None
    fields: dict[str, Any] = {key: value for key, value in held.items() if key != "format"}
    kinds = {"size": str, "resolution": int, "steps": int, "batch_size": int, "trials": int, "trial_seconds": float}
    if set(fields) != {*kinds, "words"} or not all(isinstance(fields[key], kind) for key, kind in kinds.items()):
        return None
    if not (0 < fields["steps"] < LIMIT and 4 <= fields["batch_size"] < LIMIT and 0 < fields["trials"] < LIMIT):
        return None
    words = tuple(str(line) for line in fields.pop("words"))
    return Plan(**fields, words=words)


def store_plan(study: optuna.Study, plan: Plan) -> None:
    """Keeps a plan with its study."""
    study._storage.set_study_system_attr(study._study_id, PLAN, {"format": _FORMAT, **asdict(plan)})
