"""Whole studies on virtual phones, with the real adb server between: no fault of a phone or a cable costs a trial."""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.objective import DeviceError
from mnas_moo.objectives.phone import lock
from mnas_moo.objectives.virtual_phone import phones as phones_module
from mnas_moo.objectives.virtual_phone.models import MODELS
from mnas_moo.running import latency_sources
from mnas_moo.running.run import run_study
from mnas_moo.running.storage import find_study
from mnas_moo.running.trials import MEASUREMENTS, NETWORK, Observer, completed_trials
from mnas_moo.spaces.text import from_text
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile

pytest.importorskip("adbutils", reason="needs adbutils, the extra phone")

STUDY = """\
name: phones
storage: journal:///{folder}/phones.log
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{parameters_m: , latency_ms: {{adb: {{benchmark_model: {program}}}}}}}
sampler: {{random: {{seed: 0}}}}
trials: {trials}
"""

TRANSIENT: dict[str, dict[str, Any]] = {
    "offline at once": {"name": "offline", "seconds": 0.5},
    "offline during push": {"name": "offline", "during": "push", "seconds": 0.5},
    "offline during the run": {"name": "offline", "during": "run", "seconds": 0.5},
    "reboot": {"name": "reboot", "during": "run", "seconds": 0.5},
    "crash": {"name": "crash", "times": 2},
    "hang": {"name": "hang"},
    "garbage": {"name": "garbage", "times": 2},
    "truncated statistics": {"name": "truncated", "at": "count"},
    "truncated summary": {"name": "truncated", "at": "timings"},
    "zero": {"name": "zero", "times": 2},
    "disk full": {"name": "disk_full"},
    "throttling": {"name": "throttling", "factor": 2.0, "rise": 0.5, "cooling_seconds": 0.5, "times": 3},
    "spike": {"name": "spike", "factor": 50.0},
    "busy": {"name": "busy", "factor": 3.0, "times": 9},
}
"""Faults that pass, each as arguments of a virtual phone's ``fault``."""

PERSISTENT: dict[str, tuple[dict[str, Any], str]] = {
    "unauthorised": ({"name": "unauthorized", "times": None}, "confirm the dialog"),
    "wrong ABI": ({"name": "wrong_abi", "times": None}, "arm64-v8a"),
    "permission denied on push": ({"name": "permission_denied", "times": None, "during": "push"}, "permission denied"),
    "permission denied to run": ({"name": "permission_denied", "times": None, "during": "run"}, "permission denied"),
    "another model": ({"name": "another_model", "times": None, "model": "Pixel 4"}, "Pixel 4"),
    "never cools down": ({"name": "never_cools", "times": None, "temperature_c": 60.0}, "too hot: 60.0 °C"),
}
"""Faults that somebody has to mend, and what the message has to say."""


@pytest.fixture
def patience_s() -> float:
    """How long a phone may fail; tests that wait for that to end have less of it."""
    return 10.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch, patience_s: float) -> None:
    """Phones are given up after seconds in place of minutes, and benchmarks are short."""
    from mnas_moo.objectives.phone.latency import AdbLatency

    def make(settings: Any, report: Callable[[str], None], **_: Any) -> AdbLatency:
        chosen = settings.chosen[1]
        return AdbLatency(
            benchmark_model=chosen.benchmark_model,
            time_limit_s=2.0,
            patience_minutes=patience_s / 60,
            rest_s=(0.1, 0.5),
            report=report,
        )

    monkeypatch.setattr(latency_sources, "make", make)


PIXEL_6 = MODELS["Pixel 6"].time_factor


def milliseconds(model: bytes) -> float:
    """A virtual phone's time for a model file."""
    return len(model) / 1e4


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Three phones of one model with known times."""
    with phones_module.VirtualPhones(count=3, latency_ms=milliseconds) as phones:
        for name, value in phones.environment.items():
            monkeypatch.setenv(name, value)
        yield phones


def write(folder: Path, program: Path, trials: int) -> StudyFile:
    path = folder / "phones.yaml"
    path.write_text(STUDY.format(folder=folder, program=program, trials=trials), encoding="utf-8")
    return load_study_file(path)


class Mischief(Observer):
    """Does something to the phones at the start of some trials; keeps what was said."""

    def __init__(self, do: Callable[[int], None]) -> None:
        self.do = do
        self.said: list[str] = []

    def trial_started(self, number: int, network: str) -> None:
        self.do(number)

    def waiting(self, why: str) -> None:
        self.said.append(why)


def check(study: Any, trials: int) -> None:
    """All trials have results, and each is a Pixel 6's true time for its network."""
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * trials
    for trial in study.trials:
        measured = trial.user_attrs[MEASUREMENTS]["latency_ms"]
        truth = milliseconds(litert.write(from_text(trial.user_attrs[NETWORK]))) * PIXEL_6
        assert measured["value"] == pytest.approx(truth, rel=0.05), (trial.number, measured)


def nothing_is_left(phones: Any) -> None:
    for phone in phones:
        phone.clear()
    assert [phone.files() for phone in phones] == [[]] * len(phones)


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_fault_that_passes_costs_no_trial_even_with_one_phone(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    with phones_module.VirtualPhones(count=1, latency_ms=milliseconds) as phones:
        for name, value in phones.environment.items():
            monkeypatch.setenv(name, value)
        settings = {"times": 1} | TRANSIENT[fault]
        mischief = Mischief(lambda number: phones[0].fault(**settings) if number == 1 else None)
        check(run_study(write(tmp_path, phones.benchmark_model, 3), observer=mischief), 3)
        nothing_is_left(phones)


@pytest.mark.parametrize("fault", PERSISTENT)
def test_a_phone_that_cannot_be_used_is_left_alone_with_one_message_and_the_others_go_on(
    fault: str, tmp_path: Path, three: Any, patient: None
) -> None:
    settings, message = PERSISTENT[fault]
    mischief = Mischief(lambda number: three[1].fault(**settings) if number == 1 else None)
    check(run_study(write(tmp_path, three.benchmark_model, 5), observer=mischief), 5)
    about = [said for said in mischief.said if said.startswith("not used any longer") and three[1].serial in said]
    assert len(about) <= 1
    assert all(message in said for said in about)
    nothing_is_left([phone for phone in three if fault != "unauthorised" or phone is not three[1]])  # out of reach


@pytest.mark.parametrize("patience_s", [2.0])
@pytest.mark.parametrize("fault", PERSISTENT)
def test_without_a_phone_that_could_ever_work_the_run_ends_with_a_message_and_goes_on_later(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    settings, message = PERSISTENT[fault]
    with phones_module.VirtualPhones(count=1, latency_ms=milliseconds) as phones:
        for name, value in phones.environment.items():
            monkeypatch.setenv(name, value)
        file = write(tmp_path, phones.benchmark_model, 4)
        mischief = Mischief(lambda number: phones[0].fault(**settings) if number == 2 else None)
        with pytest.raises(DeviceError) as caught:
            run_study(file, observer=mischief)
        assert message in str(caught.value)
        assert phones[0].serial in str(caught.value)
        study = find_study(file)
        assert study is not None
        assert len(completed_trials(study)) == 2
        phones[0].clear()
        phones.connect()
        monkeypatch.setattr(lock, "ABANDONED_S", -1.0)  # what lies on a phone that was out of reach is for the next
        study = run_study(file)
        assert len(completed_trials(study)) == 4
        assert study.trials[3].params == study.trials[2].params
        nothing_is_left(phones)


def test_a_killed_adb_server_costs_no_trial(tmp_path: Path, three: Any, patient: None) -> None:
    mischief = Mischief(lambda number: three.server.kill() if number in (1, 3) else None)
    check(run_study(write(tmp_path, three.benchmark_model, 5), observer=mischief), 5)
    nothing_is_left(three)


def test_without_any_phone_the_study_waits_says_why_and_goes_on(tmp_path: Path, three: Any, patient: None) -> None:
    def unplug(number: int) -> None:
        if number == 2:
            for phone in three:
                phone.fault("offline", times=1, seconds=math.inf)

    class Owner(Mischief):
        """Plugs the phones in again once it is told that all are missed."""

        def waiting(self, why: str) -> None:
            super().waiting(why)
            if why.startswith("waiting: no phone answers"):
                for phone in three:
                    phone.clear()

    mischief = Owner(unplug)
    check(run_study(write(tmp_path, three.benchmark_model, 5), observer=mischief), 5)
    waits = [said for said in mischief.said if said.startswith("waiting: no phone answers")]
    assert waits
    assert all(phone.serial in waits[-1] for phone in three)
    nothing_is_left(three)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_forty_trials_on_three_phones_survive_all_faults_on_two_of_them(
    seed: int, tmp_path: Path, three: Any, patient: None
) -> None:
    draw = random.Random(seed)
    persistent = [settings for settings, _ in PERSISTENT.values()]
    faults = [*TRANSIENT.values(), *persistent]
    draw.shuffle(faults)
    done: list[str] = []
    mended: dict[Any, int] = {}

    def hurt(number: int) -> None:
        for phone in three:
            phone.clear()
            if mended.get(phone) == number:  # and plugged in again, as its owner would
                phone.fault("offline", times=1, seconds=0.3)
        # One that was mended needs a while to be seen again: it counts as hurt for three trials.
        healthy = [phone for phone in three if number - mended.get(phone, -9) > 2]
        for phone in draw.sample(healthy, max(0, len(healthy) - 1)):
            settings = {"times": 1} | faults[len(done) % len(faults)]
            phone.fault(**settings)
            done.append(settings["name"])
            if settings in persistent:
                mended[phone] = number + 1
        if number % 10 == 9:
            three.server.kill()

    check(run_study(write(tmp_path, three.benchmark_model, 40), observer=Mischief(hurt)), 40)
    assert {settings["name"] for settings in faults} <= set(done)
    nothing_is_left(three)


def test_two_studies_share_a_phone_without_interleaving(tmp_path: Path, three: Any, patient: None) -> None:
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files.append(write(tmp_path / name, three.benchmark_model, 6))
    threads = [threading.Thread(target=run_study, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    for file in files:
        study = find_study(file)
        assert study is not None
        check(study, 6)
    for phone in three:
        runs = sorted((event.start, event.end) for event in phone.log if event.kind == "benchmark")
        assert len(runs) > 5
        assert all(later[0] >= earlier[1] for earlier, later in itertools.pairwise(runs))
    nothing_is_left(three)


def test_phones_of_two_models_are_refused_in_one_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    with phones_module.VirtualPhones(count=2, models=["Pixel 6", "Pixel 4"], latency_ms=milliseconds) as phones:
        for name, value in phones.environment.items():
            monkeypatch.setenv(name, value)
        start = time.monotonic()
        with pytest.raises(DeviceError, match=r"different models.*choose with model .*Pixel 4.*Pixel 6.* or serials"):
            run_study(write(tmp_path, phones.benchmark_model, 4))
        assert time.monotonic() - start < 60
        nothing_is_left(phones)
