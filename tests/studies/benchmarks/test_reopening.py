from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from mnas_moo.genomes.history import ATTRIBUTE, key_of
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.run import run_study, subject_of
from mnas_moo.running.trials import NETWORK
from mnas_moo.studies.benchmarks import reopening
from mnas_moo.study_file.load import load_study_file


@pytest.mark.parametrize("kind", reopening.KINDS)
def test_a_filled_study_is_one_that_a_run_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    file = reopening.write_study(tmp_path, kind, "random", f"sqlite:///{tmp_path}/s.db")
    run_study(file)
    reopening.fill(file, 30)
    study = run_study(file, trials=31)
    assert [(trial.number, trial.state) for trial in study.trials] == [(i, TrialState.COMPLETE) for i in range(31)]
    subject = subject_of(load_study_file(file))
    written, run = study.trials[5], study.trials[30]
    assert list(written.params) == list(run.params)
    assert written.distributions == run.distributions
    canonical = subject.canonical(written.params) if subject.canonical else written.params
    assert written.system_attrs[ATTRIBUTE]["claim"] == key_of(canonical)
    assert (NETWORK in written.user_attrs) == isinstance(subject, NetworkTrials)


def test_the_cost_of_a_process_is_its_own(tmp_path: Path) -> None:
    idle = reopening.cost("-c", "pass", folder=tmp_path)
    busy = reopening.cost("-c", "x = b'x' * 100_000_000; sum(range(10_000_000))", folder=tmp_path)
    assert busy.cpu_seconds > idle.cpu_seconds
    assert busy.peak_mb > idle.peak_mb + 90
    with pytest.raises(RuntimeError, match="ended with 3"):
        reopening.cost("-c", "raise SystemExit(3)", folder=tmp_path)
