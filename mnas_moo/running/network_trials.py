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

from optuna.trial import TrialState

from mnas_moo.objectives.counts import COUNTS
from mnas_moo.objectives.memory import THREAD_BYTES, need_room
from mnas_moo.objectives.objective import is_latency, on_device
from mnas_moo.objectives.predictor.latency import PredictedLatency
from mnas_moo.running.bounds import check_bounds
from mnas_moo.running.confirmation import Confirmation, past_trainings
from mnas_moo.running.interrupts import Interrupts
from mnas_moo.running.objectives import describe, is_timed_here, ladder_of, objectives_of, space_of, training_settings
from mnas_moo.running.predictions import must_be_measured
from mnas_moo.running.results import Results, checked, figures, told_as
from mnas_moo.running.shared_weights import ALONE, FINE_TUNED, stage
from mnas_moo.running.trainings import Trainings, first_trainings, workers_of
from mnas_moo.running.trials import (
    JUDGED,
    MEASUREMENTS,
    NETWORK,
    SAME_AS,
    Observer,
    completed_trials,
    violations,
)
from mnas_moo.running.workers import TRIES
from mnas_moo.study_file.devices import check_models
from mnas_moo.study_file.network_study import NetworkStudy

if TYPE_CHECKING:
    import optuna

    from mnas_moo.objectives.objective import Latency, Objective
    from mnas_moo.objectives.training.accuracy import Accuracy
    from mnas_moo.spaces.space import Space
    from mnas_moo.spaces.spec import NetworkSpec

STORED_SECONDS = 1.0
"""A measurement that took longer is stored at once, and not only together with those that are still made."""


def _counted(space: Space, counts: Mapping[int, str], params: Mapping[str, Any]) -> dict[int, float]:
    """The objectives of a network that are counts, by their position in the study."""
    spec = space.spec(params)
    return {m: getattr(spec, attribute) / 1e6 for m, attribute in counts.items()}


class NetworkTrials:
    """The subject of a study of networks: every trial builds, trains and times one."""

    def __init__(self, study_file: NetworkStudy) -> None:
        self.study_file = study_file
        data = describe(study_file)
        self.images = data.images
        self.space = space_of(study_file, data)
        check_bounds(study_file, self.space)
        self.distributions = self.space.distributions
        self.canonical = self.space.canonical
        self.features = getattr(self.space, "features", None)  # a plugin's space may have none
        self.growth = getattr(self.space, "growth", None)
        counts = {m: COUNTS[name] for m, name in enumerate(study_file.objective_names) if name in COUNTS}
        self.computed = functools.partial(_counted, self.space, counts) if counts else None
        self.identity: dict[str, Any] = {
            "space": {
                "name": study_file.space.name,
                "settings": {**study_file.space.settings, **ladder_of(study_file, data)},
            },
            "data": {"kind": study_file.data.chosen[0], "classes": len(data.classes), "channels": data.channels},
            "objectives": {name: study_file.identity_of(name) for name in study_file.objective_names},
        }
        self.objectives: dict[str, Objective] = {}
        self.observer = Observer()
        self.results = Results()
        self.wanted = 1
        self.first_trainings = 1
        self.workers = 1  # networks that this machine measures at the same time
        self.confirmation: Confirmation | None = None
        self.training: Accuracy | None = None  # the objective that trains networks, each alone
        self.judged = ""  # how its last trials are judged
        self.last = 0  # trials at the end which do that in a study of shared weights

    def prepare(self, stack: ExitStack, observer: Observer) -> None:
        """Opens data and devices; from then on ``identity`` has the phone's model and program."""
        self.observer = observer
        self.objectives = objectives_of(self.study_file, self.space, stack, observer)
        self.close = stack.close
        if "accuracy" in self.objectives:
            self._prepare_training(self.objectives["accuracy"])
        named = {name: self._device_of(name) for name in self.objectives if is_latency(name) and name != "latency_ms"}
        if named := {name: device for name, device in named.items() if device}:
            self.identity["devices"] = named
        if "latency_ms" in self.objectives and (device := self._device_of("latency_ms")):
            self.identity["device"] = device
        phones = {name: self.objectives[name] for name in self.objectives if self._is_of_phones(name)}
        check_models(self.study_file, {name: str(latency.device["model"]) for name, latency in phones.items()})  # type: ignore[attr-defined]

    def _is_of_phones(self, name: str) -> bool:
        return is_latency(name) and self.study_file.latency_of(name).adb is not None

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
        from mnas_moo.supernet.accuracy import FineTuned, SharedAccuracy

        if isinstance(objective, SharedAccuracy):
            settings = self.study_file.objectives.accuracy.chosen[1]  # type: ignore[union-attr]
            self.last = settings.alone
            self.judged = FINE_TUNED if settings.fine_tune else ALONE
            if self.last:
                train = training_settings(self.study_file)
                tuned = settings.fine_tune
                self.training = FineTuned(objective, **train) if tuned else Accuracy(objective.data, **train)
            return
        if not isinstance(objective, Accuracy):
            return
        self.training = objective
        share = self.study_file.training["confirm"]
        self.first_trainings = first_trainings(objective, share)
        self.workers = workers_of(objective, self.first_trainings)
        names = self.study_file.objective_names
        if "accuracy" in names:
            self.confirmation = Confirmation(share, self.first_trainings, names, self.study_file.directions)

    def stage(self, study: optuna.Study, wanted: int) -> int:
        """With shared weights, the last trials train the best networks alone, once the others are finished."""
        return stage(study, wanted, self.last, self.judged)

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
        judged = before.get(JUDGED, "") if self.last else ""
        if earlier is not None and not judged:
            if earlier.state == TrialState.FAIL:
                raise ValueError(f"the network killed its worker {TRIES} times in trial {earlier.number}")
            trial.set_user_attr(SAME_AS, earlier.number)
            found: Mapping[str, Mapping[str, Any]] = earlier.user_attrs[MEASUREMENTS]
            return found
        # Those of an earlier try of this trial.
        measurements = dict(before.get(MEASUREMENTS, {}) if before.get(NETWORK) == network else {})
        if judged and earlier is not None:  # all but its accuracy is known
            known = earlier.user_attrs.get(MEASUREMENTS, {})
            measurements = {name: found for name, found in known.items() if name != "accuracy"} | measurements
        # The seed is a function of the network: another try of a trial, in any process, gives the same result.
        seed = zlib.crc32(network.encode())
        try:
            self._measure(study, trial, _Child(network, spec, seed, judged), observer, interrupts, measurements)
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

        judges = "accuracy" in missing
        trained = self.training if judges and (child.judged or not self.study_file.shares_weights) else None
        others = [name for name in missing if name != "accuracy"]
        here = [name for name in others if judges and on_device(name) and is_timed_here(self.study_file, name)]
        elsewhere = [name for name in others if name not in here]
        if judges and trained is None:
            here.append("accuracy")  # by shared weights, in a second
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
                        if child.judged:
                            measurements["accuracy"]["weights"] = child.judged
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
    """A network as text, as a specification, the seed that follows from it, and how it is judged in its own way."""

    network: str
    spec: NetworkSpec
    seed: int
    judged: str
