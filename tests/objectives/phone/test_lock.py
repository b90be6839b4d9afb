"""The lock on the phone, by scripts as sessions send them, and between two processes."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnas_moo.objectives.phone import lock
from mnas_moo.objectives.phone.adb import Phone, Server
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones

STUDY = """
import sys
from mnas_moo.objectives.phone.latency import AdbLatency
from tests.objectives.phone.conftest import network

latency = AdbLatency(benchmark_model=sys.argv[1], serials=[sys.argv[2]], time_limit_s=3.0, rest_s=(0.2, 1.0))
first, last = int(sys.argv[3]), int(sys.argv[4])
for start in range(first, last, 4):
    print([result.value for result in latency.measure_all([network(i) for i in range(start, start + 4)])], flush=True)
latency.close()
"""


@pytest.fixture
def phone(phones: VirtualPhones) -> Phone:
    return Server().phone(phones[0].serial)


def attempt(phone: Phone, token: str, lease_s: float = 5.0, *, force: bool = False) -> lock.Attempt:
    output = phone.run(lock.prelude(token) + lock.acquire(lease_s, force=force), 10.0)
    found = lock.attempt(output.stdout)
    assert found is not None, output
    return found


def run(phone: Phone, token: str, script: str) -> str:
    return phone.run(lock.prelude(token) + script, 10.0).stdout


@pytest.fixture(autouse=True)
def tidy(phones: VirtualPhones) -> object:
    yield
    for path in sorted((phones[0].root / "data/local/tmp").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_one_owner_at_a_time(phone: Phone) -> None:
    assert attempt(phone, "a").held
    refused = attempt(phone, "b")
    assert (refused.held, refused.owner, refused.stuck) == (False, "a", False)
    run(phone, "a", lock.release())
    taken = attempt(phone, "b")
    assert (taken.held, taken.owner) == (True, "a")


def test_lease_that_has_run_out_is_taken_over_with_what_its_owner_left(phone: Phone, phones: VirtualPhones) -> None:
    assert attempt(phone, "a", lease_s=1).held
    phone.push(b"model", f"{lock.FOLDER}/a/model-1.tflite", 0o644, 5.0)
    assert not attempt(phone, "b").held
    phones[0].pass_time(2.5)
    assert attempt(phone, "b").held
    assert not [name for name in phones[0].files() if "/a" in name]


def test_owner_whose_lock_was_taken_over_is_told(phone: Phone, phones: VirtualPhones) -> None:
    attempt(phone, "a", lease_s=1)
    phones[0].pass_time(2.5)
    attempt(phone, "b")
    assert lock.marked(run(phone, "a", lock.guard(5) + "echo measured\n")) == [["lost"]]
    assert "measured" not in run(phone, "a", lock.guard(5) + "echo measured\n")
    assert lock.marked(run(phone, "b", lock.guard(5) + lock.check())) == []


def test_renewed_lease_does_not_run_out(phone: Phone, phones: VirtualPhones) -> None:
    attempt(phone, "a", lease_s=1)
    run(phone, "a", lock.guard(60))
    phones[0].pass_time(2.5)
    assert not attempt(phone, "b").held


def test_restart_voids_a_lease(phone: Phone, phones: VirtualPhones) -> None:
    attempt(phone, "a", lease_s=3600)
    phones[0].fault("reboot", seconds=60.0)
    phones[0].clear()
    phones.connect()
    assert attempt(phone, "b").held


def test_lock_that_makes_no_sense_can_be_forced(phone: Phone, phones: VirtualPhones) -> None:
    folder = phones[0].root / "data/local/tmp/mnas_moo"
    folder.mkdir()
    (folder / "lock").write_text("")
    refused = attempt(phone, "a")
    assert (refused.held, refused.stuck) == (False, True)
    assert attempt(phone, "a", force=True).held


def test_takeover_that_was_never_finished_is_told(phone: Phone, phones: VirtualPhones) -> None:
    attempt(phone, "a", lease_s=1)
    (phones[0].root / "data/local/tmp/mnas_moo/takeover").mkdir()
    phones[0].pass_time(2.5)
    assert attempt(phone, "b").stuck
    assert attempt(phone, "b", force=True).held


def test_answer_that_was_lost_does_not_lock_the_owner_out(phone: Phone) -> None:
    attempt(phone, "a")
    assert attempt(phone, "a").held


def test_full_disk_leaves_no_lock_without_an_owner(phone: Phone, phones: VirtualPhones) -> None:
    phones[0].fault("disk_full")
    assert not attempt(phone, "a").held
    phones[0].clear()
    assert attempt(phone, "b").held


def test_nothing_is_left_after_the_last_owner(phone: Phone, phones: VirtualPhones) -> None:
    attempt(phone, "a")
    run(phone, "a", lock.release())
    attempt(phone, "b")
    run(phone, "a", lock.remove_all())
    assert phones[0].files()
    run(phone, "b", lock.remove_all())
    assert phones[0].files() == []


def test_many_takers_of_one_expired_lease_leave_one_owner(phone: Phone, phones: VirtualPhones) -> None:
    for turn in range(3):
        attempt(phone, f"old{turn}", lease_s=1)
        phones[0].pass_time(2.2)
        tokens = [f"t{turn}-{i}" for i in range(6)]
        script = "".join(f"({lock.prelude(token)}{lock.acquire(60)}) & \n" for token in tokens) + "wait\n"
        held = [words for words in lock.marked(phone.run(script, 30.0).stdout) if words[0] == "got"]
        assert len(held) == 1
        phone.remove([lock.FOLDER], 5.0)


def test_token_that_a_shell_would_read_is_refused() -> None:
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        lock.prelude("a; reboot")


def _study(phones: VirtualPhones, first: int, last: int) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[3]
    return subprocess.Popen(
        [sys.executable, "-c", STUDY, str(phones.benchmark_model), phones[0].serial, str(first), str(last)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def _owners(phones: VirtualPhones) -> list[str]:
    """Whose network each run of benchmark_model was, in order; none may begin before the one before has ended."""
    runs = [event for event in phones[0].log if event.kind == "benchmark"]
    for earlier, later in itertools.pairwise(runs):
        assert earlier.end is not None
        assert earlier.end <= later.start
    return [event.text.split(f"{lock.FOLDER}/")[1].split("/")[0] for event in runs]


@pytest.mark.slow
def test_two_studies_on_one_phone_take_turns(phones: VirtualPhones) -> None:
    studies = [_study(phones, 8, 16), _study(phones, 16, 24)]
    for study in studies:
        assert study.communicate(timeout=120)[0].count("[") == 2
        assert study.returncode == 0
    owners = _owners(phones)
    assert len(set(owners)) == 2
    changes = sum(a != b for a, b in itertools.pairwise(owners))
    assert changes <= 4  # a turn is never broken
    assert phones[0].files() == []


@pytest.mark.slow
def test_lock_and_files_of_a_killed_study_do_not_last(phones: VirtualPhones) -> None:
    killed = _study(phones, 8, 200)
    assert killed.stdout is not None
    killed.stdout.readline()
    while "mnas_moo/lock" not in phones[0].files():
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert phones[0].files()
    phones[0].pass_time(3.0 + 5.0 + 1.0)  # the study's longest invocation, then a slack; whole seconds
    after = _study(phones, 8, 12)
    assert after.communicate(timeout=60)[0].count("[") == 1
    assert phones[0].files() == []
