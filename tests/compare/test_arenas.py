from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mnas_moo.compare.arenas import JOURNAL, Budget, StudyArena, TableArena, do, make_arena, study_name
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile

COUNTS = """\
name: counts
storage: sqlite:///unused.db
space: {mnasnet: {preset: digits, blocks: 2}}
data: digits
objectives: {parameters_m: , multiply_adds_m: }
constraints: {parameters_m: {max: 0.01}}
sampler: random
trials: 5
"""


@pytest.fixture
def small(table: Path) -> StudyFile:
    """The tabular study in the working folder."""
    return load_study_file("small.yaml")


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFile:
    """A study of networks that are counted."""
    monkeypatch.chdir(tmp_path)
    Path("counts.yaml").write_text(COUNTS, encoding="utf-8")
    return load_study_file("counts.yaml")


def stored(folder: str) -> dict[str, int]:
    """Studies of a comparison's storage, with the numbers of their trials."""
    storage = JournalStorage(JournalFileBackend(f"{folder}/{JOURNAL}"))
    return {
        name: len(optuna.load_study(study_name=name, storage=storage).trials)
        for name in optuna.get_all_study_names(storage)
    }


def test_a_run_on_a_table_is_a_file_and_then_a_study(small: StudyFile) -> None:
    arena = make_arena(small, Path("out"), Budget(12), None)
    assert isinstance(arena, TableArena)
    assert arena.run("random", 3, ended=False) is None
    do(arena.job("random", 3))
    assert [path.name for path in Path("out/runs").iterdir()] == ["random-3.npz"]
    run = arena.run("random", 3, ended=True)
    assert run is not None
    assert (len(run), run.sampler, run.seed) == (12, "random", 3)
    assert stored("out") == {"small random seed 3": 12}


def test_a_shorter_run_is_not_there_and_a_longer_one_is_cut(small: StudyFile) -> None:
    do(make_arena(small, Path("out"), Budget(12), None).job("random", 0))
    assert make_arena(small, Path("out"), Budget(13), None).run("random", 0, ended=False) is None
    cut = make_arena(small, Path("out"), Budget(5), None).run("random", 0, ended=False)
    assert cut is not None
    assert len(cut) == 5


def test_what_a_killed_program_left_of_a_file_is_removed(small: StudyFile) -> None:
    Path("out/runs").mkdir(parents=True)
    Path("out/runs/.random-0.123.part.npz").touch()
    make_arena(small, Path("out"), Budget(5), None)
    assert list(Path("out/runs").iterdir()) == []


def test_a_table_with_other_values_has_another_identity(small: StudyFile) -> None:
    before = make_arena(small, Path("out"), Budget(5), None).identity
    assert make_arena(load_study_file("small.yaml"), Path("out"), Budget(99), None).identity == before
    past = Path("past.csv")
    header, *rows = past.read_text(encoding="utf-8").splitlines()
    changed = [f"{row.rpartition(',')[0]},{1 + float(row.rpartition(',')[2])}" for row in rows]
    past.write_text("\n".join([header, *changed]) + "\n", encoding="utf-8")
    after = make_arena(load_study_file("small.yaml"), Path("out"), Budget(5), None).identity
    assert after["values"] != before["values"]


def test_a_table_knows_its_reference_point_and_networks_do_not(small: StudyFile, counts: StudyFile) -> None:
    table, networks = (make_arena(study, Path("out"), Budget(5), None) for study in (small, counts))
    assert table.best_hypervolume is not None
    assert table.reference_point is not None
    assert isinstance(networks, StudyArena)
    assert (networks.reference_point, networks.best_hypervolume, dict(networks.fits)) == (None, None, {})
    assert (networks.task.n_objectives, networks.task.n_constraints) == (2, 1)
    assert networks.task.canonical is not None


def test_a_run_on_networks_is_a_study_that_is_continued(counts: StudyFile) -> None:
    Path("out").mkdir()
    short = make_arena(counts, Path("out"), Budget(2), None)
    assert short.run("random", 0, ended=False) is None
    do(short.job("random", 0))
    assert len(short.run("random", 0, ended=True) or ()) == 2
    long = make_arena(counts, Path("out"), Budget(4), None)
    assert long.run("random", 0, ended=False) is None
    do(long.job("random", 0))
    run = long.run("random", 0, ended=True)
    assert run is not None
    assert (len(run), run.ended) == (4, "trials")
    assert (run.sampler_ms > 0).all()
    assert stored("out") == {study_name(counts, "random", 0): 4}


def test_a_run_on_networks_ends_when_its_time_is_up(counts: StudyFile) -> None:
    Path("out").mkdir()
    hurried = make_arena(counts, Path("out"), Budget(5, limit_ms=1e-6), None)
    do(hurried.job("random", 0))
    run = hurried.run("random", 0, ended=True)
    assert run is not None
    assert (len(run), run.ended, run.limit_ms) == (1, "time", 1e-6)
    assert make_arena(counts, Path("out"), Budget(5, limit_ms=math.inf), None).run("random", 0, ended=False) is None
