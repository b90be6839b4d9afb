"""Many processes on one MariaDB, which is restarted under them."""

from __future__ import annotations

from pathlib import Path

from optuna.trial import TrialState

from mnas_moo.running.storage import open_study
from mnas_moo.study_file.load import load_study_file
from tests.running.mysql import MariaDB
from tests.running.test_postgres import answers, work_under_harm, write_table


def test_eight_processes_finish_exactly_as_many_trials_as_are_wanted_though_the_server_is_killed(
    tmp_path: Path, mariadb: MariaDB, mysql: str
) -> None:
    path = write_table(tmp_path, mysql, "{random: {seed: null}}", 60)
    for worker in work_under_harm(path, 8, [(20, mariadb.restart), (30, None)]):
        err = worker.err.read_text(encoding="utf-8")
        assert worker.process.returncode in (0, -9), err
        assert "Traceback" not in err, err
    trials = open_study(load_study_file(path)).trials
    assert [trial.number for trial in trials] == list(range(60))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert all(trial.values == answers(trial.params) for trial in trials)
