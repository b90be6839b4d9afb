"""The time of one child, before the first trial: budgets are planned by it, and every run promises by it."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from mnas_moo.objectives.objective import one_a_device
from mnas_moo.running import plan
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.objectives import describe, is_timed_here, make_objective, space_of
from mnas_moo.running.plan import AGAIN, NoTimeError, Plan, Timing, choose
from mnas_moo.running.trainings import first_trainings, workers_of
from mnas_moo.running.trials import Observer
from mnas_moo.spaces.skeleton_settings import SIZES, suitable_resolution
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.duration import in_words
from mnas_moo.study_file.network_study import NetworkStudy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import optuna

    from mnas_moo.objectives.objective import Objective
    from mnas_moo.objectives.training.accuracy import Accuracy
    from mnas_moo.objectives.training.data import DataInfo
    from mnas_moo.spaces.space import Space
    from mnas_moo.spaces.spec import NetworkSpec

LARGEST_PIXELS = {"2m": 64, "5m": 64, "10m": 96, "50m": 160, "300m": 224}
"""Largest resolution at which networks of a size are searched."""
CANDIDATES = 9


def needs_plan(study_file: NetworkStudy, trials: int | None) -> bool:
    """Whether a budget decides something: the number of trials, the length of a training or the sizes of networks.

    Args:
        study_file: the study.
        trials: number of trials that is asked for besides the file; None: the file's.
    """
    if study_file.budget is None:
        return False
    open_trials = trials is None and study_file.trials is None
    return open_trials or study_file.leaves_length_open or study_file.leaves_size_open(describe(study_file))


def plan_of(study_file: NetworkStudy, observer: Observer, workers: int | None = 1) -> Plan:
    """Chooses what a study file with a budget leaves open; see ``plan.choose``.

    Args:
        study_file: the study.
        observer: is told of what is timed.
        workers: networks that will be measured at the same time; None: as many as there are cores for.

    Raises:
        StudyError: the budget is too small for one child, or the data or a setting cannot be used.
    """
    assert study_file.budget is not None
    data = describe(study_file)
    observer.preparing("timing networks of several sizes, to choose what fits the budget")
    timings: dict[str, Timing] = {}
    with ExitStack() as stack:

        def time_size(size: str) -> Timing | None:
            sized = study_file
            if size:
                sized = study_file.sized(size, suitable_resolution(data.resolution, LARGEST_PIXELS[size]))
            # What is read for each resolution is said once, when it is read for the trials.
            timings[size] = timing = _time(sized, size, data, stack, workers)
            return timing

        train = study_file.training
        length = train["steps"]
        images = _training_images(data, train["holdout"])
        if train["epochs"]:
            length = train["epochs"] * max(1, round(images / train["batch_size"]))
        try:
            chosen, made = choose(
                study_file.budget,
                images,
                time_size,
                SIZES if study_file.leaves_size_open(data) else ("",),
                steps=length,
                batch_size=train["batch_size"] if study_file.says_batch_size or length else None,
                trials=study_file.trials,
                again=rounds(train["confirm"]),
            )
        except NoTimeError as error:
            raise study_file.error(("budget",), str(error)) from error
        except StudyError:
            raise
        except ValueError as error:
            raise study_file.error(
                ("budget",), f": the child that is timed for it cannot be measured: {error}"
            ) from error
    return dataclasses.replace(made, words=_words(study_file, data, chosen, made, timings))


def rounds(confirm: float) -> float:
    """Rounds of trainings that a trial takes on average, where a share of them may be for confirmation."""
    return 1 + min(AGAIN - 1, confirm / (1 - confirm))


def promise(study: optuna.Study, subject: NetworkTrials) -> tuple[float, tuple[str, ...]]:
    """Expected seconds of a trial of a study that is ready to run, and what is said of a search that comes before it.

    The seconds are 0 where a trial trains nothing, or the child that is timed fails.
    """
    accuracy, study_file = subject.training, subject.study_file
    if study_file.sampler.chosen[0] == "instanas":
        from mnas_moo.running.per_image import promise_of_search

        return 0.0, promise_of_search(study, study_file)
    if accuracy is None:
        return 0.0, ()
    latencies = [subject.objectives[name] for name in _timed_here(study_file)]
    try:
        timing = _timed("", _typical(subject.space), accuracy, latencies, subject.first_trainings, 1)
    except ValueError:  # what is wrong with this child, its trial will say
        return 0.0, ()
    images = accuracy.steps * accuracy.settings.batch_size
    return timing.trial_seconds(images, rounds(study_file.training["confirm"])), ()


def _time(study_file: NetworkStudy, size: str, data: DataInfo, stack: ExitStack, workers: int | None) -> Timing:
    space, silent = space_of(study_file, data), Observer()
    accuracy: Any = make_objective(study_file, "accuracy", space, silent)
    latencies = [make_objective(study_file, name, space, silent) for name in _timed_here(study_file)]
    for latency in latencies:
        stack.callback(latency.close)
    first = first_trainings(accuracy, study_file.training["confirm"])
    return _timed(size, _typical(space), accuracy, latencies, first, workers or workers_of(accuracy, first))


def _timed(
    size: str, spec: NetworkSpec, accuracy: Accuracy, latencies: Sequence[Objective], first: int, workers: int
) -> Timing:
    from mnas_moo.objectives.training.speed import speed_of

    began = time.perf_counter()
    for latency in latencies:
        latency.measure(spec, 0)
    seconds = time.perf_counter() - began
    speed = speed_of(spec, accuracy.data, accuracy.settings, first * workers)
    multiply_adds_m = spec.multiply_adds / 1e6
    return Timing(
        size, spec.input_shape[1], multiply_adds_m, speed.images_per_second, speed.evaluation_seconds, seconds, workers
    )


def _timed_here(study_file: NetworkStudy) -> list[str]:
    """What is measured on what the trainings use, by name; memory comes with the latency of its device."""
    return [name for name in one_a_device(study_file.measured_names) if is_timed_here(study_file, name)]


def _typical(space: Space) -> NetworkSpec:
    """Of some random networks, the one above the middle by multiply-adds: a few large ones take much of the time."""
    rng = np.random.default_rng(0)
    specs = sorted((space.random(rng) for _ in range(CANDIDATES)), key=lambda spec: spec.multiply_adds)
    return specs[CANDIDATES // 2 + 1]


def _training_images(data: DataInfo, holdout: float) -> int:
    return max(1, round(data.images * (1 - holdout)))


def _words(
    study_file: NetworkStudy, data: DataInfo, chosen: Timing, made: Plan, timings: dict[str, Timing]
) -> tuple[str, ...]:
    assert study_file.budget is not None
    seen = made.steps * made.batch_size
    size = f"networks of about {chosen.size[:-1]} million multiply-adds (preset {chosen.size})"
    if not chosen.size:
        size = f"networks of the file's space (a typical one has {chosen.multiply_adds_m:.1f} million multiply-adds)"
    lines = [
        f"chosen for {in_words(study_file.budget)}: {size} at {chosen.resolution} x {chosen.resolution} pixels, "
        f"{made.steps} steps of {made.batch_size} images a training, "
        f"about {made.trials} trials of {in_words(made.trial_seconds)}"
        + (f", {chosen.workers} at a time" if chosen.workers > 1 else ""),
        f"why: they train on {chosen.images_per_second:.0f} images a second here, and on these images a training makes "
        f"good use of {plan.worth_seeing(_training_images(data, study_file.training['holdout'])):,} "
        f"(repetitions counted; here {seen:,})",
    ]
    larger = [timing for size, timing in timings.items() if size and timing.multiply_adds_m > chosen.multiply_adds_m]
    better = []
    if larger:
        better.append(
            f"a GPU or more time, for networks of {larger[0].size[:-1]} million multiply-adds (they train on "
            f"{larger[0].images_per_second:.0f} images a second here)"
        )
    counts = data.images / len(data.classes)
    if counts < 1000:
        better.append(f"more images a class (there are {counts:.0f})")
    if better:
        lines.append("better with: " + "; ".join(better))
    return tuple(lines)
