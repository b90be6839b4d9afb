"""Runs a study: ask for a network, measure it, tell; what the storage holds is all that a restart needs.

The loop is Optuna's own (`Study.optimize`). What is added: a study is never continued as another one, a trial that was
interrupted, or has no device left, is tried again by the next run, and failures are stored with their reason. What a
trial is, a network to be measured or a table to be looked up in, is behind ``Subject``.
"""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.objective import DeviceError
from mnas_moo.running import samplers
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.storage import create_storage, find_study
from mnas_moo.running.tabular_trials import TabularTrials
from mnas_moo.running.trials import FAILURE, MEASUREMENTS, Interrupts, Observer, Subject, completed_trials
from mnas_moo.study_file.document import StudyError, nearest, one_line, shown
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.sampling import Mnas
from mnas_moo.study_file.study import StudyFile
from mnas_moo.study_file.tabular_study import TabularStudy

FAILURES_IN_A_ROW = 10
"""A run that fails so many trials in a row stops: something is wrong that more trials do not mend."""

IDENTITY = "mnas_moo:study"
"""Study attribute (of the system's): what makes two runs the same study."""
_FORMAT = 1


class TrialFailuresError(RuntimeError):
    """Too many trials failed one after the other; the message has the last reason."""


class _TrialFailedError(Exception):
    """One trial failed, and its reason is stored."""


def run_study(
    study_file: StudyFile | str | os.PathLike[str],
    *,
    trials: int | None = None,
    observer: Observer | None = None,
    sampler: Callable[[Subject, int], optuna.samplers.BaseSampler] | None = None,
) -> optuna.Study:
    """Runs a study until it has the trials it wants, or goes on with it.

    Any number of processes may run the same study; each stops when the study is finished, so that all together may
    finish one trial more for each other process. An interrupted trial (Ctrl-C) fails, does not count, and is first
    in the next run.

    Args:
        study_file: the study, or its path or bundled name.
        trials: finished trials wanted in the study, instead of the file's.
        observer: told of the progress.
        sampler: makes a sampler of the subject and the number of trials there are, instead of the file's.

    Returns:
        The study, as Optuna has it.

    Raises:
        StudyError: the study cannot be run as it is written; no trial was made.
        MissingExtraError: it needs a package that is not installed.
        DeviceError: no device is left that could measure; the trial under way is first in the next run.
        TrialFailuresError: ten trials in a row failed.
    """
    study_file = study_file if isinstance(study_file, StudyFile) else load_study_file(study_file)
    wanted = study_file.trials if trials is None else trials
    observer = observer or Observer()
    make_sampler = sampler or functools.partial(_sampler, study_file)
    subject = subject_of(study_file)
    identity = identity_of(study_file, subject)

    study = find_study(study_file)
    if study is not None:
        _check_identity(study_file, study, identity)
        completed = completed_trials(study)
        if len(completed) >= wanted:
            observer.started(study, completed, wanted)
            return study
    with Interrupts() as interrupts, ExitStack() as stack:
        make_sampler(subject, 0)  # refuses what it cannot do while there is nothing in the storage
        subject.prepare(stack, observer)
        identity = identity_of(study_file, subject)  # what is measured on is known only now
        if study is None:
            storage = create_storage(study_file)
            study = optuna.create_study(
                study_name=study_file.name, storage=storage, directions=study_file.directions, load_if_exists=True
            )
        _check_identity(study_file, study, identity)  # of a new one, too: another process may have been faster
        study.sampler = make_sampler(subject, len(study.get_trials(deepcopy=False)))
        observer.started(study, completed_trials(study), wanted)
        interrupts.keep_back()
        trial = _Trial(study_file, study, subject, observer, interrupts)
        after = _After(wanted, observer, interrupts)
        study.optimize(trial, callbacks=[after], catch=(_TrialFailedError,))
        if interrupts.pending:
            raise KeyboardInterrupt
        if after.failures >= FAILURES_IN_A_ROW:
            raise TrialFailuresError(
                f"{study_file.name}: {FAILURES_IN_A_ROW} trials in a row failed; the last one, {after.last_failure}"
            )
    return study


class _After:
    """After every trial: is the study finished, stopped, or beyond help?"""

    def __init__(self, wanted: int, observer: Observer, interrupts: Interrupts) -> None:
        self.wanted = wanted
        self.interrupts = interrupts
        self.observer = observer
        self.failures = 0
        self.last_failure = ""

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.state == TrialState.FAIL:
            self.failures += 1
            self.last_failure = f"trial {trial.number}: {trial.user_attrs.get(FAILURE, 'no reason is stored')}"
        else:
            self.failures = 0
        completed = completed_trials(study)
        self.observer.trial_finished(study, trial, completed)
        if self.interrupts.pending or self.failures >= FAILURES_IN_A_ROW or len(completed) >= self.wanted:
            study.stop()


class _Trial:
    """One trial, as Optuna calls it: parameters, measurements, values."""

    def __init__(
        self,
        study_file: StudyFile,
        study: optuna.Study,
        subject: Subject,
        observer: Observer,
        interrupts: Interrupts,
    ) -> None:
        self.study_file = study_file
        self.study = study
        self.subject = subject
        self.observer = observer
        self.interrupts = interrupts

    def __call__(self, trial: optuna.Trial) -> list[float]:
        try:
            return self._values(trial)
        except MissingExtraError as error:
            trial.set_user_attr(FAILURE, str(error))
            raise
        except (KeyboardInterrupt, DeviceError) as error:
            # Tried again, under the same parameters, by whoever runs the study next.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                again = optuna.storages.RetryHeartbeatStaleTrialCallback()
            again(self.study, self.study._storage.get_trial(trial._trial_id))
            trial.set_user_attr(FAILURE, one_line(str(error)) or "interrupted")
            raise
        except Exception as error:
            reason = one_line(str(error)) or type(error).__name__
            trial.set_user_attr(
                FAILURE, reason if isinstance(error, ValueError) else f"{type(error).__name__}: {reason}"
            )
            raise _TrialFailedError(reason) from error

    def _values(self, trial: optuna.Trial) -> list[float]:
        measurements = self.subject.measure(self.study, trial, self.observer, self.interrupts)
        trial.set_user_attr(MEASUREMENTS, measurements)
        self._store_constraints(trial, measurements)
        return [measurements[name]["value"] for name in self.study_file.objective_names]

    def _store_constraints(self, trial: optuna.Trial, measurements: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes how far each bound is exceeded; at or below 0 it is kept.

        As the one list that Optuna read before 5.0, not with ``Trial.set_constraint``: the dashboard (0.21) draws as
        infeasible only what stands in that list, and Optuna 5 reads either form, but as two constraints where both
        are written, so that its samplers would count every violation twice.
        """
        exceeded = [
            sign * (measurements[name]["value"] - limit)
            for name, (low, high) in self.study_file.limits.items()
            for sign, limit in ((1, high), (-1, low))
            if limit is not None
        ]
        if exceeded:
            trial.storage.set_trial_system_attr(trial._trial_id, "constraints", exceeded)


def _sampler(study_file: StudyFile, subject: Subject, n_trials: int) -> optuna.samplers.BaseSampler:
    """The sampler of the study file; it refuses, before a trial is made, what it cannot do."""
    kind, settings = study_file.sampler.chosen
    reward = study_file.make_reward()
    try:
        return samplers.make(
            kind,
            settings.seed,
            n_objectives=len(study_file.objective_names),
            constrained=bool(study_file.limits),
            distributions=subject.distributions.values(),
            canonical=subject.canonical,
            reward=reward,
            n_trials=n_trials,
            options=_options(study_file, settings) if isinstance(settings, Mnas) else None,
        )
    except StudyError:
        raise
    except ValueError as error:
        raise study_file.error(("sampler", kind), f": {error}") from error


def _options(study_file: StudyFile, settings: Mnas) -> dict[str, Any]:
    """Arguments of ``MnasSampler`` from a study file's settings, which name objectives."""
    names = list(study_file.objective_names)

    def known(key: str, name: str, allowed: Sequence[str]) -> int:
        if name not in allowed:
            problem = f"names {name!r}, which is no objective{nearest(name, allowed)}"
            raise study_file.error(("sampler", "mnas", key), problem)
        return list(allowed).index(name)

    options: dict[str, Any] = {"model_trials": settings.model_trials}
    if settings.reference_point:
        wanted = {known("reference_point", name, names): value for name, value in settings.reference_point.items()}
        options["reference_point"] = [wanted.get(m) for m in range(len(names))]
    if settings.source is None and settings.shared is None:
        return options
    if settings.source is None or not settings.shared:
        problem = "and shared need each other: another study's file, and the objectives that are the same in both"
        raise study_file.error(("sampler", "mnas", "source" if settings.source else "shared"), problem)
    other = load_study_file(settings.source)
    source = find_study(other)
    if source is None:
        raise study_file.error(("sampler", "mnas", "source"), f": {settings.source} has no trials yet; run it first")
    there = list(other.objective_names)
    options["source"] = source
    options["shared"] = {known("shared", name, names): known("shared", name, there) for name in settings.shared}
    return options


def identity_of(study_file: StudyFile, subject: Subject) -> dict[str, Any]:
    """What makes two runs the same study, as plain data; where the images lie and where they are trained does not."""
    constraints = {
        name: {end: limit for end, limit in (("max", high), ("min", low)) if limit is not None}
        for name, (low, high) in study_file.limits.items()
    }
    parameters = {
        name: json.loads(optuna.distributions.distribution_to_json(distribution))
        for name, distribution in subject.distributions.items()
    }
    identity = {"format": _FORMAT, **subject.identity, "constraints": constraints, "parameters": parameters}
    return dict(json.loads(json.dumps(identity)))


def subject_of(study_file: StudyFile) -> Subject:
    """What the trials of a study are about.

    Raises:
        StudyError: its table, data or space cannot be had as the file says.
    """
    if isinstance(study_file, TabularStudy):
        return TabularTrials(study_file)
    if isinstance(study_file, NetworkStudy):
        return NetworkTrials(study_file)
    raise TypeError(f"no kind of study: {type(study_file).__name__}")


def _check_identity(study_file: StudyFile, study: optuna.Study, identity: dict[str, Any]) -> None:
    """Refuses to go on with another study; a new or a foreign one (made without a study file) becomes this one.

    Raises:
        StudyError: what differs, with what the file asks for and what the storage holds.
    """
    advice = "give the new study another name or storage"
    where = f"study {study_file.name!r} in {study_file.storage}"
    names = list(study_file.objective_names)
    held = study._storage.get_study_system_attrs(study._study_id).get(IDENTITY)
    if held is None:
        trials = study.get_trials(deepcopy=False)
        known = study.metric_names or ([] if trials else names)
        directions = [direction.name.lower() for direction in study.directions]
        if list(known) != names or directions != list(study_file.directions):
            theirs = ", ".join(map(" ".join, zip(directions, known or ["unnamed"] * len(directions), strict=False)))
            problem = f": the file asks for {', '.join(names)}, but {where} holds {theirs}; {advice}"
            raise study_file.error(("objectives",), problem)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(names)
        study._storage.set_study_system_attr(study._study_id, IDENTITY, identity)
        return
    if held.get("format") != _FORMAT:
        raise study_file.error(("storage",), f": {where} was written by another version of mnas-moo; {advice}")
    if ("table" in identity) != ("table" in held):
        ours, theirs = (
            f"the table {asked['table']['name']}" if "table" in asked else f"networks of {asked['space']['name']}"
            for asked in (identity, held)
        )
        problem = f": the file is a study of {ours}, but {where} holds one of {theirs}; {advice}"
        raise study_file.error(("name",), problem)
    for section in ("space", "table", "objectives", "constraints", "data"):
        if section in identity and identity[section] != held[section]:
            ours, theirs = _words(identity[section]), _words(held[section])
            problem = f": the file asks for {ours}, but {where} holds {theirs}; {advice}"
            raise study_file.error((section,), problem)
    if "device" in identity and identity["device"] != held.get("device", identity["device"]):
        ours, theirs = identity["device"], held["device"]
        one, other = (side["model"] if ours["model"] != theirs["model"] else _words(side) for side in (ours, theirs))
        problem = f": the device is a {one}, but {where} holds latencies of a {other}; {advice}, or attach a {other}"
        raise study_file.error(("objectives", "latency_ms"), problem)
    ours, theirs = identity["parameters"], held["parameters"]
    if ours != theirs:
        name = next(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
        problem = f"has parameter {name} otherwise than {where}, though it is the same by name; {advice}"
        raise study_file.error(("table" if "table" in identity else "space",), problem)
    if "device" in identity and "device" not in held:  # nobody knew it yet
        study._storage.set_study_system_attr(study._study_id, IDENTITY, {**held, "device": identity["device"]})


def _words(section: Mapping[str, Any]) -> str:
    """A section of an identity in the words of a study file."""
    if set(section) == {"name", "settings"}:
        return f"{section['name']} {_words(section['settings'])}" if section["settings"] else str(section["name"])
    inner = (f"{k}: {_words(v)}" if isinstance(v, Mapping) else f"{k}: {shown(v)}" for k, v in section.items())
    return "{" + ", ".join(inner) + "}"
