"""Too little memory: at the start of a run, in a child process with a limit, and in a training."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from optuna.trial import TrialState

from mnas_moo.objectives.memory import THREAD_BYTES
from mnas_moo.running import network_trials, workers
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import FAILURE
from mnas_moo.spaces.spec import NetworkSpec
from tests.running.conftest import Fake, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps RLIMIT_AS")
@pytest.mark.parametrize("megabytes", [150, 300, 1000, 2600, 3200, 3230, 3380, 3700, 4000])
def test_too_little_memory_at_the_start_is_one_line_and_status_2(tmp_path: Path, megabytes: int) -> None:
    write(tmp_path, "random", "mnas", "trials: 5", "trials: 3")
    done = subprocess.run(
        [sys.executable, "-m", "mnas_moo.cli.main", "run", "counts.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6,) * 2),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode == 0 and megabytes > 1000:  # PyTorch without CUDA is content with less
        assert "3 trials are finished" in done.stderr
        return
    (line,) = done.stderr.splitlines()
    assert line.startswith("mnas-moo: not enough memory")
    assert line.endswith("; free some, or raise the limit of this process")
    assert done.returncode == 2


@pytest.mark.parametrize("source", ["torch", "Python", "CUDA"])
def test_a_network_that_needs_too_much_memory_fails_its_trial_and_not_the_study(
    tmp_path: Path, fake: dict[str, Fake], source: str
) -> None:
    networks: list[str] = []

    def measure(spec: NetworkSpec, seed: int) -> float:
        networks.append(repr(spec))
        if len(networks) == 2:
            if source == "torch":
                torch.empty(10**14)
            if source == "Python":
                raise MemoryError
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
        return 0.5

    fake["parameters_m"] = Fake("parameters_m", measure)
    study = run_study(write(tmp_path, "trials: 5", "trials: 3"))
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    reason = study.trials[1].user_attrs[FAILURE]
    assert reason.startswith("parameters_m: not enough memory")
    assert ("tried to allocate" in reason.lower()) == (source != "Python")


def test_without_room_for_a_thread_a_trial_fails_and_none_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def need_room(n_bytes: int) -> None:
        asked.append(n_bytes)
        if len(asked) == 2:
            raise MemoryError("not enough memory (no room for 64 MiB)")

    monkeypatch.setattr(network_trials, "need_room", need_room)
    study = run_study(write(tmp_path, "trials: 5", "trials: 2"))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[1].user_attrs[FAILURE] == "MemoryError: not enough memory (no room for 64 MiB)"
    assert asked == [2 * THREAD_BYTES] * 3


def test_without_room_for_its_thread_a_run_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "THREAD_BYTES", 2**60)
    before = threading.active_count()
    with pytest.raises(MemoryError, match="not enough memory"):
        run_study(write(tmp_path))
    assert threading.active_count() == before


def test_what_a_failed_training_held_is_let_go_before_the_next_trial(tmp_path: Path, fake: dict[str, Fake]) -> None:
    class Large:
        """Stands for the tensors of a network."""

        alive = 0

        def __init__(self) -> None:
            Large.alive += 1

        def __del__(self) -> None:
            Large.alive -= 1

    seen = []

    def measure(spec: NetworkSpec, seed: int) -> float:
        seen.append(Large.alive)
        large = Large()
        if len(seen) == 1:
            raise MemoryError
        del large
        return 0.5

    fake["parameters_m"] = Fake("parameters_m", measure)
    run_study(write(tmp_path, "trials: 5", "trials: 1"))
    assert seen == [0, 0]
