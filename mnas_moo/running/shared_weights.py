"""The weights that a study's networks share: trained before its first trial, and the best networks alone at its end.

The file of the weights stands with the study's other files. One process trains it while others wait, and a run that
was stopped meanwhile goes on with it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.front import hypervolume, is_feasible, pareto_mask, reference_point
from mnas_moo.running.reservations import alone, locked
from mnas_moo.running.trials import JUDGED, SAME_AS, Observer, completed_trials, network_of
from mnas_moo.study_file.folder_name import folder_name
from mnas_moo.study_file.measuring import Shared
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.supernet.settings import SharedTraining

if TYPE_CHECKING:
    from mnas_moo.objectives.training.data import ImageData
    from mnas_moo.objectives.training.train import Step
    from mnas_moo.spaces.space import Space
    from mnas_moo.supernet.accuracy import SharedAccuracy
    from mnas_moo.supernet.training import CurvePoint

ALONE = "alone"
FINE_TUNED = "fine-tuned"
STAGE = "stage"
"""Trial attribute: number of trials at whose end this one trains a network alone."""
MOST_BYTES = 2**26
"""Notes beside weights that are larger are not read."""


def weights_file(study_file: NetworkStudy) -> Path:
    """Where the shared weights of a study are."""
    accuracy = study_file.objectives.accuracy
    if accuracy is not None and accuracy.supernet is not None:
        return Path(accuracy.supernet.file).expanduser()
    return study_file.files / f"supernet-{folder_name(study_file.name)}.pt"


def beside(file: Path) -> dict[str, Any]:
    """What stands in JSON beside the weights of a search (``.json``); empty where that is nothing of ours."""
    notes = file.with_suffix(".json")
    try:
        if notes.stat().st_size > MOST_BYTES:
            return {}
        held = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def training_of(study_file: NetworkStudy) -> SharedTraining:
    """How the shared weights of a study are trained; with default settings where its file does not say."""
    accuracy = study_file.objectives.accuracy
    settings = accuracy.shared if accuracy is not None and accuracy.shared is not None else Shared()
    return SharedTraining(**{field.name: getattr(settings, field.name) for field in fields(SharedTraining)})


def shared_accuracy(study_file: NetworkStudy, space: Space, data: ImageData, observer: Observer) -> SharedAccuracy:
    """The objective that judges networks by shared weights, which are trained first where the file says so.

    Raises:
        ValueError, OSError: the weights cannot be trained, or belong to something else.
    """
    from mnas_moo.supernet.accuracy import SharedAccuracy

    file = weights_file(study_file)
    if study_file.objectives.accuracy is not None and study_file.objectives.accuracy.shared is not None:
        with one_at_a_time(file):
            if not file.exists():
                train_weights(study_file, space, data, training_of(study_file), file, observer)
    train = study_file.training
    return SharedAccuracy(
        file, space, data, balanced=train["balanced"], device=train["device"], threads=train["threads"]
    )


def train_weights(
    study_file: NetworkStudy,
    space: Space,
    data: ImageData,
    settings: SharedTraining,
    file: Path,
    observer: Observer,
) -> list[CurvePoint]:
    """Trains shared weights, or goes on with it, and tells the observer of each point of the curve.

    Raises:
        ValueError, OSError: they cannot be trained.
    """
    from mnas_moo.supernet.training import train_supernet

    told = 0

    def tell(step: Step, curve: Sequence[CurvePoint]) -> None:
        nonlocal told
        if len(curve) > told:
            told = len(curve)
            observer.preparing(curve_line(step.steps, curve[-1]))

    observer.preparing("training the weights that all networks share")
    return train_supernet(space, data, settings, file, study_file.sampler.chosen[1].seed or 0, tell)


def curve_line(steps: int, point: CurvePoint) -> str:
    """A point of the curve in words."""
    return (
        f"shared weights: step {point.step:,} of {steps:,} after {point.seconds:.0f} s, loss {point.loss:.3f}; "
        f"largest network {point.largest:.1%} right, a random one {point.random:.1%}, the smallest {point.smallest:.1%}"
    )


@contextlib.contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """A block that only one process is in at a time for a file, which it makes; the system frees it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with locked(str(file.with_suffix(".lock")), os.O_RDWR | os.O_CREAT):
        yield


def stage(study: optuna.Study, wanted: int, last: int, judged: str) -> int:
    """How many trials are wanted now; puts the last ones, which train the best networks alone, into the study in time.

    A study that is to have more trials than before ends with such trials again, of other networks.

    Args:
        study: the study.
        wanted: number of completed trials wanted in the study.
        last: how many of them train a network alone.
        judged: what is said of those trials: ``ALONE`` or ``FINE_TUNED``.
    """
    first = wanted - last
    if last < 1 or _has_stage(study.get_trials(deepcopy=False), wanted):
        return wanted
    if len(completed_trials(study)) < first:
        return first
    with alone(study) as check:
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if not _has_stage(trials, wanted):
            completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
            check()
            for params in best(completed, study.directions, last):
                study.enqueue_trial(params, user_attrs={JUDGED: judged, STAGE: wanted})
    return wanted


def _has_stage(trials: Sequence[FrozenTrial], wanted: int) -> bool:
    return any(trial.user_attrs.get(STAGE) == wanted for trial in trials)


def best(completed: Sequence[FrozenTrial], directions: Sequence[Any], n: int) -> list[dict[str, Any]]:
    """The parameters of the n networks that, together, have the largest hypervolume; feasible ones come first.

    Those that were trained alone already are left out.
    """
    done = {network_of(trial) for trial in completed if JUDGED in trial.user_attrs} - {""}
    left = [trial for trial in completed if not {SAME_AS, JUDGED} & set(trial.user_attrs)]
    left = [trial for trial in left if network_of(trial) not in done]
    left = [trial for trial in left if is_feasible(trial)] or left
    return [trial.params for trial in together(left, directions, n)]


def together(left: Sequence[FrozenTrial], directions: Sequence[Any], n: int) -> list[FrozenTrial]:
    """The n trials that, together, have the largest hypervolume.

    They are chosen one after the other, from the front first; where it has fewer, from the front of the others.
    """
    left, chosen = list(left), list[FrozenTrial]()
    while left and len(chosen) < n:
        values = np.array([trial.values for trial in left])
        front = [trial for trial, on in zip(left, pareto_mask(values, directions), strict=True) if on]
        left = [trial for trial in left if trial not in front]
        reference = reference_point(values, directions)
        while front and len(chosen) < n:

            def gain(trial: FrozenTrial) -> float:
                return hypervolume([each.values for each in [*chosen, trial]], reference, directions)  # noqa: B023

            most = max(front, key=gain)
            front.remove(most)
            chosen.append(most)
    return chosen
