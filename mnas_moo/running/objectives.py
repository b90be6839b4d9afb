"""What a study of networks measures: its images, space and objectives, made as its file says."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from mnas_moo.objectives.objective import is_latency, is_memory, latency_beside, memory_beside
from mnas_moo.objectives.predictor.latency import PredictedLatency
from mnas_moo.objectives.runtime_memory import RuntimeMemory
from mnas_moo.running import latency_sources
from mnas_moo.running.predictions import measured_pairs
from mnas_moo.running.shared_weights import shared_accuracy
from mnas_moo.running.storage import find_study
from mnas_moo.running.trials import Observer
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.measuring import Model
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.space_choice import preset_of

if TYPE_CHECKING:
    from mnas_moo.objectives.objective import Latency, Objective
    from mnas_moo.objectives.training.data import DataInfo, ImageData
    from mnas_moo.spaces.space import Space
    from mnas_moo.spaces.spec import NetworkSpec


def is_timed_here(study_file: NetworkStudy, name: str = "latency_ms") -> bool:
    """Whether a latency or memory is measured on the cores, or the GPU, that the trainings use."""
    return study_file.latency_of(name).chosen[0] not in ("adb", "model")


def ladder_of(study_file: NetworkStudy, data: DataInfo) -> dict[str, Any]:
    """Preset and resolution where the data chose them from the ladder; studies stored before it have none here."""
    chosen = preset_of(study_file.space, data)
    return {} if chosen.get("preset") == "digits" else chosen


def describe(study_file: NetworkStudy) -> DataInfo:
    """Classes, channels and resolution of the study's images.

    Raises:
        StudyError: the data cannot be found or read.
    """
    from mnas_moo.objectives.training.data import describe

    try:
        return describe(study_file.data.source)
    except (ValueError, OSError) as error:
        raise _data_error(study_file, error) from error


def _data_error(study_file: NetworkStudy, error: Exception) -> StudyError:
    elsewhere = "" if study_file.data.source == "digits" else "; --data PATH reads images from elsewhere"
    return study_file.error(("data",), f": {str(error).removeprefix('data: ')}{elsewhere}")


def space_of(study_file: NetworkStudy, data: DataInfo) -> Space:
    """The space for the data's images and classes."""
    space = study_file.make_space(data)
    spec = space.random(np.random.default_rng(0))
    for key, ours, theirs in (
        ("classes", spec.classes, len(data.classes)),
        ("channels", spec.input_shape[0], data.channels),
    ):
        if ours != theirs:
            where = ("space", study_file.space.name, key)
            raise study_file.error(where, f"is {ours}, but the data has {theirs}; leave it out to take the data's")
    return space


def objectives_of(study_file: NetworkStudy, space: Space, stack: ExitStack, observer: Observer) -> dict[str, Objective]:
    """The objectives and constrained numbers of a study by name; leaving the stack closes them."""
    objectives: dict[str, Objective] = {}
    # Memory comes with the latency of its device, which is made first, and also where the study does not ask for it.
    names = sorted(study_file.measured_names, key=is_memory)
    for name in names:
        try:
            if is_memory(name) and (latency := objectives.get(latency_beside(name))):
                objectives[name] = RuntimeMemory(latency)  # type: ignore[arg-type]  # all of these names are latencies
                continue
            objective = make_objective(study_file, name, space, observer)
        except (ValueError, OSError) as error:
            if isinstance(error, StudyError):
                raise
            section = "objectives" if name in study_file.objective_names else "constraints"
            raise study_file.error((section, name), f": {str(error).removeprefix(f'{name}: ')}") from error
        stack.callback(objective.close)
        objectives[name] = objective
    return {name: objectives[name] for name in study_file.measured_names}


def images_of(study_file: NetworkStudy, space: Space, observer: Observer) -> ImageData:
    """The study's images, at the space's resolution.

    Raises:
        StudyError: they cannot be read.
    """
    resolution = space.random(np.random.default_rng(0)).input_shape[1]
    return images_at(study_file, resolution, observer, holdout=study_file.training["holdout"])


def images_at(study_file: NetworkStudy, resolution: int, observer: Observer, *, holdout: float) -> ImageData:
    """The study's images at a resolution in pixels, with this share held out.

    Raises:
        StudyError: they cannot be read.
    """
    from mnas_moo.objectives.training.data import load_data

    observer.preparing(f"reading the images of {study_file.data.chosen[1]}")
    try:
        images = load_data(
            study_file.data.source,
            resolution,
            holdout=holdout,
            cache=study_file.files,
            skip_broken=study_file.skips_broken,
        )
    except (ValueError, OSError) as error:
        raise _data_error(study_file, error) from error
    for line in (images.words, images.skipped_words):
        if line:
            observer.preparing(line)
    return images


def training_settings(study_file: NetworkStudy) -> dict[str, Any]:
    """How a network is trained alone, as ``Accuracy`` takes it."""
    return {name: value for name, value in study_file.training.items() if name not in ("holdout", "confirm")}


def make_objective(study_file: NetworkStudy, name: str, space: Space, observer: Observer) -> Objective:
    """One objective, or constrained number, of a study.

    Raises:
        StudyError, ValueError, OSError: the settings, data or files of the objective cannot be used.
    """
    if name == "accuracy":
        from mnas_moo.objectives.training.accuracy import Accuracy

        images = images_of(study_file, space, observer)
        if study_file.shares_weights:
            return shared_accuracy(study_file, space, images, observer)
        return Accuracy(images, **training_settings(study_file))
    if is_latency(name):
        return _latency(study_file, name, space, observer)
    if is_memory(name):
        return RuntimeMemory(_latency(study_file, latency_beside(name), space, observer))
    from mnas_moo.objectives.counts import Count

    return Count(name)


def _latency(study_file: NetworkStudy, name: str, space: Space, observer: Observer) -> Latency:
    settings = study_file.latency_of(name)
    if name == "latency_ms" and study_file.latency.model is not None:
        return _predicted(study_file, study_file.latency.model, observer)
    memory = memory_beside(name) in study_file.measured_names
    latency = latency_sources.make(settings, observer.waiting, memory=memory)
    if settings.lut is not None:
        latency.covers(space)  # type: ignore[attr-defined]  # a table's
    return latency


def _predicted(study_file: NetworkStudy, settings: Model, observer: Observer) -> PredictedLatency:
    """A predictor fitted to what other studies, and earlier runs of this one, have measured on the same device."""
    from mnas_moo.objectives.predictor.predictor import LatencyPredictor

    where = ("objectives", "latency_ms", "model")
    files = [load_study_file(name, reading=True) for name in settings.source]
    specs: list[NetworkSpec] = []
    measured: list[float] = []
    devices: dict[str, str] = {}
    for name, file in zip([*settings.source, study_file.name], [*files, study_file], strict=True):
        if not isinstance(file, NetworkStudy):
            raise study_file.error((*where, "source"), f": {name} is a study of a table; one of networks is needed")
        theirs = file.latency.device.identity
        if theirs != settings.measure.identity:
            problem = f": {name} has latencies of {theirs}, and measure is {settings.measure.identity}; they must agree"
            raise study_file.error((*where, "source"), problem)
        study = find_study(file)
        if study is not None:
            found, latencies_ms, models = measured_pairs(study)
            specs += found
            measured += latencies_ms
            devices.update(dict.fromkeys(models, name))
    try:
        predictor = LatencyPredictor.fit(specs, measured)
    except ValueError as error:
        raise study_file.error((*where, "source"), f": {error}") from error
    observer.preparing(f"latency is predicted from {len(specs)} measured networks; {predictor.quality}")
    latency = latency_sources.make(settings.measure, observer.waiting)
    for model, name in devices.items():
        if model != latency.device["model"]:
            latency.close()
            problem = f": {name} was measured on {model!r}, and the device here is {latency.device['model']!r}"
            raise study_file.error((*where, "source"), problem)
    return PredictedLatency(predictor, latency)
