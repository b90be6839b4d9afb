"""Which trial a worker measures next, decided by one worker at a time, so that a budget is kept exactly.

A worker takes up the trial of a dead worker, or one that waits, or creates one; the last two only while fewer trials
are completed and under way than are wanted. A trial is taken up as it stands in the storage, with its number: the study
looks as if nobody had died. Optuna's own way, to fail the trial and append a copy, changes the order of trials and with
it all that is proposed later.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.genomes.history import ATTRIBUTE
from mnas_moo.running.interrupts import interruptible
from mnas_moo.running.trials import FAILURE, NETWORK
from mnas_moo.running.trouble import StorageError, reason_of
from mnas_moo.running.workers import WORKER, Worker, is_dead

LOCKS = 5
"""So often a lock that a server has lost is asked for again."""
LONG_SECONDS = 10**7
"""So long a lock is waited for; MariaDB knows no time without end, as MySQL does."""


class _LockLostError(RuntimeError):
    """The database server does not hold the lock, or holds it no longer."""


@dataclass(frozen=True)
class Reserved:
    """A trial that this worker alone may measure now.

    Attributes:
        trial_id: its identifier in the storage.
        died: number of workers that died while they measured it.
        new: whether nobody has begun it yet.
    """

    trial_id: int
    died: int = 0
    new: bool = False


def reserve(study: optuna.Study, worker: Worker, wanted: int) -> Reserved | None:
    """The next trial of a worker. Where there is none, no trial of a dead worker stays as running.

    Args:
        study: the study.
        worker: the worker.
        wanted: number of completed trials wanted in the study.

    Returns:
        A trial; None where as many are completed or under way as are wanted.

    Raises:
        StorageError: the database server keeps no lock.
    """
    with warnings.catch_warnings():  # trials of other programs, which write heartbeats
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    for attempt in range(LOCKS):
        try:
            return _reserve(study, worker, wanted)
        except _LockLostError as error:
            if attempt == LOCKS - 1:
                reason = f"the server has lost the lock of the study {LOCKS} times in a row: {error}"
                raise StorageError(f"the storage: {reason}") from error
            study._storage.get_all_trials(study._study_id, deepcopy=False)  # fails in its own words if it is gone
    raise AssertionError


def _reserve(study: optuna.Study, worker: Worker, wanted: int) -> Reserved | None:
    storage = study._storage
    with alone(study) as check:
        trials = storage.get_all_trials(study._study_id, deepcopy=False)
        if lost := _lost(trials, worker):
            # A server may still be storing what a worker sent before it was killed, which may finish its trial. This
            # waits for the lock of the trial's row, and changes nothing.
            for trial in lost:
                with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                    storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
            trials = storage.get_all_trials(study._study_id, deepcopy=False)
            lost = _lost(trials, worker)
        completed = sum(trial.state == TrialState.COMPLETE for trial in trials)
        free = wanted - completed - (sum(map(_is_noted, trials)) - len(lost))
        repeated = {number for trial in trials for number in trial.system_attrs.get("retry_history", ())}
        check()
        for trial in lost:
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # its worker lives after all
                if trial.number in repeated:  # a copy of it stands further back in the study
                    storage.set_trial_user_attr(trial._trial_id, FAILURE, "interrupted")
                    storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                elif free <= 0:
                    storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
                else:
                    died = int(trial.system_attrs[WORKER]["died"]) + (NETWORK in trial.user_attrs)
                    storage.set_trial_system_attr(trial._trial_id, WORKER, worker.note(died))
                    return Reserved(trial._trial_id, died)
        if free <= 0:
            return None
        for trial in trials:
            if trial.state != TrialState.WAITING:
                continue
            died = int(trial.system_attrs.get(WORKER, {}).get("died", 0))
            # Noted before the trial runs: a worker that dies between the two leaves one that waits.
            storage.set_trial_system_attr(trial._trial_id, WORKER, worker.note(died))
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                if storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    return Reserved(trial._trial_id, died)
        new = optuna.trial.create_trial(state=TrialState.RUNNING, system_attrs={WORKER: worker.note()})
        return Reserved(storage.create_new_trial(study._study_id, new), new=True)


def _is_noted(trial: FrozenTrial) -> bool:
    """Whether a trial is under way in a worker; one without a note is measured by a program that keeps no budget."""
    return trial.state == TrialState.RUNNING and WORKER in trial.system_attrs


def _lost(trials: Sequence[FrozenTrial], worker: Worker) -> list[FrozenTrial]:
    """The trials under way whose workers are dead, or that are this worker's own."""
    now = time.time()
    noted = filter(_is_noted, trials)
    return [trial for trial in noted if worker.owns(trial) or is_dead(trial.system_attrs[WORKER], now)]


def begin(study: optuna.Study, reserved: Reserved, distributions: Mapping[str, BaseDistribution]) -> optuna.Trial:
    """A trial that is reserved, as a subject measures it.

    Where its worker died before it had all parameters, the sampler begins the trial anew: its random numbers are a
    function of the trial, so it says the same again, as long as no other worker has told it more since.

    Args:
        study: the study.
        reserved: the trial.
        distributions: every parameter there can be.
    """
    study._thread_local.cached_all_trials = None  # as Study.ask does
    trial_id = reserved.trial_id
    if reserved.new:
        return optuna.Trial(study, trial_id)
    trial = study._storage.get_trial(trial_id)
    whole = NETWORK in trial.user_attrs or distributions.keys() <= trial.params.keys()
    noted = ATTRIBUTE in trial.system_attrs
    # While nothing is completed, MnasSampler writes its note of a trial at the end only.
    early = not noted and not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if whole and not (early and trial.params):
        return optuna.Trial(study, trial_id)
    if noted:  # the diagnostics that it tells would otherwise not be told again
        study._storage.set_trial_system_attr(trial_id, ATTRIBUTE, {})
    return _Again(study, trial_id) if trial.params else optuna.Trial(study, trial_id)


class _Again(optuna.Trial):
    """A trial whose parameters are suggested a second time; those that are stored stay as they are."""

    def __init__(self, study: optuna.Study, trial_id: int) -> None:
        super().__init__(study, trial_id)
        trial: FrozenTrial = self._cached_frozen_trial
        self._stored = dict(trial.params)
        trial.params, trial.distributions = {}, {}

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._stored or name in self._cached_frozen_trial.params:
            return super()._suggest(name, distribution)
        storage = self.storage
        self.storage = _Unchanged(storage)  # type: ignore[assignment]  # all that is asked of it here, it has
        try:
            suggested = super()._suggest(name, distribution)
        finally:
            self.storage = storage
        stored = self._stored[name]
        if suggested != stored:  # other workers have told the sampler more since: its note is of another network
            self._cached_frozen_trial.params[name] = stored
            storage.set_trial_system_attr(self._trial_id, ATTRIBUTE, {})
        return stored


class _Unchanged:
    """A storage that keeps the parameters that it has."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def set_trial_param(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def alone(study: optuna.Study) -> Iterator[Callable[[], None]]:
    """A block that only one worker of a study is in at a time; the system frees it when the worker dies.

    Yields:
        A function that raises an error where the lock of the block was lost with a connection; for a last look before
        something is written.
    """
    backend = getattr(study._storage, "_backend", None)
    if isinstance(study._storage, optuna.storages.JournalStorage):
        # The path as Optuna's own backend names it, or one of another making.
        with locked(getattr(backend, "path", None) or backend._file_path, os.O_RDWR):  # type: ignore[union-attr]
            yield _nothing
        return
    engine = getattr(backend, "engine", None)
    if engine is not None and engine.dialect.name == "sqlite":
        # Not the file itself: to close it here would release the locks that SQLite holds on it in this process.
        with locked(os.path.dirname(os.path.abspath(engine.url.database)), os.O_RDONLY):  # noqa: PTH100, PTH120
            yield _nothing
    elif engine is not None and engine.dialect.name in ("postgresql", "mysql", "mariadb"):
        with _server_lock(engine, study.study_name) as check:
            yield check
    else:  # in the memory of this process
        yield _nothing


def _nothing() -> None:
    """The check of a lock that cannot be lost."""


@contextlib.contextmanager
def locked(path: str, flags: int) -> Iterator[None]:
    """A block that only one process is in at a time, by a lock on a file, which the system frees."""
    import fcntl

    try:
        file = os.open(path, flags, 0o600)
    except OSError:  # a disk that is read-only: what is written in the block says so
        file = os.open(path, os.O_RDONLY)
    try:
        with interruptible():
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


@contextlib.contextmanager
def _server_lock(engine: Any, name: str) -> Iterator[Callable[[], None]]:
    """A lock of the database server, held by a connection of its own."""
    import sqlalchemy

    digest = hashlib.blake2b(f"mnas_moo {name}".encode(), digest_size=8)
    mysql = engine.dialect.name in ("mysql", "mariadb")
    with contextlib.ExitStack() as stack:
        with _lock_errors():
            connection = stack.enter_context(engine.connect())
            if mysql:
                take = sqlalchemy.text("SELECT GET_LOCK(:key, :seconds)")
                take = take.bindparams(key=digest.hexdigest(), seconds=LONG_SECONDS)
            else:  # it is freed with its transaction
                number = int.from_bytes(digest.digest(), "big", signed=True)
                take = sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=number)
            given = connection.execute(take).scalar()
        if mysql and given != 1:
            raise _LockLostError("it was not given")

        def check() -> None:
            with _lock_errors():
                connection.execute(sqlalchemy.text("SELECT 1"))

        try:
            # A server may still be storing a trial that a worker created before it was killed. Its row is locked with
            # that of the study.
            row = sqlalchemy.text("SELECT 1 FROM studies WHERE study_name = :name FOR UPDATE").bindparams(name=name)
            with _lock_errors(), engine.begin() as other:
                other.execute(row)
            yield check
        finally:
            # A connection that broke has freed its lock, and what was done meanwhile is stored.
            with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
                if mysql:
                    free = sqlalchemy.text("SELECT RELEASE_LOCK(:key)").bindparams(key=digest.hexdigest())
                    connection.execute(free)
                connection.rollback()


@contextlib.contextmanager
def _lock_errors() -> Iterator[None]:
    """A block whose errors of the database mean that the lock was not taken, or is lost."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        raise _LockLostError(reason_of(error)) from error
