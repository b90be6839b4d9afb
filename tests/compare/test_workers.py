from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mnas_moo.compare.workers import in_processes


def work(job: str) -> None:
    what, _, rest = job.partition(" ")
    if what == "write":
        name, _, text = rest.partition(" ")
        Path(name).write_text(text or os.environ["OMP_NUM_THREADS"], encoding="utf-8")
    elif what == "raise":
        raise ValueError(f"{rest}\nand more")
    elif what == "divide":
        print(1 / 0)
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "sleep":
        Path(rest).write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(60)


def done(jobs: list[str], at_once: int = 2) -> dict[str, str | None]:
    ends: dict[str, str | None] = {}

    def ended(job: str, failure: str | None) -> Callable[[str], bool]:
        ends[job] = failure
        return lambda other: True

    in_processes(jobs, work, ended, at_once=at_once)
    return ends


def test_every_job_is_done_with_one_thread_and_the_environment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    jobs = [f"write {tmp_path / str(i)}" for i in range(5)]
    assert done(jobs) == dict.fromkeys(jobs)
    assert {path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"1"}
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_job_that_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    good = f"write {tmp_path / 'good'} x"
    assert done(["raise this went wrong", "divide", "die", good]) == {
        "raise this went wrong": "this went wrong and more",
        "divide": "ZeroDivisionError: division by zero",
        "die": "its process ended with status -9",
        good: None,
    }
    assert (tmp_path / "good").read_text(encoding="utf-8") == "x"


def test_jobs_that_are_not_wanted_any_more_are_not_started(tmp_path: Path) -> None:
    jobs = ["raise no", f"write {tmp_path / 'dropped'} x", f"write {tmp_path / 'kept'} x"]
    in_processes(jobs, work, lambda job, failure: lambda other: "dropped" not in other, at_once=1)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_jobs_end_with_the_program(how: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tests.compare.test_workers import done\n"
        f"if __name__ == '__main__': done(['sleep {tmp_path / 'pid'}'])\n"
    )
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, file], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(encoding="utf-8") != "")
    job = int((tmp_path / "pid").read_text(encoding="utf-8"))
    process.send_signal(how)
    process.wait(20)
    wait_for(lambda: not alive(job))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
