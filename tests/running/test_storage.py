from __future__ import annotations

import functools
import random
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from sqlalchemy import exc

from mnas_moo.running import storage
from mnas_moo.running.storage import find_study
from mnas_moo.running.trouble import Patience
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file

STUDY = """\
name: many
storage: sqlite:///many.db
space: {mnasnet: {preset: digits, blocks: 1}}
data: digits
objectives: {parameters_m: , multiply_adds_m: }
sampler: {random: {seed: null}}
trials: 6
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that pass only while the program sleeps."""
    now = [0.0]
    timed = functools.partial(
        Patience,
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
        clock=lambda: now[0],
        rng=random.Random(0),
    )
    monkeypatch.setattr(storage, "Patience", timed)
    return now


def refusing(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """From now on, no server can be connected to, for a reason."""

    def inspect(engine: object) -> None:
        raise exc.OperationalError("connect", {}, Exception(words))

    monkeypatch.setattr(sqlalchemy, "inspect", inspect)


def find(folder: Path, said: list[str]) -> None:
    (folder / "many.yaml").write_text(STUDY, encoding="utf-8")
    find_study(load_study_file(folder / "many.yaml", storage="postgresql+psycopg2://me@db/x"), said.append)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ('connection to server at "db" (10.0.0.1), port 5432 failed: Connection refused', 30),
        ('socket "/run/postgresql/.s.PGSQL.5432" failed: No such file or directory', 30),
        ("server closed the connection unexpectedly", 30),
        ("(2003, \"Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)\")", 30),
        ("(2002, \"Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)\")", 30),
        ("FATAL:  the database system is starting up", 300),
        ('FATAL:  password authentication failed for user "me"', 0),
        ('FATAL:  database "x" does not exist', 0),
        ('could not translate host name "db" to address: Name or service not known', 0),
    ],
)
def test_a_run_that_begins_waits_for_a_server_that_may_be_restarting(
    words: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    pytest.importorskip("psycopg2", reason="needs psycopg2, the extra postgresql")
    refusing(monkeypatch, words)
    said: list[str] = []
    with pytest.raises(StudyError, match=r"many.yaml: storage is .*, which cannot be opened"):
        find(tmp_path, said)
    assert seconds <= clock[0] <= 1.8 * seconds
    assert bool(said) == bool(seconds)
    assert all(line.startswith("waiting for the storage: ") for line in said)


def test_processes_that_begin_a_study_together_run_it_together(tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text(STUDY, encoding="utf-8")
    command = [sys.executable, "-m", "mnas_moo.cli.main", "run", "many.yaml"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [(worker.communicate()[1], worker.returncode) for worker in workers]
    assert [status for _, status in answers] == [0, 0, 0], answers
    study = find_study(load_study_file(tmp_path / "many.yaml", storage=f"sqlite:///{tmp_path}/many.db"))
    assert study is not None
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
    assert 6 <= len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))) <= 8
