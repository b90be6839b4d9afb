from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mnas_moo.running.journal_lock import JournalLock, has_ended, is_known, this_process


class Clock:
    """Time that passes only where it is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def lock(tmp_path: Path, said: list[str]) -> JournalLock:
    clock = Clock()
    return JournalLock(tmp_path / "some.log", said.append, sleep=clock.sleep, clock=clock)


def of_dead() -> dict[str, object]:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    return {**this_process(), "pid": dead.pid, "started": "1"}


def test_a_lock_names_its_holder_and_goes_with_it(lock: JournalLock) -> None:
    with lock.held():
        assert json.loads(lock.path.read_text(encoding="utf-8")) == this_process()
    assert not lock.path.exists()


def test_a_dead_holders_lock_is_broken_at_once(lock: JournalLock, said: list[str]) -> None:
    holder = of_dead()
    lock.path.write_text(json.dumps(holder), encoding="utf-8")
    began = time.monotonic()
    with lock.held():
        pass
    assert time.monotonic() - began < 1
    assert lock.clock() == 0
    assert said == [f"the lock {lock.path} was left by process {holder['pid']}, which has ended; it is removed"]


def test_a_process_number_that_is_in_use_again_is_another_process() -> None:
    assert has_ended({**this_process(), "started": "1"})
    assert not has_ended(this_process())
    assert not is_known({**this_process(), "machine": "elsewhere"})


def test_a_living_holder_is_named_and_never_robbed(lock: JournalLock, said: list[str]) -> None:
    lock.path.write_text(json.dumps(this_process()), encoding="utf-8")
    os.utime(lock.path, (0, 0))
    with (
        pytest.raises(TimeoutError, match=rf"the lock .*some.log.lock is held by process {os.getpid()} on "),
        lock.held(),
    ):
        pass
    assert lock.path.exists()
    assert len(said) == 1
    assert said[0].startswith(f"waiting for the lock {lock.path}, ")
    assert f"held by process {os.getpid()} on " in said[0]
    assert 300 <= lock.clock() < 301


@pytest.mark.parametrize("kind", ["link", "empty", "elsewhere"])
def test_an_old_lock_of_somebody_unknown_is_broken_after_a_second(
    lock: JournalLock, said: list[str], kind: str
) -> None:
    if kind == "link":  # Optuna's
        lock.path.symlink_to(lock.path.with_suffix(""))
    else:
        holder = {**this_process(), "machine": "elsewhere", "host": "far"} if kind == "elsewhere" else ""
        lock.path.write_text(json.dumps(holder) if holder else "", encoding="utf-8")
    os.utime(lock.path, (time.time() - 40,) * 2, follow_symlinks=False)
    with lock.held():
        pass
    assert 1 < lock.clock() < 2
    assert len(said) == 1
    assert said[0].startswith(f"the lock {lock.path}, 40 s old and held by ")
    assert not os.path.lexists(lock.path)


def test_a_young_lock_of_somebody_unknown_is_waited_for(lock: JournalLock, said: list[str]) -> None:
    lock.path.symlink_to("nowhere")
    with pytest.raises(TimeoutError), lock.held():
        pass
    assert lock.path.is_symlink()
    assert len(said) == 1


def test_a_full_disk_or_a_read_only_one_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"), JournalLock(tmp_path / "gone" / "x.log", print).held():
        pass


def test_of_many_that_break_a_lock_one_at_a_time_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "some.log"
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        lock = JournalLock(path, lambda line: None)
        for _ in range(20):
            with lock.held():
                inside.append(1)
                most.append(len(inside))
                inside.pop()
                holder = {**this_process(), "started": "1"}  # as if it had been killed here
                if len(most) % 5 == 0:
                    lock.path.write_text(json.dumps(holder), encoding="utf-8")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(most) == 80
    assert max(most) == 1
