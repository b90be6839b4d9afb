from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.running import workers
from mnas_moo.running.workers import LEASE_SECONDS, WORKER, Worker, is_dead, started_at


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study()


def note_of(process: int, **changes: Any) -> dict[str, Any]:
    """The note of a worker in a process of this machine, seen at second 1000."""
    note = Worker(optuna.create_study(), clock=lambda: 1000.0).note()
    return {**note, "process": process, "started": started_at(process), **changes}


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_worker_of_this_machine_is_dead_as_soon_as_its_process_is_killed() -> None:
    process = sleeper()
    note = note_of(process.pid)
    assert not is_dead(note, now=1e9)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ends, and stays as a zombie
    assert is_dead(note, now=1000.0)
    process.wait()
    assert is_dead(note, now=1000.0)


def test_another_process_that_has_got_the_number_of_a_dead_one_is_not_taken_for_it() -> None:
    process = sleeper()
    try:
        assert is_dead(note_of(process.pid, started="0"), now=1000.0)
    finally:
        process.kill()
        process.wait()


def test_after_a_restart_of_the_machine_its_workers_are_dead() -> None:
    assert is_dead(note_of(os.getppid(), boot="an earlier one"), now=1000.0)


@pytest.mark.parametrize("elsewhere", [{"machine": "another"}, {"processes": "pid:[1]"}], ids=["machine", "container"])
def test_a_worker_elsewhere_is_dead_when_its_lease_has_run_out(elsewhere: dict[str, str]) -> None:
    note = note_of(1, **elsewhere)
    assert not is_dead(note, now=1000.0 + LEASE_SECONDS)
    assert is_dead(note, now=1001.0 + LEASE_SECONDS)


def test_a_worker_of_this_process_is_dead_when_its_run_has_ended(study: optuna.Study) -> None:
    with Worker(study) as worker:
        note = worker.note()
        assert not is_dead(note, now=note["seen"])
    assert is_dead(note, now=note["seen"])


def test_no_thread_of_a_worker_is_left_that_could_abort_the_program_at_its_end(study: optuna.Study) -> None:
    before = set(threading.enumerate())
    with Worker(study):
        assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before


def test_a_worker_renews_the_note_of_the_trial_it_holds_and_of_no_other(study: optuna.Study) -> None:
    now = 1000.0
    worker = Worker(study, clock=lambda: now)
    study.add_trial(create_trial(state=TrialState.RUNNING, system_attrs={WORKER: worker.note(died=1)}))
    held = study.trials[0]
    worker.renew()
    now = 1060.0
    worker.hold(held._trial_id, died=1)
    worker.renew()
    assert study.trials[0].system_attrs[WORKER] == {**held.system_attrs[WORKER], "seen": 1060.0}
    now = 1120.0
    worker.release()
    worker.renew()
    assert study.trials[0].system_attrs[WORKER]["seen"] == 1060.0


def test_a_trial_that_another_worker_has_taken_up_keeps_that_workers_note(study: optuna.Study) -> None:
    worker, other = Worker(study), Worker(study)
    study.add_trial(create_trial(state=TrialState.RUNNING, system_attrs={WORKER: other.note()}))
    before = study.trials[0].system_attrs
    worker.hold(study.trials[0]._trial_id, died=0)
    worker.renew()
    assert study.trials[0].system_attrs == before


def test_notes_are_renewed_by_themselves_though_the_storage_fails_now_and_then(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def renew(self: Worker) -> None:
        calls.append(len(calls))
        raise OSError("the storage is away")

    monkeypatch.setattr(workers, "RENEWAL_SECONDS", 0.001)
    monkeypatch.setattr(Worker, "renew", renew)
    with Worker(study):
        until = time.monotonic() + 10
        while len(calls) < 3 and time.monotonic() < until:
            time.sleep(0.001)
    assert len(calls) >= 3
