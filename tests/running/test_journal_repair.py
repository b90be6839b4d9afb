from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.running.journal_repair import mended, repair_journal
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import FAILURE
from tests.running.conftest import write
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


KINDS = {
    "the study's beginning": '"study_name":',
    "its identity": '"mnas_moo:study":',
    "a trial's beginning": '"datetime_start":',
    "a parameter": '"param_name":',
    "the sampler's note": '"mnas_moo":',
    "the network": '"network":',
    "the measurements": '"measurements":',
    "the constraints": '"constraints":',
    "the values": '"values":[',
}
"""What a line of a run's journal says -> text that stands in such lines only."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The journal of a run of 22 trials: with a model of the objectives, which is fitted from the 20th on."""
    folder = tmp_path_factory.mktemp("whole")
    run_study(constrained(folder, "mnas"))
    return (folder / "counts.log").read_bytes().splitlines(keepends=True)


def constrained(folder: Path, sampler: str) -> Any:
    changes = ("random", sampler, "trials: 5", "constraints: {peak_memory_mb: {max: 0.065}}\ntrials: 22")
    return write(folder, *changes)


@pytest.mark.parametrize("sampler", ["mnas", "nsga2"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_whatever_line_of_its_journal_was_lost(
    tmp_path: Path, written: list[bytes], kind: str, sampler: str
) -> None:
    study_file = constrained(tmp_path, sampler)
    found = [i for i, line in enumerate(written) if KINDS[kind].encode() in line]
    number = found[len(found) // 2]
    lines = [*written[:number], b"x" * 100 + b"\n", *written[number + 1 :]]
    journal = tmp_path / "counts.log"
    journal.write_bytes(b"".join(lines))
    repair_journal(journal, "counts", [1, 1], lambda line: None)
    study = run_study(study_file, trials=25)
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert [trial.state for trial in study.trials if trial not in failed] == [TrialState.COMPLETE] * 25
    reasons = [trial.user_attrs[FAILURE] for trial in failed]
    assert reasons == (["a parameter of it was lost in the journal"] if kind == "a parameter" else [])
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert len({tuple(trial.params) for trial in complete}) == 1


def conditional(number: int, *names: str) -> list[bytes]:
    """The lines of a trial with these parameters."""
    distribution = json.dumps({"name": "IntDistribution", "attributes": {"log": False, "step": 1, "low": 0, "high": 9}})
    common = {"worker_id": "w", "trial_id": number}
    operations: list[dict[str, Any]] = [
        {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2000-01-01T00:00:00+00:00"},
        *(
            {"op_code": 5, **common, "param_name": name, "param_value_internal": 1, "distribution": distribution}
            for name in names
        ),
        {"op_code": 8, **common, "user_attr": {"network": "n"}},
        {"op_code": 6, **common, "state": 1, "values": [1], "datetime_complete": "2000-01-01T00:00:00+00:00"},
    ]
    return [json.dumps(operation).encode() + b"\n" for operation in operations]


@pytest.mark.parametrize(
    ("others", "place", "fails"),
    [
        ([("a", "b"), ("a", "b")], 1, True),
        ([("a", "b"), ("a", "b")], 2, True),
        ([("a", "b"), ("a", "b")], 3, False),  # among what was measured
        ([("a",), ("a",)], 1, False),  # whatever was lost, it was no parameter
        ([("a", "b"), ("a",)], 1, False),  # a space in which not every trial has all parameters
        ([], 2, True),
        ([], 3, False),
    ],
)
def test_a_completed_trial_that_lost_a_parameter_has_failed(
    others: list[tuple[str, ...]], place: int, fails: bool
) -> None:
    begin = b'{"op_code":0,"worker_id":"w","study_name":"some","directions":[1]}\n'
    lines = [begin, *(line for number, names in enumerate(others) for line in conditional(number, *names))]
    damaged = conditional(len(others), "a")
    damaged[place:place] = [b"broken\n"]
    result, lost = mended([*lines, *damaged], "some", [1])
    assert [json.loads(line)["state"] for line in result if b'"state"' in line] == [1] * len(others) + [
        3 if fails else 1
    ]
    assert (f"trial {len(others)}: a parameter of it is lost, so it counts as failed" in lost) == fails
    assert mended(result, "some", [1]) == (result, [])
