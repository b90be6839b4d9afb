"""The trainings of one trial: several at a time in threads, their progress told, and none lost.

Small networks leave a core to themselves (torch frees the interpreter's lock while it computes), so that two trainings
in two threads take the time of one. A training saves now and then what it needs to go on, and its result is stored
with the trial as soon as the ones beside it have ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.objectives.training.settings import FOLDED_IMAGES, TrainingProgress
from mnas_moo.running.trials import PROGRESS, TRAININGS, Observer

if TYPE_CHECKING:
    import optuna

    from mnas_moo.objectives.training.accuracy import Accuracy
    from mnas_moo.objectives.training.train import Step
    from mnas_moo.spaces.spec import NetworkSpec

LOOK_SECONDS = 1.0
"""The progress of trainings is told so often."""
MOST_WORKERS = 8
"""Most networks that are trained at the same time without being asked for: each takes the memory of a process."""
STORE_SECONDS = 10.0
"""The progress of trainings is stored with the trial so often, for those who look from elsewhere."""


class _StoppedError(Exception):
    """A training was told to stop, and has saved what it needs to go on."""


class Trainings:
    """Trains one network of one trial.

    Args:
        accuracy: the objective.
        trial: the trial; trainings that an earlier try of it has stored are taken.
        network: the network in block-string notation.
        spec: the network.
        seed: seed of its first training.
        folder: where trainings save what they need to go on.
        observer: is told of the progress.

    Attributes:
        done: the trainings that ended, by number, as they are stored.
    """

    def __init__(
        self,
        accuracy: Accuracy,
        trial: optuna.Trial,
        network: str,
        spec: NetworkSpec,
        seed: int,
        folder: Path,
        observer: Observer,
    ) -> None:
        self.accuracy = accuracy
        self.trial = trial
        self._network = network
        self.spec = spec
        self.seed = seed
        self.observer = observer
        digest = hashlib.blake2b(f"{trial.study.study_name}\n{network}".encode(), digest_size=8).hexdigest()
        self._saved = folder / digest
        stored = trial.user_attrs.get(TRAININGS, {})
        fits = isinstance(stored, dict) and stored.get("network") == network
        self.done: list[dict[str, Any]] = list(stored["trainings"]) if fits else []
        self._steps: dict[int, Step] = {}
        self._stopped = threading.Event()
        self._stored = time.monotonic()

    def submit(self, pool: ThreadPoolExecutor, wanted: int) -> list[Future[dict[str, Any]]]:
        """Starts the trainings that are missing to ``wanted``."""
        self._steps = {}
        return [pool.submit(self._one, number) for number in range(len(self.done), wanted)]

    def wait(self, trainings: Sequence[Future[dict[str, Any]]], others: Sequence[Future[Any]] = ()) -> None:
        """Waits for trainings and what else is measured meanwhile, telling of the progress; stores the trainings.

        Raises:
            ValueError: a training failed.
        """
        futures = [*trainings, *others]
        while wait(futures, timeout=LOOK_SECONDS).not_done:
            if trainings:
                self._tell(len(self.done) + len(trainings))
        if not trainings:
            return
        self.done += [future.result() for future in trainings]
        self.trial.set_user_attr(TRAININGS, {"network": self._network, "trainings": self.done})
        self._forget()

    def stop(self) -> None:
        """Ends the trainings under way; each saves what it needs to go on."""
        self._stopped.set()

    def _one(self, number: int) -> dict[str, Any]:
        def listen(step: Step) -> None:
            self._steps[number] = step
            if self._stopped.is_set():
                raise _StoppedError

        return dict(self.accuracy.train(self.spec, self.seed, number, listener=listen, saved=self._file(number)))

    def _file(self, number: int) -> Path:
        """Where a training saves what it needs to go on."""
        return self._saved.with_name(f"{self._saved.name}-{number}.pt")

    def _tell(self, wanted: int) -> None:
        under_way = list(self._steps.items())
        if not under_way:
            return
        number, last = min(under_way, key=lambda item: item[1].step)
        left = (last.steps - last.step) / max(last.step, 1) * last.seconds
        accuracies = [each["accuracy"] for each in self.done]
        progress = TrainingProgress(
            training=number + 1,
            trainings=wanted,
            step=last.step,
            steps=last.steps,
            images_per_second=sum(step.images_per_second for _, step in under_way),
            loss=last.loss,
            accuracy=sum(accuracies) / len(accuracies) if accuracies else None,
            seconds_left=left,
        )
        self.observer.training(self.trial.number, progress)
        if time.monotonic() - self._stored > STORE_SECONDS:
            self._stored = time.monotonic()
            self.trial.set_user_attr(PROGRESS, dataclasses.asdict(progress))

    def _forget(self) -> None:
        """Removes what trainings have saved whose results are stored."""
        for number in range(len(self.done)):
            with contextlib.suppress(OSError):
                self._file(number).unlink()


def at_a_time(threads: int, device: str) -> int:
    """Trainings that this machine runs at the same time: as many as there are cores for, one on a GPU.

    Args:
        threads: CPU threads of one training.
        device: where they run, as a torch device.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads) if device == "cpu" else 1


def first_trainings(accuracy: Accuracy, confirm: float) -> int:
    """Trainings that every network gets, at the same time.

    Two where a few images are held out, which judge a network poorly, and where there are cores for them; else one,
    and other networks are trained meanwhile (``workers_of``).

    Args:
        accuracy: the objective.
        confirm: share of all trainings that is for confirmation.
    """
    few = len(accuracy.data.holdout) < FOLDED_IMAGES and confirm > 0
    return min(2, at_a_time(accuracy.settings.threads, accuracy.device)) if few else 1


def workers_of(accuracy: Accuracy, first: int) -> int:
    """Networks that this machine trains at the same time.

    Args:
        accuracy: the objective.
        first: trainings of each network at the same time.
    """
    return min(MOST_WORKERS, at_a_time(accuracy.settings.threads, accuracy.device) // first)
