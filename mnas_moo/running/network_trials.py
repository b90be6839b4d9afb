"""Trials of networks: parameters become a specification, which is trained, timed and counted.

A network that the study has measured already (the paper's controller may propose one again) gets the stored results.
The objectives of a network are measured at the same time (Tan et al. 2019, sec. 3: accuracy from training, latency from
a phone); only what this machine's own cores are timed on comes before the trainings, which use all of them.
"""

from __future__ import annotations

import functools
import time
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from mnas_moo.objectives.memory import THREAD_BYTES, need_room
from mnas_moo.objectives.objective import is_latency
from mnas_moo.objectives.predictor.latency import PredictedLatency
from mnas_moo.running import latency_sources
from mnas_moo.running.bounds import check_bounds
from mnas_moo.running.confirmation import Confirmation, past_trainings
from mnas_moo.running.interrupts import Interrupts
from mnas_moo.running.predictions import measured_pairs, must_be_measured
from mnas_moo.running.results import Results, checked, figures, told_as
from mnas_moo.running.storage import find_study
from mnas_moo.running.trainings import Trainings, first_trainings, workers_of
from mnas_moo.running.trials import (
    MEASUREMENTS,
    NETWORK,
    SAME_AS,
    Observer,
    completed_trials,
    violations,
)
from mnas_moo.running.workers import TRIES
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.measuring import Model
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.space_choice import preset_of

if TYPE_CHECKING:
    import optuna

    from mnas_moo.objectives.objective import Latency, Objective
    from mnas_moo.objectives.training.accuracy import Accuracy
    from mnas_moo.objectives.training.data import DataInfo
    from mnas_moo.spaces.space import Space
    from mnas_moo.spaces.spec import NetworkSpec

STORED_SECONDS = 1.0
"""A measurement that took longer is stored at once, and not only together with those that are still made."""


class NetworkTrials:
    """The subject of a study of networks: every trial builds, trains and times one."""

    def __init__(self, study_file: NetworkStudy) -> None:
        self.study_file = study_file
        data = describe(study_file)
        self.space = space_of(study_file, data)
        check_bounds(study_file, self.space)
        self.distributions = self.space.distributions
        self.canonical = self.space.canonical
        self.features = getattr(self.space, "features", None)  # a plugin's space may have none
        self.identity: dict[str, Any] = {
            "space": {
                "name": study_file.space.name,
                "settings": {**study_file.space.settings, **_ladder(study_file, data)},
            },
            "data": {"kind": study_file.data.chosen[0], "classes": len(data.classes), "channels": data.channels},
            "objectives": {name: study_file.identity_of(name) for name in study_file.objective_names},
        }
        self.objectives: dict[str, Objective] = {}
        self.results = Results()
        self.wanted = 1
        self.first_trainings = 1
        self.workers = 1  # networks that this machine measures at the same time
        self.confirmation: Confirmation | None = None
        self.training: Accuracy | None = None  # the objective that trains networks

    def prepare(self, stack: ExitStack, observer: Observer) -> None:
        """Opens data and devices; from then on ``identity`` has the phone's model and program."""
        self.objectives = _objectives(self.study_file, self.space, stack, observer)
        self.close = stack.close
        if "accuracy" in self.objectives:
            self._prepare_training(self.objectives["accuracy"])
        named = {name: self._device_of(name) for name in self.objectives if is_latency(name) and name != "latency_ms"}
        if named := {name: device for name, device in named.items() if device}:
            self.identity["devices"] = named
        if "latency_ms" in self.objectives and (device := self._device_of("latency_ms")):
            self.identity["device"] = device

    def _device_of(self, name: str) -> dict[str, Any]:
        """What two runs must share of the device of a latency; empty for this machine, whose settings say it all."""
        settings = self.study_file.latency_of(name)
        if settings.chosen[0] not in ("adb", "lut", "model"):
            return {}
        latency: Latency = self.objectives[name]  # type: ignore[assignment]  # all of these names are
        # A table has also the settings of its measurements; those of a phone are in the objective's settings.
        keys = ("model", "measured_by", "threads", "data_type") if settings.lut else ("model",)
        device = {key: latency.device.get(key) for key in keys}
        if settings.lut and "accelerator" in latency.device:
            device["accelerator"] = latency.device["accelerator"]
        if settings.adb:
            device |= {key: latency.device[key] for key in ("runtime", "program", "virtual") if key in latency.device}
        return device

    def _prepare_training(self, objective: Objective) -> None:
        from mnas_moo.objectives.training.accuracy import Accuracy

        if not isinstance(objective, Accuracy):
            return
        self.training = objective
        share = self.study_file.settings_of("accuracy")["confirm"]
        self.first_trainings = first_trainings(objective, share)
        self.workers = workers_of(objective, self.first_trainings)
        names = self.study_file.objective_names
        if "accuracy" in names:
            self.confirmation = Confirmation(share, self.first_trainings, names, self.study_file.directions)

    def measure(
        self, study: optuna.Study, trial: optuna.Trial, observer: Observer, interrupts: Interrupts
    ) -> Mapping[str, Mapping[str, Any]]:
        """Suggests a network and measures it, or takes the results of an earlier trial of the same network.

        Raises:
            DeviceError: no device is left; what was measured until then is stored for the next try of the trial.
            ValueError: an objective could not be measured.
        """
        from mnas_moo.spaces.text import to_text

        params = {name: trial._suggest(name, dist) for name, dist in self.space.distributions.items()}
        spec = self.space.spec(params).canonical()
        network = to_text(spec)
        observer.trial_started(trial.number, network)
        before = trial.user_attrs
        trial.set_user_attr(NETWORK, network)
        earlier = self.results.of(study, network)
        if earlier is not None:
            if earlier.state == TrialState.FAIL:
                raise ValueError(f"the network killed its worker {TRIES} times in trial {earlier.number}")
            trial.set_user_attr(SAME_AS, earlier.number)
            found: Mapping[str, Mapping[str, Any]] = earlier.user_attrs[MEASUREMENTS]
            return found
        # Those of an earlier try of this trial.
        measurements = dict(before.get(MEASUREMENTS, {}) if before.get(NETWORK) == network else {})
        # The seed is a function of the network: another try of a trial, in any process, gives the same result.
        seed = zlib.crc32(network.encode())
        try:
            self._measure(study, trial, _Child(network, spec, seed), observer, interrupts, measurements)
            latency = self.objectives.get("latency_ms")
            if isinstance(latency, PredictedLatency) and must_be_measured(
                study, measurements, self.study_file.objective_names, self.study_file.limits
            ):
                with interrupts.allowed():
                    measurements["latency_ms"] = figures("latency_ms", latency.confirm, spec, seed)
        except BaseException:
            if measurements:
                trial.set_user_attr(MEASUREMENTS, measurements)
            raise
        return measurements

    def _measure(
        self,
        study: optuna.Study,
        trial: optuna.Trial,
        child: _Child,
        observer: Observer,
        interrupts: Interrupts,
        measurements: dict[str, dict[str, Any]],
    ) -> None:
        """Measures what is missing at the same time; latency on the cores that trainings take comes before them."""
        missing = [name for name in self.objectives if name not in measurements]
        if not missing:
            return
        storing = Lock()

        def measure(name: str) -> None:
            began = time.monotonic()
            measurements[name] = figures(name, self.objectives[name].measure, child.spec, child.seed)
            with storing:  # for the next worker, should this one be killed while it measures the others
                if time.monotonic() - began > STORED_SECONDS and len(measurements) < len(self.objectives):
                    trial.set_user_attr(MEASUREMENTS, dict(measurements))

        trained = self.training if "accuracy" in missing else None
        others = [name for name in missing if trained is None or name != "accuracy"]
        here = [name for name in others if trained and is_latency(name) and is_timed_here(self.study_file, name)]
        elsewhere = [name for name in others if name not in here]
        training = None
        if trained is not None:
            training = Trainings(
                trained, trial, child.network, child.spec, child.seed, self.study_file.checkpoints, observer
            )
        threads = max(1, len(elsewhere) + (self.first_trainings if training is not None else 0))
        need_room(THREAD_BYTES * threads)
        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(measure, name) for name in elsewhere]
            try:
                with interrupts.allowed():
                    for name in here:
                        measure(name)
                    if training is not None:
                        self._train(study, pool, training, futures, measurements)
                    wait(futures)  # here, and not where the pool ends: it may take long, and Ctrl-C has to reach it
                    for future in futures:
                        future.result()
            except KeyboardInterrupt:
                if training is not None:
                    training.stop()
                self.close()  # ends what the other threads wait for
                raise

    def _train(
        self,
        study: optuna.Study,
        pool: ThreadPoolExecutor,
        training: Trainings,
        others: Sequence[Future[None]],
        measurements: dict[str, dict[str, Any]],
    ) -> None:
        """Trains a network, and again where that is worth it; ``others`` are measured meanwhile."""
        wanted = self.first_trainings
        while True:
            told_as("accuracy", functools.partial(training.wait, training.submit(pool, wanted), others))
            completed = completed_trials(study)
            judged = training.accuracy.judged(training.done, past_trainings(completed))
            so_far = {**measurements, "accuracy": checked("accuracy", judged)}
            more = 0
            if self.confirmation is not None and not any(future.exception() for future in others):
                kept = max(violations(so_far, self.study_file.limits), default=0) <= 0
                more = self.confirmation.more(so_far, kept, completed, self.wanted)
            if not more:
                measurements["accuracy"] = so_far["accuracy"]
                return
            wanted = len(training.done) + more


@dataclass(frozen=True)
class _Child:
    """A network as text, as a specification, and the seed that follows from it."""

    network: str
    spec: NetworkSpec
    seed: int


def is_timed_here(study_file: NetworkStudy, name: str = "latency_ms") -> bool:
    """Whether a latency is measured on the cores, or the GPU, that the trainings use."""
    return study_file.latency_of(name).chosen[0] not in ("adb", "model")


def _ladder(study_file: NetworkStudy, data: DataInfo) -> dict[str, Any]:
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


def _objectives(study_file: NetworkStudy, space: Space, stack: ExitStack, observer: Observer) -> dict[str, Objective]:
    """The objectives and constrained numbers of a study by name; leaving the stack closes them."""
    objectives: dict[str, Objective] = {}
    for name in study_file.measured_names:
        try:
            objective = make_objective(study_file, name, space, observer)
        except (ValueError, OSError) as error:
            if isinstance(error, StudyError):
                raise
            section = "objectives" if name in study_file.objective_names else "constraints"
            raise study_file.error((section, name), f": {str(error).removeprefix(f'{name}: ')}") from error
        stack.callback(objective.close)
        objectives[name] = objective
    return objectives


def make_objective(study_file: NetworkStudy, name: str, space: Space, observer: Observer) -> Objective:
    """One objective, or constrained number, of a study.

    Raises:
        StudyError, ValueError, OSError: the settings, data or files of the objective cannot be used.
    """
    if name == "accuracy":
        from mnas_moo.objectives.training.data import load_data

        settings = study_file.settings_of(name)
        observer.preparing(f"reading the images of {study_file.data.chosen[1]}")
        resolution = space.random(np.random.default_rng(0)).input_shape[1]
        holdout = settings.pop("holdout")
        del settings["confirm"]
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
        from mnas_moo.objectives.training.accuracy import Accuracy

        for line in (images.words, images.skipped_words):
            if line:
                observer.preparing(line)
        return Accuracy(images, **settings)
    if is_latency(name):
        return _latency(study_file, name, space, observer)
    from mnas_moo.objectives.counts import Count

    return Count(name)


def _latency(study_file: NetworkStudy, name: str, space: Space, observer: Observer) -> Latency:
    settings = study_file.latency_of(name)
    if name == "latency_ms" and study_file.latency.model is not None:
        return _predicted(study_file, study_file.latency.model, observer)
    latency = latency_sources.make(settings, observer.waiting)
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
        theirs = (file.latency.model.measure if file.latency.model else file.latency).identity
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
