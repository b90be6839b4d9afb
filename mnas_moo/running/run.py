"""Runs a study: asks for parameters, measures, tells; a restart needs nothing but what the storage holds.

The loop is that of Optuna's `Study.optimize`, except for the way a trial is begun (``reservations``): the trial of a
killed worker goes on, and a budget is kept exactly. What is added: a study is never continued as another one; a trial
that was interrupted, or had no device left, is tried again by the next run; failures are stored with their reason. The
``Subject`` says what a trial measures: a network, or a row of a table.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.genomes.history import STANDARD_ERRORS
from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.memory import shortage_of
from mnas_moo.objectives.objective import DeviceError
from mnas_moo.running.facts import facts_of, store_facts
from mnas_moo.running.goal import Goal
from mnas_moo.running.identity import check_identity, identity_of
from mnas_moo.running.interrupts import Interrupts
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.plan import store_plan, stored_plan
from mnas_moo.running.planning import needs_plan, plan_of, promise
from mnas_moo.running.reservations import Reserved, alone, begin, reserve
from mnas_moo.running.samplers import sampler_of
from mnas_moo.running.storage import create_storage, find_study
from mnas_moo.running.tabular_trials import TabularTrials
from mnas_moo.running.trials import (
    FAILURE,
    MEASUREMENTS,
    Observer,
    Subject,
    completed_trials,
    violations,
)
from mnas_moo.running.trouble import storage_errors
from mnas_moo.running.workers import TRIES, Worker
from mnas_moo.study_file.document import StudyError, one_line
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.study import StudyFile
from mnas_moo.study_file.tabular_study import TabularStudy

FAILURES_IN_A_ROW = 10
"""A run stops after this many failed trials in a row, since further trials would most likely fail as well."""
PAUSE_SECONDS = 0.1, 2.0
"""First and longest pause of a worker that has nothing to do until those of the others are finished."""

_log = optuna.logging.get_logger("optuna.study.study")


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
    workers: int | None = 1,
    beside: Callable[[int], AbstractContextManager[object]] | None = None,
) -> optuna.Study:
    r"""Runs a study until it has the trials it wants, or goes on with it.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from mnas_moo import run_study
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = [f"{width},{1 - 1 / width},{width**2}" for width in range(1, 9)]
    >>> _ = (folder / "past.csv").write_text("\n".join(["width,accuracy,latency_ms", *rows]))
    >>> _ = (folder / "past.yaml").write_text(f'''
    ... name: past
    ... storage: sqlite:///{folder}/past.db
    ... table:
    ...   file: {folder}/past.csv
    ...   parameters: [width]
    ...   objectives: {{accuracy: maximize, latency_ms: minimize}}
    ... sampler: {{mnas: {{seed: 0}}}}
    ... trials: 5
    ... ''')
    >>> len(run_study(folder / "past.yaml").trials), len(run_study(folder / "past.yaml", trials=8).trials)
    (5, 8)

    Any number of processes may run the same study; each stops when the study is finished, and all together finish as
    many trials as are wanted. The trial of a process that was killed goes on in another one. An interrupted trial
    (Ctrl-C) fails and does not count, and the next run begins with its parameters.

    Args:
        study_file: the study, the path of its file, or the name of a bundled one.
        trials: number of finished trials wanted in the study, instead of the file's.
        observer: object that is told of the progress.
        sampler: function that makes a sampler from the subject and the number of trials in the study, instead of the
            file's.
        workers: number of trials that run at the same time on this machine, counting the one of this process; None:
            where a budget of time decides how networks are searched, as many as there are cores for, else one.
        beside: function that starts so many further processes which run the study, and ends them with the context that
            it returns; it is called once the study is stored and if there is more than one worker.

    Returns:
        The study, as Optuna has it.

    Raises:
        StudyError: the study cannot be run as it is written; no trial was made.
        MissingExtraError: it needs a package that is not installed.
        DeviceError: no device is left that could measure; the next run begins with the parameters of this trial.
        StorageError: the storage cannot be used any longer; what it holds is whole.
        TrialFailuresError: ten trials in a row failed.
    """
    study_file = study_file if isinstance(study_file, StudyFile) else load_study_file(study_file)
    observer = observer or Observer()
    study = find_study(study_file, observer.waiting)
    as_written, plan = study_file, None
    if isinstance(study_file, NetworkStudy) and needs_plan(study_file, trials):
        plan = (stored_plan(study) if study is not None else None) or plan_of(study_file, observer, workers)
        study_file = study_file.planned(plan.size, plan.resolution, plan.steps, plan.batch_size, plan.trials)
        goal = Goal(as_written.trials if trials is None else trials, study_file.budget, plan.trial_seconds)
    else:
        goal = Goal(study_file.trials if trials is None else trials, None, 0.0)
    make_sampler = sampler or functools.partial(sampler_of, study_file)
    subject = subject_of(study_file)
    identity = identity_of(study_file, subject)

    if study is not None:
        check_identity(study_file, study, identity)
        completed = completed_trials(study)
        if len(completed) >= goal.wanted(study):
            with storage_errors():
                reserve(study, Worker(study), len(completed))  # none is; what a dead worker left waits for later runs
            observer.started(study, completed, len(completed))
            return study
    with Interrupts() as interrupts, ExitStack() as stack, storage_errors():
        make_sampler(subject, 0)  # an error about what it cannot do comes before anything is stored
        subject.prepare(stack, observer)
        identity = identity_of(study_file, subject)  # the device is known only now
        if study is None:
            storage = create_storage(study_file, observer.waiting)
            study = optuna.create_study(
                study_name=study_file.name, storage=storage, directions=study_file.directions, load_if_exists=True
            )
        if plan is not None:
            with alone(study):
                held = stored_plan(study)
                if held is None:
                    store_plan(study, plan)
            if held not in (None, plan):  # of another process that has begun the study meanwhile
                stack.close()
                return run_study(
                    as_written, trials=trials, observer=observer, sampler=sampler, workers=workers, beside=beside
                )
        # Of a new study, too: another process may have created it meanwhile.
        check_identity(study_file, study, identity)
        store_facts(study, facts_of(study_file, subject, identity))
        study.sampler = make_sampler(subject, len(study.get_trials(deepcopy=False)))
        goal.workers = workers or (1 if plan is None or not isinstance(subject, NetworkTrials) else subject.workers)
        if plan is not None:
            observer.promised(plan.trial_seconds / goal.workers, plan.words)
        elif isinstance(subject, NetworkTrials):
            seconds, words = promise(study, subject)
            observer.promised(seconds / goal.workers, words)
        observer.started(study, completed_trials(study), goal.expected(study))
        interrupts.keep_back()
        trial = _Trial(study_file, study, subject, observer, interrupts)
        after = _After(observer)
        worker = stack.enter_context(Worker(study))
        if beside is not None and goal.workers > 1:
            stack.enter_context(beside(goal.workers - 1))
        _run_trials(study, trial, after, worker, goal)
        if interrupts.pending:
            raise KeyboardInterrupt
        if after.failures >= FAILURES_IN_A_ROW:
            raise TrialFailuresError(
                f"{study_file.name}: {FAILURES_IN_A_ROW} trials in a row failed; the last one, {after.last_failure}"
            )
    return study


def _run_trials(study: optuna.Study, measure: _Trial, after: _After, worker: Worker, goal: Goal) -> None:
    """Runs trials until the study is finished, the run is interrupted, or trials fail again and again."""
    pause, longest = PAUSE_SECONDS
    waited = 0.0
    # As in Study.optimize: a sampler that has no points left stops the study.
    study._stop_flag, study._thread_local.in_optimize_loop = False, True
    try:
        while not (study._stop_flag or measure.interrupts.pending or after.failures >= FAILURES_IN_A_ROW):
            wanted = goal.wanted(study)
            measure.subject.wanted = goal.expected(study)
            reserved = reserve(study, worker, measure.subject.stage(study, wanted))
            if reserved is not None:
                pause, waited = PAUSE_SECONDS[0], 0.0
                worker.hold(reserved.trial_id, reserved.died)
                try:
                    trial = _run_trial(study, reserved, measure)
                finally:
                    worker.release()
                if trial is not None:
                    after(study, trial, goal.expected(study))
            elif len(completed_trials(study)) >= wanted:
                return
            else:
                if waited == 0:
                    measure.observer.waiting("the last trials are under way in other runs")
                # One of them may fail or be killed.
                with measure.interrupts.allowed():
                    time.sleep(pause)
                waited, pause = waited + pause, min(2 * pause, longest)
    finally:
        study._thread_local.in_optimize_loop = False
        study._storage.remove_session()


def _run_trial(study: optuna.Study, reserved: Reserved, measure: _Trial) -> FrozenTrial | None:
    """Measures one trial and tells the study.

    Returns:
        The finished trial; None where another worker has finished it meanwhile.
    """
    trial_id, storage = reserved.trial_id, study._storage
    try:
        if reserved.died >= TRIES:
            reason = f"killed its worker {reserved.died} times, and is given up"
            storage.set_trial_user_attr(trial_id, FAILURE, reason)
            return study.tell(storage.get_trial(trial_id).number, state=TrialState.FAIL)
        trial: optuna.Trial | None = None
        values: list[float] | None = None
        failure: BaseException | None = None
        try:
            trial = begin(study, reserved, measure.subject.distributions)
            values = measure(trial)
        except optuna.exceptions.UpdateFinishedTrialError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            failure = error
        told = study.tell(
            storage.get_trial(trial_id).number if trial is None else trial,
            values,
            state=None if failure is None else TrialState.FAIL,
        )
    except optuna.exceptions.UpdateFinishedTrialError:
        number = storage.get_trial(trial_id).number
        measure.observer.waiting(f"trial {number} was finished by another run, which had taken this one for dead")
        return None
    if failure is None:
        study._log_completed_trial(told.values, told.number, told.params)
    else:
        _log.warning(f"Trial {told.number} failed with parameters {told.params}: {failure!r}")
        if not isinstance(failure, _TrialFailedError):
            raise failure
    return told


class _After:
    """Called after every trial: tells the observer, and counts how many failed in a row."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.failures = 0
        self.last_failure = ""

    def __call__(self, study: optuna.Study, trial: FrozenTrial, expected: int) -> None:
        if trial.state == TrialState.FAIL:
            self.failures += 1
            self.last_failure = f"trial {trial.number}: {trial.user_attrs.get(FAILURE, 'no reason is stored')}"
        else:
            self.failures = 0
        self.observer.expects(expected)
        self.observer.trial_finished(study, trial, completed_trials(study))


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
        except optuna.exceptions.UpdateFinishedTrialError:
            raise
        except (MissingExtraError, StudyError) as error:  # later trials would fail as well
            trial.set_user_attr(FAILURE, str(error))
            raise
        except (KeyboardInterrupt, DeviceError) as error:
            # The next run of the study tries the same parameters again.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                again = optuna.storages.RetryHeartbeatStaleTrialCallback()
            again(self.study, self.study._storage.get_trial(trial._trial_id))
            trial.set_user_attr(FAILURE, one_line(str(error)) or "interrupted")
            raise
        except Exception as error:
            reason = one_line(shortage_of(error) or str(error)) or type(error).__name__
            trial.set_user_attr(
                FAILURE, reason if isinstance(error, ValueError) else f"{type(error).__name__}: {reason}"
            )
            raise _TrialFailedError(reason) from error

    def _values(self, trial: optuna.Trial) -> list[float]:
        measurements = self.subject.measure(self.study, trial, self.observer, self.interrupts)
        trial.set_user_attr(MEASUREMENTS, measurements)
        self._store_constraints(trial, measurements)
        names = self.study_file.objective_names
        errors = [float(measurements[name].get("standard_error", 0.0)) for name in names]
        if any(errors):
            trial.set_user_attr(STANDARD_ERRORS, errors)
        return [measurements[name]["value"] for name in names]

    def _store_constraints(self, trial: optuna.Trial, measurements: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes how far each bound is exceeded; at or below 0 it is kept.

        As the one list that Optuna read before 5.0, not with ``Trial.set_constraint``: the dashboard (0.21) draws as
        infeasible only what stands in that list, and Optuna 5 reads either form, but as two constraints where both
        are written, so that its samplers would count every violation twice.
        """
        exceeded = violations(measurements, self.study_file.limits)
        if exceeded:
            trial.storage.set_trial_system_attr(trial._trial_id, "constraints", exceeded)


def subject_of(study_file: StudyFile) -> Subject:
    """What the trials of a study measure.

    Raises:
        StudyError: the study's table, data or space cannot be read or made as the file says.
    """
    if isinstance(study_file, TabularStudy):
        return TabularTrials(study_file)
    if isinstance(study_file, NetworkStudy):
        if study_file.sampler.chosen[0] == "instanas":
            from mnas_moo.running.per_image import PerImageTrials

            return PerImageTrials(study_file)
        return NetworkTrials(study_file)
    raise TypeError(f"no kind of study: {type(study_file).__name__}")
