from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.running.journal_repair import mended, repair_journal
from tests.running.test_journal import add_trials, finished, journal, mutated, opened, study_in

__all__ = ["journal"]

TRIALS = 6


def repaired(path: Path) -> list[str]:
    return repair_journal(path, "some", [1], lambda line: None).lost


def trials(path: Path) -> list[dict[str, Any]]:
    study = optuna.load_study(storage=opened(path, writing=False), study_name="some")
    return [{"state": t.state.name, "values": t.values, "params": t.params, **t.user_attrs} for t in study.trials]


def test_a_whole_journal_is_not_touched(journal: Path) -> None:
    before = journal.stat()
    assert repair_journal(journal, "some", [1], lambda line: None).kept is None
    assert journal.stat() == before
    assert [path.name for path in journal.parent.iterdir()] == ["some.log"]


def test_garbage_is_taken_out_and_a_copy_is_kept(journal: Path) -> None:
    before = trials(journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[5:5] = [b"garbage\n"]
    lines[9:9] = [b"more\n"]
    journal.write_bytes(b"".join(lines))
    repair = repair_journal(journal, "some", [1], lambda line: None)
    assert [line.split(":")[0] for line in repair.lost] == ["line 6", "line 10"]
    assert repair.kept is not None
    assert repair.kept.read_bytes() == b"".join(lines)
    assert trials(journal) == before
    add_trials(study_in(opened(journal)), 1)


@pytest.mark.parametrize("number", range(TRIALS))
def test_a_trial_whose_beginning_is_broken_keeps_its_results_and_the_others_theirs(journal: Path, number: int) -> None:
    before = trials(journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    beginning = [i for i, line in enumerate(lines) if json.loads(line)["op_code"] == 4][number]
    lines[beginning] = b"x" * len(lines[beginning][:-1]) + b"\n"
    journal.write_bytes(b"".join(lines))
    lost = repaired(journal)
    assert lost[0].startswith(f"line {beginning + 1}: ")
    assert lost[1] == f"trial {number}: when it began is lost; the rest of it is kept"
    assert trials(journal) == before


def test_a_trial_without_beginning_and_end_has_failed(journal: Path) -> None:
    study = study_in(opened(journal))
    study.ask().set_user_attr("network", "n")
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[-2] = b"x" * 150 + b"\n"
    journal.write_bytes(b"".join(lines))
    assert repaired(journal)[1] == f"trial {TRIALS}: its beginning is lost and it has no end; it failed"
    assert trials(journal)[-1]["state"] == "FAIL"


def test_the_beginning_of_the_study_is_made_again(journal: Path) -> None:
    before = trials(journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([b"garbage\n", *lines[1:]]))
    assert repaired(journal)[0].startswith("line 1: 8 bytes")
    assert trials(journal) == before


def test_a_line_that_refers_to_nothing_is_taken_out() -> None:
    begins = b'{"op_code":0,"worker_id":"w","study_name":"some","directions":[1]}\n'
    refers = b'{"op_code":8,"worker_id":"w","trial_id":1000000,"user_attr":{"a":1}}\n'
    assert mended([begins, refers], "some", [1]) == (
        [begins],
        ["line 2: refers to a trial or study that has not begun"],
    )


def test_a_mutated_journal_is_mended_so_that_it_opens_and_goes_on(journal: Path) -> None:
    whole = journal.read_bytes()
    before = finished(journal)
    kept = 0
    for seed in range(100):
        journal.write_bytes(mutated(whole, random.Random(seed)))
        repaired(journal)
        assert not repaired(journal), seed
        study = study_in(opened(journal))
        kept += len([t for t in study.get_trials(states=(TrialState.COMPLETE,)) if t.values in before.values()])
        add_trials(study, 1)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    assert kept > 100 * TRIALS / 3
