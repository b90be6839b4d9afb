"""The storages of studies: Optuna's, by URL.

Optuna creates an empty database wherever it opens one; here, functions that only read create nothing.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from mnas_moo.running.quick_storage import QuickStorage
from mnas_moo.study_file.document import nearest

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from mnas_moo.study_file.study import StudyFile

JOURNAL = "journal:///"
HEARTBEAT_SECONDS = 60
STALE_SECONDS = 300
"""A running trial without a heartbeat for so long was killed with its worker, and is tried again."""

CREATION_ATTEMPTS = 6
CREATION_PAUSE_SECONDS = 0.5

_ALLOWED = "sqlite:///FILE, journal:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, mysql://…"


def open_study(study_file: StudyFile) -> optuna.Study:
    """The study as its storage holds it.

    Args:
        study_file: the study's file.

    Raises:
        StudyError: the storage is not there or cannot be reached, or it holds no study of that name.
    """
    study = find_study(study_file)
    if study is not None:
        return study
    storage = existing_storage(study_file)
    if storage is None:
        problem = f"is {study_file.storage}, which is not there; `mnas-moo run` creates it"
        raise study_file.error(("storage",), problem)
    names = optuna.get_all_study_names(storage)
    close = nearest(study_file.name, names).replace("allowed:", "it holds:") if names else "; it holds none"
    raise study_file.error(("name",), f"is {study_file.name!r}, which {study_file.storage} does not hold{close}")


def find_study(study_file: StudyFile) -> optuna.Study | None:
    """The study, or None where it has not been created yet.

    Raises:
        StudyError: the storage cannot be reached.
    """
    storage = existing_storage(study_file)
    if storage is None or study_file.name not in optuna.get_all_study_names(storage):
        return None
    return optuna.load_study(study_name=study_file.name, storage=storage)


def existing_storage(study_file: StudyFile) -> BaseStorage | None:
    """The storage, or None where there is none yet; nothing is created.

    Raises:
        StudyError: the URL names no storage, the storage cannot be reached, or its folder is missing.
    """
    import sqlalchemy

    file = storage_file(study_file)
    if file is not None:
        if not file.parent.is_dir():
            raise study_file.error(("storage",), f"is {study_file.storage}, but there is no folder {file.parent}")
        if not file.exists():
            return None
    if study_file.storage.startswith(JOURNAL):
        return _open(study_file)
    try:
        engine = sqlalchemy.create_engine(study_file.storage)
        try:
            found = sqlalchemy.inspect(engine).has_table("studies")
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise _unreachable(study_file, error) from error
    return _open(study_file) if found else None


def create_storage(study_file: StudyFile) -> BaseStorage:
    """The storage, created where there is none.

    Raises:
        StudyError: it cannot be reached or created.
    """
    return existing_storage(study_file) or _open(study_file)


def storage_file(study_file: StudyFile) -> Path | None:
    """The file of the storage, or None where it is a server.

    Raises:
        StudyError: the storage is no URL, or it would keep trials in memory only.
    """
    import sqlalchemy

    url = study_file.storage
    if url.startswith(JOURNAL):
        path: str | None = url.removeprefix(JOURNAL)
    else:
        try:
            parsed = sqlalchemy.make_url(url)
        except sqlalchemy.exc.ArgumentError as error:
            problem = f"is {url!r}, which is no storage; allowed: {_ALLOWED}"
            raise study_file.error(("storage",), problem) from error
        if parsed.get_backend_name() != "sqlite":
            return None
        path = parsed.database
    if not path or path == ":memory:":
        raise study_file.error(("storage",), f"is {url!r}, which names no file; allowed: {_ALLOWED}")
    return Path(path)


def _open(study_file: StudyFile) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    attempts = 0
    while True:
        attempts += 1
        try:
            return _opened(study_file.storage)
        except (SQLAlchemyError, ImportError, OSError, ValueError, KeyError, RuntimeError) as error:
            # Of several processes that create the same tables at once, all but one fail, and then find them made.
            if attempts == CREATION_ATTEMPTS or not isinstance(error, SQLAlchemyError):
                raise _unreachable(study_file, error) from error
            time.sleep(CREATION_PAUSE_SECONDS)


def _opened(url: str) -> BaseStorage:
    if url.startswith(JOURNAL):
        from optuna.storages.journal import JournalFileBackend

        # An absolute path: beside a relative one in another folder, Optuna's lock is a link to nowhere, and one that a
        # killed process has left behind would be waited for without end.
        path = Path(url.removeprefix(JOURNAL)).absolute()
        return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return QuickStorage(
            url,
            # Several processes may write to one SQLite file: they wait for each other this long.
            engine_kwargs={"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=STALE_SECONDS,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )


def _unreachable(study_file: StudyFile, error: Exception) -> Exception:
    reason = str(getattr(error, "orig", None) or error)
    if isinstance(error, ImportError):
        reason += "; install that driver, or name another one, as in postgresql+psycopg2://"
    return study_file.error(("storage",), f"is {study_file.storage}, which cannot be opened: {reason}")
