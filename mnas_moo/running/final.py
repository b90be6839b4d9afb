"""The final trainings of a study's networks: which ones, several at a time, each kept in a file of its own.

A training that is stopped goes on with the same command; one that is finished is not made again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from mnas_moo.objectives.front import is_feasible
from mnas_moo.running.objectives import describe, images_at
from mnas_moo.running.shared_weights import together
from mnas_moo.running.trained import label_of, trained_file
from mnas_moo.running.trainings import at_a_time
from mnas_moo.running.trials import FAILURE, NETWORK, SAME_AS, Observer, completed_trials, network_of
from mnas_moo.spaces.text import from_text
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.network_study import NetworkStudy

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from mnas_moo.objectives.training.data import ImageData
    from mnas_moo.objectives.training.full import Point, Processes
    from mnas_moo.objectives.training.recipes import Recipe
    from mnas_moo.objectives.training.train import Step
    from mnas_moo.objectives.training.trained import TrainedNetwork
    from mnas_moo.spaces.spec import NetworkSpec

Listener = Callable[[str, "Step", "Sequence[Point]"], None]
"""Is told of a training, by the network's label, about once a second."""


@dataclass(frozen=True)
class Chosen:
    """A network to be trained.

    Attributes:
        label: its name among the study's trained networks.
        spec: the network.
        trial: number of the trial that found it; None: it is a published one.
    """

    label: str
    spec: NetworkSpec
    trial: int | None = None


@dataclass(frozen=True)
class Asked:
    """What is asked of all trainings of a command; the names are those of ``train_fully``."""

    recipe: Recipe
    seed: int | None
    minutes: float | None
    weights: Path | None
    test: Path | None
    device: str
    threads: int


def of_trials(study: optuna.Study, numbers: Sequence[int]) -> list[Chosen]:
    """The networks of trials.

    Raises:
        StudyError: a trial is not there, has failed, or has no network.
    """
    trials = study.get_trials(deepcopy=False)
    chosen = []
    for number in dict.fromkeys(numbers):
        if not 0 <= number < len(trials):
            has = f"trials 0 to {len(trials) - 1}" if trials else "no trials yet"
            raise StudyError(f"{study.study_name} has no trial {number}; it has {has}")
        trial = trials[number]
        if trial.state == TrialState.FAIL:
            reason = trial.user_attrs.get(FAILURE, "no reason is stored")
            raise StudyError(f"trial {number} of {study.study_name} failed ({reason}); `mnas-moo front` lists others")
        if not network_of(trial):
            raise StudyError(f"trial {number} of {study.study_name} has no network ({trial.state.name})")
        chosen.append(Chosen(label_of(number), _read(network_of(trial), number, study.study_name), number))
    return chosen


def of_the_front(study: optuna.Study, n: int) -> list[Chosen]:
    """The n networks of a study that, together, have the largest hypervolume, from the front first.

    Raises:
        StudyError: there are none, or n is below 1.
    """
    if n < 1:
        raise StudyError(f"--top is {n}; it must be at least 1")
    left = [trial for trial in completed_trials(study) if SAME_AS not in trial.user_attrs and _has_ours(trial)]
    left = [trial for trial in left if is_feasible(trial) and all(map(math.isfinite, trial.values))]
    if not left:
        raise StudyError(f"{study.study_name} has no finished trial with a feasible network yet")
    # A network that was judged twice, by shared weights and alone, counts once, by what came last.
    last = {network_of(trial): trial for trial in left}
    best = together(list(last.values()), study.directions, n)
    return of_trials(study, [trial.number for trial in best])


def published(study: optuna.Study | None, study_file: NetworkStudy, name: str, width: float) -> Chosen:
    """A published network for the study's images, at the resolution of its networks.

    Raises:
        ValueError: its name is unknown, or a number is out of range.
    """
    from mnas_moo.spaces import network

    data = describe(study_file)
    trials = [] if study is None else study.get_trials(deepcopy=False)
    texts = [network_of(trial) for trial in trials if NETWORK in trial.user_attrs]
    resolution = from_text(texts[0]).input_shape[1] if texts and texts[0] else data.resolution
    spec = network(name, width=width, resolution=resolution, classes=len(data.classes))
    return Chosen(name.lower() + (f"-x{width:g}" if width != 1 else ""), spec)


def train_networks(
    study_file: NetworkStudy,
    chosen: Sequence[Chosen],
    asked: Asked,
    observer: Observer,
    listener: Listener,
    processes: Processes,
) -> list[TrainedNetwork]:
    """Trains networks and writes each to its file; those that have one are read.

    Raises:
        StudyError: the images, the weights or the test images cannot be used.
        ValueError, OSError: a training could not be made; others that ran are finished, or go on another time.
    """
    from mnas_moo.objectives.training.train import find_device
    from mnas_moo.objectives.training.trained import TrainedNetwork

    missing = [each for each in chosen if not trained_file(study_file, each.label).exists()]
    for each in chosen:
        if each not in missing:
            observer.preparing(
                f"{each.label} is trained already: {trained_file(study_file, each.label)}; remove it to train it anew"
            )
    sides = {each.spec.input_shape[1] for each in missing}
    images = {side: images_at(study_file, side, observer) for side in sorted(sides)}
    device = find_device(asked.device)
    workers = 1 if processes.all > 1 else min(len(missing), at_a_time(asked.threads, device.type))
    stopped = threading.Event()

    def one(each: Chosen) -> None:
        def tell(step: Step, curve: Sequence[Point]) -> None:
            if stopped.is_set():
                raise _StoppedError  # the training has saved what it needs to go on
            listener(each.label, step, curve)

        _train(study_file, each, images[each.spec.input_shape[1]], asked, tell, processes)

    if missing:
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(one, each) for each in missing]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                for future in futures:
                    if future.done():
                        future.result()
            finally:
                stopped.set()
                for future in futures:
                    future.cancel()
    if processes.rank:
        return []  # the first of the processes writes the files
    return [TrainedNetwork.load(trained_file(study_file, each.label)) for each in chosen]


class _StoppedError(Exception):
    """Another training failed, or the user has had enough."""


def _train(
    study_file: NetworkStudy,
    each: Chosen,
    data: ImageData,
    asked: Asked,
    tell: Callable[[Step, Sequence[Point]], None],
    processes: Processes,
) -> None:
    from mnas_moo.objectives.training.full import FRESH, forget, train_fully
    from mnas_moo.objectives.training.initial import begin
    from mnas_moo.objectives.training.unseen import find_test, read_test
    from mnas_moo.spaces.text import to_text

    spec, start = each.spec, FRESH
    text = to_text(spec)
    seed = zlib.crc32(text.encode()) if asked.seed is None else asked.seed
    opened = find_test(study_file.data.source, data, asked.test)
    if asked.weights is not None:
        spec, data, start = begin(spec, data, asked.weights, seed)
    identity = repr((text, asked.recipe, asked.minutes, seed, str(asked.weights)))
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    saved = study_file.checkpoints / f"final-{digest}.pt"
    trained = train_fully(
        spec,
        data,
        asked.recipe,
        seed,
        saved,
        minutes=asked.minutes,
        start=start,
        test=None if opened is None else lambda: read_test(opened, data),
        device=asked.device,
        threads=asked.threads,
        processes=processes,
        listener=tell,
    )
    if processes.rank:
        return
    kind, path = study_file.data.chosen
    figures = {
        "label": each.label,
        "study": study_file.name,
        "trial": each.trial,
        **trained.figures,
        "data": {
            "source": kind if kind == "digits" else f"{kind}: {path}",
            "holdout": study_file.training["holdout"],
            **trained.figures["data"],
        },
    }
    dataclasses.replace(trained, figures=figures).save(trained_file(study_file, each.label))
    forget(saved)


def _has_ours(trial: FrozenTrial) -> bool:
    try:
        from_text(network_of(trial))
    except ValueError:
        return False
    return True


def _read(text: str, number: int, study: str) -> NetworkSpec:
    try:
        return from_text(text)
    except ValueError as error:  # another program may have written there
        raise StudyError(f"trial {number} of {study} holds no network of ours: {error}") from error
