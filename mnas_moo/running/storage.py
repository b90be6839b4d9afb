"""The storages of studies: Optuna's, by URL.

Optuna creates an empty database wherever it opens one; here, functions that only read create nothing. Who writes says
so by giving a function ``say``, which is told when the storage has to be waited for; who only reads does not wait.
"""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from mnas_moo.objectives.regular_file import UnfitFileError, check_regular
from mnas_moo.running.address import shown_address, without_passwords
from mnas_moo.running.trouble import (
    WAIT_SECONDS,
    Patience,
    Say,
    StorageError,
    may_pass,
    reason_of,
    trouble_of,
    warn,
)
from mnas_moo.study_file.document import nearest

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from mnas_moo.study_file.study import StudyFile

JOURNAL = "journal:///"
CREATION_ATTEMPTS = 6
CREATION_PAUSE_SECONDS = 0.5
START_SECONDS = 30.0
"""A run that finds no server at the address waits so long: the server may be restarting, or the address wrong."""

_STARTS = "the database system is"  # starting up, shutting down: there is a server
_NO_SERVER = re.compile(
    "Connection refused|No such file or directory|closed the connection|terminating connection|timeout expired"
    r"|Lost connection|Server shutdown in progress|Can't connect to .* \(\d+\)"  # in MySQL's words
)

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
        problem = f"is {shown_address(study_file.storage)}, which is not there; `mnas-moo run` creates it"
        raise study_file.error(("storage",), problem)
    names = optuna.get_all_study_names(storage)
    close = nearest(study_file.name, names).replace("allowed:", "it holds:") if names else "; it holds none"
    raise study_file.error(
        ("name",), f"is {study_file.name!r}, which {shown_address(study_file.storage)} does not hold{close}"
    )


def find_study(study_file: StudyFile, say: Say | None = None) -> optuna.Study | None:
    """The study, or None where it has not been created yet.

    Args:
        study_file: the study's file.
        say: function that is told why the program waits; None: the study is only read.

    Raises:
        StudyError: the storage cannot be reached.
    """
    storage = existing_storage(study_file, say)
    if storage is None or study_file.name not in optuna.get_all_study_names(storage):
        return None
    return optuna.load_study(study_name=study_file.name, storage=storage)


def existing_storage(study_file: StudyFile, say: Say | None = None) -> BaseStorage | None:
    """The storage, or None where there is none yet; nothing is created.

    Args:
        study_file: the study's file.
        say: function that is told why the program waits; None: the storage is only read.

    Raises:
        StudyError: the URL names no storage, the storage cannot be reached, or its folder is missing.
    """
    file = storage_file(study_file)
    if file is not None:
        if not file.parent.is_dir():
            problem = f"is {shown_address(study_file.storage)}, but there is no folder {file.parent}"
            raise study_file.error(("storage",), problem)
        if not file.exists():
            return None
    if study_file.storage.startswith(JOURNAL) or _has_tables(study_file, say):
        return _open(study_file, say)
    return None


def create_storage(study_file: StudyFile, say: Say = warn) -> BaseStorage:
    """The storage, created where there is none.

    Args:
        study_file: the study's file.
        say: function that is told why the program waits.

    Raises:
        StudyError: it cannot be reached or created.
    """
    return existing_storage(study_file, say) or _open(study_file, say)


def storage_file(study_file: StudyFile) -> Path | None:
    """The file of the storage, or None where it is a server.

    Raises:
        StudyError: the storage is no URL, it would keep trials in memory only, or what is there is no regular file.
    """
    import sqlalchemy

    url = study_file.storage
    shown = shown_address(url)
    if url.startswith(JOURNAL):
        path: str | None = url.removeprefix(JOURNAL)
    else:
        try:
            parsed = sqlalchemy.make_url(url)
        except sqlalchemy.exc.ArgumentError as error:
            problem = f"is {shown!r}, which is no storage; allowed: {_ALLOWED}"
            raise study_file.error(("storage",), problem) from error
        except ValueError as error:
            problem = f"is {shown}, whose port is no number; in a password, write @ as %40, : as %3A and / as %2F"
            raise study_file.error(("storage",), problem) from error
        if parsed.get_backend_name() != "sqlite":
            return None
        path = parsed.database
    if not path or path == ":memory:":
        raise study_file.error(("storage",), f"is {shown!r}, which names no file; allowed: {_ALLOWED}")
    file = Path(path)
    if file.exists():
        try:
            check_regular(file)
        except UnfitFileError as error:
            raise study_file.error(("storage",), f"is {shown}, and that {error}") from error
    return file


def _has_tables(study_file: StudyFile, say: Say | None) -> bool:
    """Whether a database holds Optuna's tables; a server that is just starting, or may be, is waited for."""
    import sqlalchemy

    from mnas_moo.running.database import engine_settings, with_driver

    patience = Patience(study_file.storage, say)
    begun = patience.clock()

    def attempt(n: int) -> bool:
        try:
            address = with_driver(study_file.storage)
            engine = sqlalchemy.create_engine(address, **engine_settings(address))
            try:
                return sqlalchemy.inspect(engine).has_table("studies")
            finally:
                engine.dispose()
        except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
            words = str(error)
            waits = WAIT_SECONDS if _STARTS in words else START_SECONDS if _NO_SERVER.search(words) else 0
            if say is not None and patience.clock() - begun < waits:
                raise
            raise _unreachable(study_file, error) from error

    return patience(attempt)


def _open(study_file: StudyFile, say: Say | None) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    creations = itertools.count(1)

    def attempt(n: int) -> BaseStorage:
        while True:
            try:
                return _opened(study_file.storage, say)
            except StorageError:
                raise
            except Exception as error:
                # Of several processes that create the same tables at once, all but one fail, and then find them made.
                made = isinstance(error, (SQLAlchemyError, optuna.exceptions.StorageInternalError)) and _is_made(error)
                if made and next(creations) < CREATION_ATTEMPTS:
                    time.sleep(CREATION_PAUSE_SECONDS)
                    continue
                trouble = trouble_of(error)
                if trouble is not None and may_pass(trouble) and say is not None:
                    raise
                raise _unreachable(study_file, error) from error

    return Patience(study_file.storage, say)(attempt)


def _is_made(error: Exception) -> bool:
    """Whether the error of a database says that another process has just made the same table or row."""
    trouble = trouble_of(error)
    return trouble is None or "already exists" in str(trouble)


def _opened(url: str, say: Say | None) -> BaseStorage:
    patience = Patience(url, say)
    if url.startswith(JOURNAL):
        from mnas_moo.running.journal import open_journal

        return open_journal(Path(url.removeprefix(JOURNAL)), patience, writing=say is not None)
    from mnas_moo.running.database import Database, with_driver

    return Database(with_driver(url), patience)


def _unreachable(study_file: StudyFile, error: Exception) -> Exception:
    trouble = trouble_of(error)
    reason = without_passwords(str(error) if trouble is None else reason_of(trouble), study_file.storage)
    if isinstance(error, ModuleNotFoundError):
        reason += "; install that driver, or name another one, as in postgresql+psycopg2://"
    return study_file.error(("storage",), f"is {shown_address(study_file.storage)}, which cannot be opened: {reason}")
