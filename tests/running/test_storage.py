from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna

from mnas_moo.running.storage import find_study
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
