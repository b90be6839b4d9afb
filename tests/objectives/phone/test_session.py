"""A phone in use: what each answer to a command means, and how long the last time of the reference network serves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import pytest

from mnas_moo.objectives.phone import lock
from mnas_moo.objectives.phone.adb import (
    DiskFullError,
    Output,
    Phone,
    PhoneError,
    Server,
    TransientError,
    UnusableError,
)
from mnas_moo.objectives.phone.benchmark_model import PLACE, BenchmarkError, Timing
from mnas_moo.objectives.phone.device import State
from mnas_moo.objectives.phone.session import LockLostError, Program, Session, milliseconds
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones

TIMING = """\
INFO: count=5 first=10000 curr=10000 min=9900 max=10100 avg=10000 std=70 p5=9900 median={median} p95=10100
INFO: Inference timings in us: Init: 2000, First inference: 10000, Warmup (avg): 10000, Inference (avg): 10000
"""
DESCRIPTION = "model=Pixel 6\nabis=arm64-v8a\nboot=b1\ncore=0 1 1 x\ncore=1 2 2 x\n"


class Clock:
    """Tells a time that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakePhone(Phone):
    """Gives one answer after another; keeps what it was told to run and pushed."""

    def __init__(self, *answers: str | Output | Exception) -> None:
        self.serial = "a"
        self.answers = list(answers)
        self.scripts: list[str] = []
        self.pushed: dict[str, bytes] = {}
        self.push_error: PhoneError | None = None

    def run(self, command: str, timeout_s: float) -> Output:
        self.scripts.append(command)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Output(answer, "", 0) if isinstance(answer, str) else answer

    def push(self, data: bytes, path: str, mode: int, timeout_s: float) -> None:
        self.pushed[path] = data
        if self.push_error is not None:
            raise self.push_error


def marked(*words: str) -> str:
    return "".join(f"{lock.MARK} {word}\n" for word in words)


def ended(code: int = 0, seconds: int = 1, text: str = "", *words: str) -> str:
    return text + "\n" + marked(f"exit {code} {seconds}", *words)


def took(median_us: int) -> str:
    return ended(0, 1, TIMING.format(median=median_us))


def session(phone: Phone, program: bytes | None = b"program", clock: Clock | None = None) -> Session:
    return Session(phone, "me", Program(program), 1, 3.0, lambda: False, clock or Clock())


def test_phone_says_what_it_is_and_its_program_is_named_by_its_content() -> None:
    made = session(FakePhone(DESCRIPTION))
    assert made.identify().model == "Pixel 6"
    assert made.cores == (1,)
    assert made.runtime == f"benchmark_model sha256:{hashlib.sha256(b'program').hexdigest()[:12]}"


def test_program_on_the_phone_is_named_by_what_the_phone_says() -> None:
    made = session(FakePhone(DESCRIPTION + marked("program 0123456789abcdef  /data/local/tmp/benchmark_model")), None)
    made.identify()
    assert made.runtime == "benchmark_model sha256:0123456789ab"
    assert made.program == "benchmark_model"


@pytest.mark.parametrize(
    ("answer", "program", "kind", "message"),
    [
        ("abis=arm64-v8a\n", b"program", TransientError, "does not say what it is yet"),
        (DESCRIPTION, None, UnusableError, f"no benchmark_model on it \\({re.escape(PLACE)}\\)"),
        (DESCRIPTION, b"\x7fELF" + bytes(14) + b"\x3e\0", UnusableError, "built for x86_64"),
    ],
)
def test_phone_that_cannot_measure_says_why(
    answer: str, program: bytes | None, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        session(FakePhone(answer), program).identify()


def test_lock_that_another_has_is_told_and_nothing_is_brought() -> None:
    phone = FakePhone(marked("wait other"))
    assert session(phone).begin() == lock.Attempt(held=False, owner="other")
    assert phone.pushed == {}


def test_what_is_missing_is_brought_once() -> None:
    phone = FakePhone(marked("got") + DESCRIPTION, marked("done 0"), marked("got me", "ready") + DESCRIPTION)
    made = session(phone)
    assert isinstance(made.begin(), State)
    names = [path.rpartition("/")[2] for path in phone.pushed]
    assert sorted(names) == ["program.new", "reference.new"]
    assert all(path.startswith(f"{lock.FOLDER}/me/") for path in phone.pushed)
    phone.pushed.clear()
    made.begin()
    assert phone.pushed == {}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (marked("lost"), LockLostError),
        (Output(marked("done 1"), "mv: Permission denied", 0), UnusableError),
        (Output("", "", 0), TransientError),
    ],
)
def test_files_that_could_not_be_put_in_place_are_told(answer: str | Output, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        session(FakePhone(marked("got") + DESCRIPTION, answer)).begin()


def test_lock_is_forced_only_after_it_has_been_stuck_for_ten_seconds() -> None:
    clock = Clock()
    phone = FakePhone(*[marked("wait - stuck")] * 4)
    made = session(phone, clock=clock)
    for seconds in (0.0, 9.9, 0.2, 0.0):
        clock.now += seconds
        made.begin()
    assert ["rm -f $base/lock\nif [ -n" in script for script in phone.scripts] == [False, False, True, True]


def test_lock_that_somebody_has_in_between_is_not_stuck() -> None:
    clock = Clock()
    phone = FakePhone(*map(marked, ("wait - stuck", "wait other", "wait - stuck", "wait - stuck")))
    made = session(phone, clock=clock)
    for _ in range(4):
        made.begin()
        clock.now += 6.0
    assert not any("rm -f $base/lock\nif [ -n" in script for script in phone.scripts)


def test_half_a_file_is_removed_where_the_disk_is_full() -> None:
    phone = FakePhone(Output("", "", 0))
    phone.push_error = DiskFullError("no space left")
    with pytest.raises(DiskFullError):
        session(phone).push(b"model")
    assert phone.scripts == [f"rm -rf -- {lock.FOLDER}/me/model.tflite"]


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (ended(0, 1, TIMING.format(median=10000), "lost"), LockLostError, "took its lock over"),
        ("killed in the middle", TransientError, r"ended without its answer \(killed in the middle\)"),
        (ended(1, 1, "", "gone"), TransientError, "somebody removed our files"),
        (ended(126, 1, "sh: benchmark_model: Permission denied"), UnusableError, "permission denied to run"),
        (ended(126, 1, "not executable: 64-bit ELF file"), UnusableError, "cannot run this benchmark_model"),
        (ended(137, 3), BenchmarkError, "did not end within 3 s"),
        (ended(137, 1), BenchmarkError, "ended by signal 9"),
        (ended(1, 1, "taskset: failed to set affinity"), TransientError, "its core cannot be had now"),
        (ended(0, 1, "nothing of use"), BenchmarkError, "printed no summary"),
    ],
)
def test_invocation_that_gives_no_time_is_told_from_others(answer: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        session(FakePhone(answer)).invoke("graph")


def test_missing_program_is_for_its_owner_to_put_back() -> None:
    with pytest.raises(UnusableError, match="benchmark_model is gone from"):
        session(FakePhone(ended(1, 1, "", "gone")), None).invoke("graph")


def test_invocations_end_when_the_caller_wants_it() -> None:
    phone = FakePhone()
    made = Session(phone, "me", Program(b""), 1, 3.0, lambda: True, Clock())
    with pytest.raises(InterruptedError):
        made.invoke("graph")
    assert phone.scripts == []


def test_invocations_are_repeated_until_the_median_is_known_with_one_glance_in_the_middle() -> None:
    phone = FakePhone(*map(took, (10000, 10010, 9990, 10000, 10005)))
    glances: list[int] = []
    timings, _ = session(phone).time("graph", 5, 0.02, 10.0, lambda: glances.append(len(phone.scripts)))
    assert (len(timings), glances) == (5, [3])


def test_unsteady_invocations_end_with_their_time() -> None:
    clock = Clock()

    class SlowPhone(FakePhone):
        def run(self, command: str, timeout_s: float) -> Output:
            clock.now += 2.0
            return super().run(command, timeout_s)

    phone = SlowPhone(*map(took, [10000, 20000, 40000, 80000] * 5))
    timings, seconds = session(phone, clock=clock).time("graph", 5, 0.02, 13.0)
    assert (len(timings), seconds) == (7, 14.0)


def begun(clock: Clock, *answers: str) -> tuple[Session, FakePhone]:
    """A session that has the lock and has timed the reference network at 2 ms."""
    phone = FakePhone(marked("got me", "ready") + DESCRIPTION, *[took(2000)] * 3, *answers)
    made = session(phone, clock=clock)
    made.begin()
    assert made.check_reference(0.05, 10.0) == 2.0
    return made, phone


def test_time_of_the_reference_network_serves_for_half_a_minute() -> None:
    clock = Clock()
    made, _ = begun(clock)
    clock.now += 29.9
    assert made.recent_reference() == 2.0
    clock.now += 0.2
    assert made.recent_reference() is None


@pytest.mark.parametrize(
    ("answer", "serves"),
    [
        (marked("got me", "ready") + DESCRIPTION, True),
        (marked("got other", "ready") + DESCRIPTION, False),  # another study had the phone
        (marked("got me", "ready") + DESCRIPTION.replace("b1", "b2"), False),  # it was started again
    ],
)
def test_time_of_the_reference_network_serves_while_nobody_else_had_the_phone(answer: str, serves: bool) -> None:
    made, _ = begun(Clock(), answer)
    made.begin()
    assert (made.recent_reference() is not None) is serves


def test_forgotten_time_of_the_reference_network_serves_no_longer() -> None:
    made, _ = begun(Clock())
    made.forget_reference()
    assert made.recent_reference() is None


def test_one_invocation_confirms_and_what_is_compared_with_stays() -> None:
    made, phone = begun(Clock(), took(2050))
    assert made.confirm_reference(2.0, 0.05, 10.0) == 2.05
    assert phone.answers == []
    assert made.recent_reference() == 2.0


def test_one_that_disagrees_is_looked_at_again() -> None:
    made, _ = begun(Clock(), took(9000), *[took(2020)] * 3)
    assert made.confirm_reference(2.0, 0.05, 10.0) == 2.02


@pytest.mark.parametrize(
    ("medians", "expected"), [((1.0, 2.0), [1.0, 2.0]), ((1.0, None), [5.0, 5.0]), ((None, None), [5.0, 5.0])]
)
def test_all_invocations_are_told_by_the_median_or_all_by_the_mean(
    medians: Sequence[float | None], expected: list[float]
) -> None:
    timings = [Timing(5, 5.0, 1.0, 9.0, 0.1, median) for median in medians]
    assert milliseconds(timings) == expected


def test_nothing_is_left_on_a_phone_after_all_is_removed(phones: VirtualPhones) -> None:
    made = session(Server().phone(phones[0].serial), phones.benchmark_model.read_bytes())
    made.identify()
    assert isinstance(made.begin(), State)
    made.push(b"model")
    assert phones[0].files() != []
    made.remove_all(10.0)
    assert phones[0].files() == []
