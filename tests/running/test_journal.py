from __future__ import annotations

import json
import os
import random
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.running.journal import Journal, JournalError, JournalFile, open_journal, parsed
from mnas_moo.running.trouble import Patience, StorageError

TRIALS = 6


def opened(path: Path, *, writing: bool = True) -> Journal:
    return open_journal(path, Patience(f"journal:///{path}", lambda line: None), writing=writing)


def study_in(journal: Journal) -> optuna.Study:
    return optuna.create_study(storage=journal, study_name="some", load_if_exists=True)


def add_trials(study: optuna.Study, n: int) -> None:
    for _ in range(n):
        trial = study.ask()
        trial.set_user_attr("network", "ü")
        study.tell(trial, trial.suggest_float("x", 0, 1))


def finished(path: Path) -> dict[int, list[float]]:
    study = optuna.load_study(storage=opened(path, writing=False), study_name="some")
    return {trial.number: trial.values for trial in study.get_trials(states=(TrialState.COMPLETE,))}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "some.log"
    add_trials(study_in(opened(path)), TRIALS)
    return path


@pytest.mark.parametrize("harm", [lambda text: text[:-20], lambda text: text + b"garbage\n", lambda text: text + b"{"])
def test_a_broken_last_line_is_ignored_by_readers_and_cut_off_by_a_writer(
    journal: Path, harm: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    whole = journal.read_bytes()
    broken = harm(whole)
    journal.write_bytes(broken)
    before = finished(journal)
    assert len(before) >= TRIALS - 1
    assert journal.read_bytes() == broken
    study = optuna.load_study(storage=opened(journal), study_name="some")
    kept = journal.with_name("some.log.broken-1").read_bytes()
    assert journal.read_bytes() + kept == broken
    assert f"{journal}: its last line is broken and was cut off; it is kept in some.log.broken-1" in caplog.text
    add_trials(study, 1)
    assert before.items() <= finished(journal).items()
    assert len(finished(journal)) == len(before) + 1


def test_a_last_line_that_cannot_be_carried_out_is_broken(journal: Path) -> None:
    before = finished(journal)
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"me","study_id":0}\n')
    assert finished(journal) == before
    add_trials(study_in(opened(journal)), 1)
    assert len(finished(journal)) == TRIALS + 1
    assert journal.with_name("some.log.broken-1").read_bytes().startswith(b'{"op_code":4,"worker_id":"me"')


@pytest.mark.parametrize(
    "line", [b"garbage\n", b"\n", b"\0\0\n", b'{"op_code":4,"worker_id":"me","study_id":0}\n', b"[]\n"]
)
def test_a_broken_line_in_the_middle_is_an_error_with_its_number_and_nothing_is_written(
    journal: Path, line: bytes
) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines.insert(7, line)
    journal.write_bytes(b"".join(lines))
    for writing in (True, False):
        with pytest.raises(JournalError, match=r"some.log:8: the journal is broken in this line .*mnas-moo repair"):
            opened(journal, writing=writing)
    assert journal.read_bytes() == b"".join(lines)


def test_a_running_study_does_not_append_to_a_journal_that_was_broken_meanwhile(journal: Path) -> None:
    study = study_in(opened(journal))
    broken = journal.read_bytes() + b"garbage\nmore of it\n"
    journal.write_bytes(broken)
    with pytest.raises(JournalError, match="is broken"):
        study.ask()
    assert journal.read_bytes() == broken


def test_half_a_line_of_another_process_that_died_is_cut_off_before_the_next_one(journal: Path) -> None:
    study = study_in(opened(journal))
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    add_trials(study, 1)
    assert len(finished(journal)) == TRIALS + 1
    assert journal.with_name("some.log.broken-1").read_bytes() == b'{"op_code":4,"wor'


def test_a_write_that_fails_half_way_is_taken_back_and_ends_the_run(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_in(opened(journal))
    whole = journal.read_bytes()
    write = os.write

    def full(file: int, text: bytes) -> int:
        if text.startswith(b'{"op_code"'):
            return write(file, text[:10])
        if text.startswith(b'{"host"'):
            return write(file, text)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="the disk is full"):
        study.ask()
    monkeypatch.setattr(os, "write", write)
    assert journal.read_bytes() == whole
    with pytest.raises(StorageError, match="the disk is full"):  # what comes next would lack what was not stored
        study.ask()
    add_trials(study_in(opened(journal)), 1)
    assert len(finished(journal)) == TRIALS + 1


def test_a_journal_that_is_cut_while_it_is_in_use_is_not_appended_to(journal: Path) -> None:
    study = study_in(opened(journal))
    os.truncate(journal, 300)
    with pytest.raises(StorageError, match="was cut or replaced while it was in use"):
        study.ask()
    assert journal.stat().st_size == 300


def test_a_journal_that_is_replaced_while_it_is_in_use_is_not_appended_to(journal: Path) -> None:
    study = study_in(opened(journal))
    journal.with_name("new").write_bytes(journal.read_bytes())
    journal.with_name("new").replace(journal)
    before = journal.read_bytes()
    with pytest.raises(StorageError, match="was cut or replaced while it was in use"):
        study.ask()
    assert journal.read_bytes() == before


def test_two_storages_of_one_journal_see_each_other(journal: Path) -> None:
    one, other = study_in(opened(journal)), study_in(opened(journal))
    add_trials(one, 2)
    add_trials(other, 2)
    assert [trial.number for trial in one.trials] == list(range(TRIALS + 4))


def test_logs_are_given_from_any_number_on(journal: Path) -> None:
    file = JournalFile(journal, lambda line: None)
    logs = list(file.read_logs(0))
    assert len(logs) == journal.read_bytes().count(b"\n")
    assert list(file.read_logs(len(logs))) == []
    assert list(file.read_logs(3)) == logs[3:]


def test_a_journal_of_optunas_own_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "some.log"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    add_trials(optuna.create_study(storage=theirs, study_name="some"), 2)
    add_trials(study_in(opened(path)), 2)
    assert len(optuna.load_study(study_name="some", storage=theirs).trials) == 4


@pytest.mark.parametrize(
    "line", [b"1", b"{}", b'{"op_code":11,"worker_id":"x"}', b'{"op_code":true,"worker_id":"x"}', b'{"op_code":1}']
)
def test_what_is_no_operation_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="operation"):
        parsed(line)


def mutated(text: bytes, rng: random.Random) -> bytes:
    """A text with one to three changes: bytes changed, taken out, doubled or put elsewhere."""
    for _ in range(rng.randint(1, 3)):
        a = rng.randrange(len(text))
        b = min(len(text), a + rng.choice((1, 1, 5, 50, 400)))
        part = text[a:b]
        text = rng.choice(
            (
                text[:a] + bytes(rng.randrange(256) for _ in part) + text[b:],
                text[:a] + text[b:],
                text[:b] + part + text[b:],
                text[:a] + rng.choice((b"9", b"-1", b"null", b"[]", b"\n", b'"', b"1e400", b"[" * 5000)) + text[b:],
                text[:a],
            )
        )
        if not text:
            return b"\n"
    return text


def test_a_mutated_journal_is_opened_or_refused_with_its_line(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = journal.read_bytes()
    refusals: list[str] = []
    gone = 0
    for seed in range(200):
        journal.write_bytes(mutated(whole, random.Random(seed)))
        for writing in (False, True):
            try:
                study = optuna.load_study(storage=opened(journal, writing=writing), study_name="some")
                if writing:
                    add_trials(study, 1)
            except StorageError as error:
                refusals.append(str(error))
            except KeyError:
                gone += 1
    assert gone < 40  # the line that begins the study is the last one, or its name was changed
    assert 100 < len(refusals) < 400
    assert [line for line in refusals if not re.match(rf"{journal}:\d+: .{{1,500}}$", line)] == []
    assert all(json.loads(line) for line in whole.splitlines())
