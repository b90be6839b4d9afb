"""Mends a journal: takes out its broken lines and keeps what the others say.

A journal numbers trials and studies by the order of the lines that begin them. Where such a line is broken, all that
follows would be taken for another trial's. So a line that refers to a trial that has not begun yet shows that a broken
line before it began one, and a plain beginning is put in that line's place. A completed trial that has lost a parameter
is no result of any network or row: it becomes a failed one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.storages.journal._storage import JournalOperation, JournalStorageReplayResult
from optuna.trial import TrialState

from mnas_moo.running.journal import keep, parsed, split_lines
from mnas_moo.running.journal_lock import JournalLock
from mnas_moo.running.trouble import Say

WORKER = "mnas-moo repair"
SHORTEST_BEGINNING = 100
"""A line that begins a trial has at least so many bytes: worker and time are in it."""

_OF_TRIALS = range(JournalOperation.SET_TRIAL_PARAM, JournalOperation.SET_TRIAL_SYSTEM_ATTR + 1)
_OF_STUDIES = (*range(JournalOperation.DELETE_STUDY, JournalOperation.CREATE_TRIAL + 1),)


@dataclass
class Repair:
    """What was found in a journal.

    Attributes:
        lost: what was taken out or replaced, a sentence for each.
        kept: the copy of the journal as it was; None: nothing was broken, and the journal is untouched.
    """

    lost: list[str] = field(default_factory=list)
    kept: Path | None = None


def repair_journal(path: Path, study_name: str, directions: Sequence[int], say: Say) -> Repair:
    """Mends a journal in place, and keeps a copy of it.

    Args:
        path: the journal.
        study_name: name of the study in it, should the line be broken that begins it.
        directions: directions of its objectives, as Optuna numbers them.
        say: function that is told of locks that are waited for.

    Raises:
        OSError: it cannot be read or written; it is as it was.
    """
    with JournalLock(path, say).held():
        content = path.read_bytes()
        lines, lost = mended(split_lines(content), study_name, directions)
        if not lost:
            return Repair()
        kept = keep(path, content)
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as file:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
        part.chmod(path.stat().st_mode & 0o777)
        part.replace(path)
    return Repair(lost, kept)


def mended(lines: Sequence[bytes], study_name: str, directions: Sequence[int]) -> tuple[list[bytes], list[str]]:
    """The lines of a journal that can be used, and what was lost of the others."""
    operations, broken, lost = _numbered(lines, study_name, directions)
    replay = JournalStorageReplayResult(WORKER)
    result: list[bytes] = []
    replaced: list[int] = []
    courses: list[_Course] = []
    for number, operation, made in operations:
        op_code = operation["op_code"]
        try:
            replay.apply_logs([operation])
        except Exception as error:
            lost.append(f"line {number}: cannot be carried out ({type(error).__name__}: {error})")
            broken.append(number)
            if op_code == JournalOperation.CREATE_TRIAL:
                operation, made = _trial(operation.get("study_id", 0)), True
            elif op_code == JournalOperation.CREATE_STUDY:
                operation = _study(study_name, directions)
            else:
                continue
            replay.apply_logs([operation])
        if made and op_code == JournalOperation.CREATE_TRIAL:
            replaced.append(len(replay._trials) - 1)
        if op_code == JournalOperation.CREATE_TRIAL:
            courses.append(_Course(number))
        elif op_code in _OF_TRIALS:
            course = courses[operation["trial_id"]]
            course.chosen = 0 if op_code == JournalOperation.SET_TRIAL_PARAM else course.chosen or number
            if replay._trials[operation["trial_id"]].state == TrialState.COMPLETE:
                course.end = len(result)
        result.append(_line(operation))
    for trial_id in replaced:
        trial = replay._trials[trial_id]
        if not trial.state.is_finished():
            lost.append(f"trial {trial.number}: its beginning is lost and it has no end; it failed")
            reason = {"failure": "its lines in the journal were broken"}
            common = {"worker_id": WORKER, "trial_id": trial_id}
            result.append(_line({"op_code": JournalOperation.SET_TRIAL_USER_ATTR, **common, "user_attr": reason}))
            end = {"state": TrialState.FAIL, "values": None, "datetime_complete": "2000-01-01T00:00:00+00:00"}
            result.append(_line({"op_code": JournalOperation.SET_TRIAL_STATE_VALUES, **common, **end}))
        else:
            lost.append(f"trial {trial.number}: when it began is lost; the rest of it is kept")
    ends: dict[int, list[bytes]] = {}
    for trial_id, course in enumerate(courses):
        if course.end is not None and _has_lost_a_parameter(replay, trial_id, courses, broken):
            lost.append(f"trial {replay._trials[trial_id].number}: a parameter of it is lost, so it counts as failed")
            failed = {**json.loads(result[course.end]), "state": TrialState.FAIL, "values": None}
            reason = {"failure": "a parameter of it was lost in the journal"}
            common = {"worker_id": WORKER, "trial_id": trial_id}
            told = {"op_code": JournalOperation.SET_TRIAL_USER_ATTR, **common, "user_attr": reason}
            ends[course.end] = [_line(told), _line(failed)]
    result = [line for i, whole in enumerate(result) for line in ends.get(i, [whole])]
    return (result, lost) if lost else (list(lines), lost)


@dataclass
class _Course:
    """Where the lines of a trial are.

    Attributes:
        begin: number of the line that begins it.
        chosen: number of its first line after its last parameter; 0: there is none.
        end: index, among the lines that are kept, of the one that completes it.
    """

    begin: int
    chosen: int = 0
    end: int | None = None

    def may_have_lost(self, broken: Sequence[int]) -> bool:
        """Whether one of the broken lines is where the trial's parameters are."""
        return any(self.begin <= number <= self.chosen for number in broken)


def _has_lost_a_parameter(
    replay: JournalStorageReplayResult, trial_id: int, courses: Sequence[_Course], broken: Sequence[int]
) -> bool:
    """Whether a completed trial may have lost a parameter, and has fewer than all others, or there are no others."""
    if not courses[trial_id].may_have_lost(broken):
        return False
    study_id = replay._trial_id_to_study_id[trial_id]
    others = {
        frozenset(replay._trials[other].params)
        for other, course in enumerate(courses)
        if course.end is not None
        and replay._trial_id_to_study_id[other] == study_id
        and not course.may_have_lost(broken)
    }
    names = frozenset(replay._trials[trial_id].params)
    return not others or (len(others) == 1 and names < others.pop())


def _numbered(
    lines: Sequence[bytes], study_name: str, directions: Sequence[int]
) -> tuple[list[tuple[int, dict[str, Any], bool]], list[int], list[str]]:
    """The operations with the numbers of their lines and whether they were made anew, and what is broken.

    Returns:
        The operations; those made anew are beginnings that were lost. Numbers of the broken lines. What was lost.
    """
    operations: list[tuple[int, dict[str, Any], bool]] = []
    lost: list[str] = []
    trials = studies = room = 0  # room: number of beginnings that can have been in the last broken line
    place, broken = 0, list[int]()
    for number, line in enumerate(lines, 1):
        try:
            operation = parsed(line)
            op_code = operation["op_code"]
            subject = operation.get("trial_id" if op_code in _OF_TRIALS else "study_id", 0)
            if not isinstance(subject, int) or isinstance(subject, bool) or subject < 0:
                raise ValueError("it names no trial or study")
            if not line.endswith(b"\n"):
                raise ValueError("its end is missing")
        except ValueError as error:
            lost.append(f"line {number}: {len(line)} bytes ({error})")
            broken.append(number)
            place, room = len(operations), max(1, len(line) // SHORTEST_BEGINNING)
            continue
        missing = 0
        if op_code in _OF_TRIALS:
            missing = subject + 1 - trials
            beginning = _trial(next((o.get("study_id", 0) for _, o, _ in operations if o["op_code"] == 4), 0))
        elif op_code in _OF_STUDIES:
            missing = subject + 1 - studies
            beginning = _study(study_name, directions)
        if missing > 0:
            if missing > room:
                lost.append(f"line {number}: refers to a trial or study that has not begun")
                continue
            operations[place:place] = [(broken[-1], beginning, True)] * missing
            room -= missing
            if op_code in _OF_TRIALS:
                trials += missing
            else:
                studies += missing
        trials += op_code == JournalOperation.CREATE_TRIAL
        studies += op_code == JournalOperation.CREATE_STUDY
        operations.append((number, operation, False))
    return operations, broken, lost


def _trial(study_id: int) -> dict[str, Any]:
    """The operation that begins a trial of which nothing is known."""
    return {
        "op_code": JournalOperation.CREATE_TRIAL,
        "worker_id": WORKER,
        "study_id": study_id,
        "datetime_start": "2000-01-01T00:00:00+00:00",
    }


def _study(name: str, directions: Sequence[int]) -> dict[str, Any]:
    """The operation that begins a study."""
    return {
        "op_code": JournalOperation.CREATE_STUDY,
        "worker_id": WORKER,
        "study_name": name,
        "directions": list(directions),
    }


def _line(operation: dict[str, Any]) -> bytes:
    return json.dumps(operation, separators=(",", ":")).encode() + b"\n"
