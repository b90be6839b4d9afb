"""Many processes on one PostgreSQL, the storage for many machines; MNAS_MOO_POSTGRES is the URL of a database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.running.storage import open_study
from mnas_moo.running.trials import NETWORK, SAME_AS
from mnas_moo.study_file.load import load_study_file

URL = os.environ.get("MNAS_MOO_POSTGRES")
STUDY = """\
name: shared
space: {mnasnet: {preset: digits, blocks: 1}}
data: digits
objectives: {parameters_m: , multiply_adds_m: }
sampler: {mnas: {seed: 0}}
trials: 16
"""

pytestmark = pytest.mark.skipif(URL is None, reason="needs a PostgreSQL server, by its URL in MNAS_MOO_POSTGRES")


@pytest.fixture
def storage() -> str:
    assert URL is not None
    if "shared" in optuna.get_all_study_names(URL):
        optuna.delete_study(study_name="shared", storage=URL)
    return URL


def test_two_processes_share_a_study_without_trying_a_network_twice(tmp_path: Path, storage: str) -> None:
    file = tmp_path / "shared.yaml"
    file.write_text(f"{STUDY}storage: {storage}\n", encoding="utf-8")
    command = [sys.executable, "-m", "mnas_moo.cli.main", "run", file.name]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    answers = [(worker.communicate()[1].decode(), worker.returncode) for worker in workers]
    assert [status for _, status in answers] == [0, 0], answers
    trials = open_study(load_study_file(file)).trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert 16 <= len(trials) <= 17
    twice = [network for network, n in Counter(trial.user_attrs[NETWORK] for trial in trials).items() if n > 1]
    assert not twice
    assert not [trial for trial in trials if SAME_AS in trial.user_attrs]
    # Each line on standard error is a trial of that process: both took part.
    assert all("trial " in lines for lines, _ in answers)
