from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from mnas_moo.running.interrupts import Interrupts, interruptible, pause, pressed
from mnas_moo.running.journal_lock import this_process
from tests.running.postgres import Server
from tests.running.test_database import completed, ended, start, write


def test_until_it_is_kept_back_ctrl_c_interrupts() -> None:
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_kept_back_until_it_is_allowed() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        signal.raise_signal(signal.SIGINT)
        assert interrupts.pending
        with pytest.raises(KeyboardInterrupt), interrupts.allowed():
            pytest.fail("what may be interrupted begins although an interrupt is pending")


def test_it_is_kept_back_again_after_it_was_allowed() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        with interrupts.allowed():
            assert not interrupts.pending
        signal.raise_signal(signal.SIGINT)
        assert interrupts.pending


def test_the_second_ctrl_c_is_not_kept_back() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_handler_is_there_in_the_context_only() -> None:
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_somebody_elses_handler_stays() -> None:
    def theirs(*_: object) -> None:
        pass

    before = signal.signal(signal.SIGINT, theirs)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is theirs
        assert signal.getsignal(signal.SIGINT) is theirs
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_than_the_main_one_leaves_signals_alone() -> None:
    found: list[object] = []

    def enter() -> None:
        with Interrupts() as interrupts:
            interrupts.keep_back()
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


def test_a_block_that_may_be_interrupted_within_another_one_leaves_that_as_it_was() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        with interrupts.allowed():
            with interruptible():
                pass
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


def test_who_waits_for_another_process_is_interrupted_although_ctrl_c_is_kept_back() -> None:
    with Interrupts() as interrupts:
        interrupts.keep_back()
        with pytest.raises(KeyboardInterrupt), interruptible():
            signal.raise_signal(signal.SIGINT)


def test_a_pause_of_any_thread_ends_when_ctrl_c_is_pressed() -> None:
    assert not pressed()
    with Interrupts() as interrupts:
        interrupts.keep_back()
        thread = threading.Thread(target=pause, args=(1e6,))
        thread.start()
        signal.raise_signal(signal.SIGINT)
        pause(1e6)
        thread.join()
        assert pressed()
    assert not pressed()


def end_of(process: subprocess.Popen[str], waiting: str) -> str:
    """Presses Ctrl-C once, when a run says that it waits, and gives the rest that it says."""
    assert process.stderr is not None
    for line in process.stderr:
        if waiting in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    return err


def test_the_first_ctrl_c_ends_a_run_that_waits_for_its_database(tmp_path: Path, server: Server) -> None:
    write(tmp_path, server.create(), trials=5000)
    run = start(tmp_path, "run", "restarted.yaml")
    with ended([run]):
        while not completed(tmp_path):
            time.sleep(0.1)
        server.stop()
        try:
            err = end_of(run, "waiting for the storage")
        finally:
            server.start()
    assert err.splitlines()[-1] == "stopped; what is finished is saved. To go on: mnas-moo run restarted.yaml"
    before = completed(tmp_path)
    again = start(tmp_path, "run", "restarted.yaml", "--trials", str(before + 3))
    with ended([again]):
        _, err = again.communicate(timeout=100)
    assert again.returncode == 0, err
    assert completed(tmp_path) == before + 3


def test_the_first_ctrl_c_ends_a_run_that_waits_for_the_lock_of_its_journal(tmp_path: Path) -> None:
    write(tmp_path, "journal:///some.log", trials=5000)
    journal, lock = tmp_path / "some.log", tmp_path / "some.log.lock"
    run = start(tmp_path, "run", "restarted.yaml")
    with ended([run]):
        while not journal.exists() or journal.read_bytes().count(b'"values":[') < 3:
            time.sleep(0.1)
        while True:
            with contextlib.suppress(FileExistsError), lock.open("x", encoding="utf-8") as held:
                json.dump(this_process(), held)
                break
        err = end_of(run, "waiting for the lock")
    assert err.splitlines()[-1] == "stopped; what is finished is saved. To go on: mnas-moo run restarted.yaml"
