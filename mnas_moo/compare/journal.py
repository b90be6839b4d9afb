"""Runs as studies in one journal file, for the Optuna Dashboard; each is written in one step when it is complete.

Optuna's journal storage writes and reads back trial by trial and keeps all of them in memory. Here it works on a
buffer that holds the records of the file's studies but not those of their trials, and the records of a run are
appended to the file together.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import FrozenTrial

from mnas_moo.objectives.objective import Direction

COMPLETE = "compare:complete"
"""System attribute of a study, written last: the data it was made of. A study without it is incomplete."""


class Journal:
    """The journal file of a comparison; only one program may write to it at a time.

    Args:
        file: path of the file, which is created with the first study.
    """

    def __init__(self, file: Path) -> None:
        self._file = file.absolute()  # Optuna's lock is a link to it
        self._buffer = _Buffer()
        # a program that was killed while writing leaves its lock behind
        file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
        if file.exists():
            _cut_unfinished_line(file)
            self._buffer.records.extend(_study_records(file))

    def put(
        self,
        name: str,
        directions: Mapping[str, Direction],
        trials: Callable[[], Sequence[FrozenTrial]],
        made_of: Mapping[str, Any],
    ) -> None:
        """Writes a study with its trials, and replaces one of the same name unless it was made of the same data.

        Args:
            name: name of the study.
            directions: objective -> "minimize" or "maximize", in the order of the trials' values.
            trials: function that makes the finished trials; called only if they are written.
            made_of: plain data that identifies the content.
        """
        storage = JournalStorage(self._buffer)
        known = {study.study_name: study for study in storage.get_all_studies()}
        if name in known:
            if known[name].system_attrs.get(COMPLETE) == made_of:
                return
            storage.delete_study(known[name]._study_id)
        written = len(self._buffer.records) - (name in known)
        study = optuna.create_study(study_name=name, storage=storage, directions=list(directions.values()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(directions))
        for trial in trials():
            storage.create_new_trial(study._study_id, template_trial=trial)
        storage.set_study_system_attr(study._study_id, COMPLETE, dict(made_of))
        JournalFileBackend(str(self._file)).append_logs(self._buffer.records[written:])
        self._buffer.records = [record for record in self._buffer.records if not _of_trial(record)]


class _Buffer(BaseJournalBackend):
    """A journal that is kept in memory."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self.records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.records.extend(json.loads(json.dumps(logs)))  # as they would be read from a file


def _study_records(file: Path) -> Iterator[dict[str, Any]]:
    """The file's records of studies; those of trials, which are nearly all, are skipped unparsed."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if '"datetime_start":' not in line and '"trial_id":' not in line:
                yield json.loads(line)


def _of_trial(record: Mapping[str, Any]) -> bool:
    return "datetime_start" in record or "trial_id" in record


def _cut_unfinished_line(file: Path) -> None:
    """Removes an incomplete last line, left by a killed program; records after it would be unreadable."""
    with file.open("rb+") as journal:
        content = journal.read()
        journal.truncate(content.rfind(b"\n") + 1)
