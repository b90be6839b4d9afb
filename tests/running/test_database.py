"""A PostgreSQL that is restarted under the workers of a study, and what a call does that is made again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.cli import main as cli
from mnas_moo.running.database import Database, engine_settings, with_driver
from mnas_moo.running.storage import find_study
from mnas_moo.running.trouble import Patience
from mnas_moo.study_file.load import load_study_file
from tests.running.conftest import GRID
from tests.running.postgres import PASSWORD, Server

STUDY = """\
name: restarted
storage: {storage}
table:
  file: past.csv
  parameters: [width, act]
  objectives: {{accuracy: maximize, latency_ms: minimize}}
sampler: {{random: {{seed: null}}}}
trials: {trials}
"""


def write(folder: Path, storage: str, trials: int) -> None:
    (folder / "past.csv").write_text(GRID, encoding="utf-8")
    (folder / "restarted.yaml").write_text(STUDY.format(storage=storage, trials=trials), encoding="utf-8")


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mnas_moo.cli.main", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def ended(workers: list[subprocess.Popen[str]]) -> Iterator[None]:
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()


def completed(folder: Path) -> int:
    study = find_study(load_study_file(folder / "restarted.yaml"))
    return 0 if study is None else len(study.get_trials(states=(TrialState.COMPLETE,)))


@pytest.mark.parametrize(
    ("n_workers", "trials", "harms"), [(3, 50, 2), pytest.param(8, 300, 6, marks=pytest.mark.slow)]
)
def test_workers_outlive_restarts_of_the_server_and_cut_connections(
    tmp_path: Path, server: Server, n_workers: int, trials: int, harms: int
) -> None:
    write(tmp_path, server.create(), trials=trials)
    workers = [start(tmp_path, "run", "restarted.yaml") for _ in range(n_workers)]
    with ended(workers):
        for n in range(harms):
            deadline = time.monotonic() + 120
            while completed(tmp_path) < (n + 0.5) * trials / harms and time.monotonic() < deadline:
                time.sleep(0.5)
            (server.cut if n % 2 else server.restart)()
        answers = [(worker.communicate(timeout=300)[1], worker.returncode) for worker in workers]
    errors = "\n".join(err for err, _ in answers)
    assert {status for _, status in answers} == {0}, errors
    assert "Traceback" not in errors
    assert "waiting for the storage: " in errors
    assert "the storage answers again" in errors
    study = find_study(load_study_file(tmp_path / "restarted.yaml"))
    assert study is not None
    states = [trial.state for trial in study.trials]
    assert set(states) == {TrialState.COMPLETE}, [
        (t.number, t.state) for t in study.trials if t.state.name != "COMPLETE"
    ]
    assert [trial.number for trial in study.trials] == list(range(len(states)))
    assert trials <= len(states) < trials + n_workers


def test_no_verb_shows_a_password(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    address = postgres
    hidden = address.replace(PASSWORD, "***")
    monkeypatch.setattr("mnas_moo.running.storage.START_SECONDS", 0)
    write(tmp_path, address, trials=3)
    monkeypatch.chdir(tmp_path)
    verbosity = optuna.logging.get_verbosity()

    def answer(*words: str) -> tuple[int, str]:
        try:
            status: Any = cli.main(words)
        except SystemExit as error:  # of argparse
            status = error.code
        finally:
            optuna.logging.set_verbosity(verbosity)
        shown = "".join(capfd.readouterr())
        assert "hunter2" not in shown, f"{words}: {shown}"
        assert "Traceback" not in shown, f"{words}: {shown}"
        return status, shown

    assert answer("run", "restarted.yaml")[0] == 0
    status, shown = answer("run", "restarted.yaml", "--storage", address)
    assert status == 0
    assert f"To add some: mnas-moo run restarted.yaml --storage '{hidden}'" in shown
    assert answer("front", "restarted.yaml", "--storage", address, "--json")[0] == 0
    wrong = address.replace("hunter2", "hunter2wrong")
    refused = f"postgresql://me:{PASSWORD}@127.0.0.1:9/postgres?password={PASSWORD}"
    for verb, *more in (
        ("run",),
        ("front",),
        ("learning",),
        ("repair",),
        ("dashboard", "--no-browser", "--port", "0"),
    ):
        for storage in (wrong, refused):
            status, shown = answer(verb, "restarted.yaml", *more, "--storage", storage)
            assert (status, "postgresql://me:***@" in shown) == (2, True), shown
    for words in (
        ("front", "restarted.yaml", "--storage", refused.replace(":9/", ":port/")),
        ("front", "restarted.yaml", "--storage", refused.replace("postgresql", "nosuch")),
        ("front", "restarted.yaml", "--storage", f"postgresql://me:{PASSWORD}"),
        ("front", "restarted.yaml", "--storage", f"sqlite://me:{PASSWORD}@/x.db"),
        ("front", "restarted.yaml", "--sturage", refused),
        ("show", refused),
        ("show", "restarted.yaml", "--trial", "0", "--storage", refused),
        ("front", refused),
        ("compare", refused),
    ):
        assert answer(*words)[0] == 2
    text = STUDY.format(storage=address, trials=9).replace("accuracy: max", "accuracy: min")
    (tmp_path / "restarted.yaml").write_text(text, encoding="utf-8")
    status, shown = answer("run", "restarted.yaml")
    assert (status, "asks for" in shown, hidden in shown) == (2, True, True), shown
    text = STUDY.format(storage=address, trials=9).replace("restarted", "unheard")
    (tmp_path / "restarted.yaml").write_text(text, encoding="utf-8")
    status, shown = answer("front", "restarted.yaml")
    assert (status, hidden in shown) == (2, True), shown
    (tmp_path / "restarted.yaml").write_text(STUDY.format(storage=f"[{refused}]", trials=9), encoding="utf-8")
    assert answer("front", "restarted.yaml")[0] == 2


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(
        f"sqlite:///{tmp_path}/some.db", Patience("sqlite:///some.db", lambda line: None, sleep=lambda s: None)
    )


def losing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, every other commit, at random, is carried out, and its answer is lost."""
    import psycopg2
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.orm import Session

    commit = Session.commit
    rng = random.Random(0)

    def losing(self: Session) -> None:
        commit(self)
        if rng.random() < 0.5:
            raise OperationalError("COMMIT", {}, psycopg2.OperationalError("server closed the connection unexpectedly"))

    monkeypatch.setattr(Session, "commit", losing)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # Optuna's own pauses


def test_what_was_done_although_the_answer_was_lost_is_not_done_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg2")
    study = optuna.create_study(storage=database, directions=["minimize", "minimize"])
    storage: Any = study._storage
    losing_answers(monkeypatch)
    for n in range(0, 20, 2):
        trial = study.ask()
        storage.set_trial_user_attr(trial._trial_id, "a", n)
        x = trial.suggest_float("x", 0, 1)
        study.tell(trial, [1.0, n])
        study.add_trial(create_trial(state=TrialState.WAITING, system_attrs={"failed_trial": n, "retry_history": [n]}))
        again = study.ask()
        assert again.number == n + 1
        study.tell(again, state=TrialState.FAIL)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"] * (n // 2 + 1)
        assert study.trials[n].params == {"x": x}
        assert study.trials[n].values == [1.0, n]
        assert study.trials[n].user_attrs == {"a": n}


def test_a_waiting_trial_is_claimed_by_one_worker_only(database: Database) -> None:
    study = optuna.create_study(storage=database)
    study.enqueue_trial({"x": 1})
    identifier = study.trials[0]._trial_id
    assert database.set_trial_state_values(identifier, TrialState.RUNNING)
    assert not database.set_trial_state_values(identifier, TrialState.RUNNING)


@pytest.mark.parametrize(
    ("address", "installed", "completed"),
    [
        ("postgresql://db/x", {"psycopg2", "psycopg"}, "postgresql+psycopg2://db/x"),
        ("postgresql://db/x", {"psycopg"}, "postgresql+psycopg://db/x"),
        ("postgresql+psycopg://db/x", set(), "postgresql+psycopg://db/x"),
        ("mysql://db/x", {"pymysql"}, "mysql+pymysql://db/x"),
        ("mariadb://db/x", {"MySQLdb", "pymysql"}, "mariadb+mysqldb://db/x"),
        ("sqlite:///x.db", set(), "sqlite:///x.db"),
    ],
)
def test_an_address_without_driver_gets_the_installed_one(address: str, installed: set[str], completed: str) -> None:
    assert with_driver(address, lambda module: module in installed) == completed


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("mssql://me:hunter2@db/x", "no study can be kept in 'mssql'; allowed: sqlite, postgresql, mysql, mariadb"),
        ("postgresql+asyncpg://me:hunter2@db/x", "the driver 'asyncpg'; allowed: psycopg2, psycopg"),
        ("mysql+aiomysql://me:hunter2@db/x", "the driver 'aiomysql'; allowed: mysqldb, pymysql"),
        ("sqlite+aiosqlite:///whole.db", "the driver 'aiosqlite'; allowed: pysqlite"),
    ],
)
def test_other_databases_and_drivers_are_refused_in_one_line(
    address: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, address, trials=3)
    (tmp_path / "whole.db").touch()
    monkeypatch.chdir(tmp_path)
    verbosity = optuna.logging.get_verbosity()
    assert cli.main(["run", "restarted.yaml"]) == 2
    optuna.logging.set_verbosity(verbosity)
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("mnas-moo: restarted.yaml:2: storage is ")
    assert problem in err
    assert "hunter2" not in err


def test_without_a_driver_it_is_said_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"psycopg2 or psycopg\); pip install 'mnas-moo\[postgresql\]'"):
        with_driver("postgresql://db/x", lambda module: False)
    with pytest.raises(ImportError, match="pip install 'PyMySQL'"):
        with_driver("mysql://db/x", lambda module: False)


def test_a_setting_in_the_address_is_kept() -> None:
    assert "connect_timeout" not in engine_settings("postgresql+psycopg2://db/x?connect_timeout=3")["connect_args"]
    assert json.dumps(engine_settings("postgresql+psycopg2://db/x")["connect_args"])


def test_a_damaged_file_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "sqlite:///whole.db", trials=10)
    monkeypatch.chdir(tmp_path)
    verbosity = optuna.logging.get_verbosity()
    assert cli.main(["run", "restarted.yaml"]) == 0
    whole = Path("whole.db").read_bytes()
    damaged = 0
    for page in range(len(whole) // 4096):
        noise = random.Random(page).randbytes(4096)
        for verb, *more in (("front", "--json"), ("run", "--trials", "11")):
            Path("damaged.db").write_bytes(whole[: page * 4096] + noise + whole[(page + 1) * 4096 :])
            capsys.readouterr()
            status = cli.main([verb, "restarted.yaml", *more, "--storage", "sqlite:///damaged.db"])
            err = capsys.readouterr().err
            assert status in (0, 2)
            if status:
                damaged += 1
                assert "damaged.db" in err.splitlines()[-1], (page, err)
    optuna.logging.set_verbosity(verbosity)
    assert damaged > 10
