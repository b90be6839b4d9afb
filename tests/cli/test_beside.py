"""Further processes of a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.cli.beside import Beside
from mnas_moo.running.trials import Observer
from mnas_moo.running.workers import WORKER, started_at
from tests.cli.conftest import Run, change

ROOT = Path(__file__).parents[2]


def trials() -> list[FrozenTrial]:
    try:
        return optuna.load_study(study_name="counts", storage="sqlite:///counts.db").trials
    except (KeyError, optuna.exceptions.StorageInternalError):  # it is not there yet
        return []


def processes() -> Counter[int]:
    """How many trials each process has had."""
    return Counter(trial.system_attrs[WORKER]["process"] for trial in trials())


def endless(*words: str) -> subprocess.Popen[str]:
    """A run of two processes without end, both at work."""
    change("trials: 4", "trials: 100000")
    process = subprocess.Popen(
        [sys.executable, "-m", "mnas_moo.cli.main", "run", "counts.yaml", "--jobs", "2"],
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    until = time.monotonic() + 60
    while len(processes()) < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.2)
    return process


def ended(number: int, seconds: float = 30) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + seconds
    while started_at(number) is not None and time.monotonic() < until:
        time.sleep(0.1)
    return started_at(number) is None


def test_a_run_of_two_processes_has_the_trials_it_wants_and_prints_those_of_both(mnas_moo: Run) -> None:
    status, out, err = mnas_moo("run", "counts.yaml", "--jobs", "2", "--trials", "150")
    assert status == 0
    assert [trial.state for trial in trials()] == [TrialState.COMPLETE] * 150
    assert len(processes()) == 2
    assert "multiply_adds_m" in out
    assert sum(line.startswith("trial ") for line in err.splitlines()) >= 149  # the last may end after ours
    assert all(ended(number) for number in processes() if number != os.getpid())


def test_ctrl_c_ends_both_after_saving(mnas_moo: Run) -> None:
    with endless() as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.endswith("stopped; what is finished is saved. To go on: mnas-moo run counts.yaml\n")
    assert "Traceback" not in rest
    assert not [trial for trial in trials() if trial.state == TrialState.RUNNING]
    assert all(ended(number) for number in processes())


def test_none_is_left_when_the_first_is_killed(mnas_moo: Run) -> None:
    with endless() as process:
        process.kill()
    assert all(ended(number) for number in processes())
    running = [trial for trial in trials() if trial.state == TrialState.RUNNING]
    assert all(trial.system_attrs[WORKER]["process"] == process.pid for trial in running)


def test_one_that_ends_by_an_error_is_told_and_the_run_goes_on() -> None:
    told = []

    class Notes(Observer):
        def waiting(self, why: str) -> None:
            told.append(why)

    with Beside(["run", "nowhere.yaml"], Notes()).start(1):
        until = time.monotonic() + 60
        while not told and time.monotonic() < until:
            time.sleep(0.1)
    assert len(told) == 1
    assert told[0].startswith("one of the processes of this run ended with exit status 2: ")
    assert "nowhere.yaml" in told[0]


def test_no_processes_are_none_in_one_line(mnas_moo: Run) -> None:
    assert mnas_moo("run", "counts.yaml", "--jobs", "0") == (2, "", "mnas-moo: --jobs is 0; it must be at least 1\n")
