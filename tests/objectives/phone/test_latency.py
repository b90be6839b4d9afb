"""The objective on phones without faults, and its settings."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnas_moo.objectives.objective import DeviceError, Measurement
from mnas_moo.objectives.phone.latency import AdbLatency
from mnas_moo.objectives.phone.turn import Turn
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.phone.conftest import REFERENCE_MS, latency_of, network

Make = Callable[..., AdbLatency]


def test_measurement_is_the_phones_time_with_how_it_came_about(phones: VirtualPhones, objective: Make) -> None:
    measurement = objective().measure(network(16), 0)
    details = measurement.details
    assert measurement.value == pytest.approx(latency_of(network(16)), rel=0.01)
    assert details["serial"] == phones[0].serial
    assert (details["model"], details["android"], details["cores"]) == ("Pixel 6", "14", [7])
    assert details["reference_before_ms"] == pytest.approx(REFERENCE_MS, rel=0.01)
    assert details["reference_after_ms"] == pytest.approx(REFERENCE_MS, rel=0.01)
    assert details["invocations"] == 5
    assert details["runs"] > 100  # type: ignore[operator]
    assert details["p10_ms"] <= measurement.value <= details["p90_ms"]  # type: ignore[operator]
    assert details["confidence_half_width_ms"] < 0.02 * measurement.value  # type: ignore[operator]
    assert (details["temperature_before_c"], details["temperature_after_c"], details["retries"]) == (27.0, 27.0, [])
    assert details["memory_mb"] > details["memory_init_mb"] > 1.5  # type: ignore[operator]
    assert (details["governor"], details["screen_on"], details["charging"]) == ("sched_pixel", False, True)


def test_a_phone_that_has_settled_at_a_slower_speed_gives_its_times_in_proportion(
    phones: VirtualPhones, objective: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    latency = objective(report=said.append)
    latency.measure(network(16), 0)
    monkeypatch.setattr("mnas_moo.objectives.phone.work.SETTLE_S", 0.2)
    monkeypatch.setattr(phones[0], "time_factor", 1.2)
    for channels in (24, 28):
        measurement = latency.measure(network(channels), 0)
        assert measurement.value == pytest.approx(latency_of(network(channels)), rel=0.02)
        assert measurement.details["speed"] == pytest.approx(1 / 1.2, rel=0.02)
    assert said.count(f"{phones[0].serial}: it has settled at 83% of its speed; its times are put in proportion") == 1
    monkeypatch.setattr(phones[0], "time_factor", 1.0)
    assert latency.measure(network(30), 0).details["speed"] == 1.0


@pytest.mark.slow
def test_same_network_in_five_tries_stays_within_five_percent(phones: VirtualPhones, objective: Make) -> None:
    values = [objective().measure(network(24), 0).value for _ in range(5)]
    assert max(values) <= 1.05 * min(values)


def test_networks_that_compute_alike_are_measured_once(phones: VirtualPhones, objective: Make) -> None:
    latency = objective()
    first, second = latency.measure_all([network(16, "one"), network(16, "other")])
    runs = len(phones[0].log)
    assert latency.measure(network(16), 0) is first is second
    assert len(phones[0].log) == runs


def test_results_come_in_the_order_asked_for_from_several_phones(objective: Make) -> None:
    channels = [9, 30, 12, 25, 8, 20, 14]
    results = objective(3).measure_all([network(c) for c in channels])
    values = [result.value for result in results if isinstance(result, Measurement)]
    assert values == pytest.approx([latency_of(network(c)) for c in channels], rel=0.01)
    assert len({result.details["serial"] for result in results if isinstance(result, Measurement)}) > 1


def test_device_names_model_and_runtime_and_no_serial(phones: VirtualPhones, objective: Make) -> None:
    one, other = objective(1).device, objective(2).device
    assert one == other
    assert {"backend": "adb", "model": "Pixel 6", "threads": 1, "data_type": "float32"}.items() <= one.items()
    assert str(one["runtime"]).startswith("benchmark_model sha256:")
    assert (one["program"], one["virtual"]) == ("LiteRT benchmark_model", True)
    assert phones[0].serial not in str(one)


def test_phones_with_different_programs_are_not_mixed(phones: VirtualPhones, objective: Make) -> None:
    for phone, program in zip(phones, ("litert", "litert", "tflite"), strict=True):
        shutil.copy(phones.programs[program], phone.root / "data/local/tmp/benchmark_model")  # type: ignore[index]
    latency = objective(3, benchmark_model=None)
    results = latency.measure_all([network(channels) for channels in range(8, 16)])
    assert len({result.details["program"] for result in results if isinstance(result, Measurement)}) == 1
    (told,) = (line for line in latency.said if "put the same program on all phones" in line)  # type: ignore[attr-defined]
    assert "LiteRT benchmark_model (benchmark_model sha256:" in told
    assert "TensorFlow Lite benchmark_model (benchmark_model sha256:" in told
    latency.close()
    for phone in phones:
        (phone.root / "data/local/tmp/benchmark_model").unlink()


def test_measurement_of_a_virtual_phone_says_so(objective: Make) -> None:
    details = objective().measure(network(8), 0).details
    assert details["virtual"] is True
    assert details["program"] == "LiteRT benchmark_model"


def test_threads_of_a_caller_share_the_phones(objective: Make) -> None:
    latency = objective(2)
    results: dict[int, float] = {}

    def ask(channels: int) -> None:
        results[channels] = latency.measure(network(channels), 0).value

    threads = [threading.Thread(target=ask, args=(channels,)) for channels in range(8, 14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == pytest.approx({channels: latency_of(network(channels)) for channels in range(8, 14)}, rel=0.01)


def test_int8_model_is_what_the_phone_gets(phones: VirtualPhones, objective: Make) -> None:
    latency = objective(data_type="int8")
    assert latency.measure(network(32), 0).value < 0.9 * latency_of(network(32))  # its file is smaller
    assert latency.device["data_type"] == "int8"


def test_program_on_the_phone_is_used_and_left_there(phones: VirtualPhones, objective: Make) -> None:
    place = phones[0].root / "data/local/tmp/benchmark_model"
    place.write_bytes(phones.benchmark_model.read_bytes())
    place.chmod(0o755)
    latency = objective(benchmark_model=None)
    assert latency.measure(network(8), 0).value == pytest.approx(latency_of(network(8)), rel=0.01)
    latency.close()
    assert phones[0].files() == ["benchmark_model"]
    place.unlink()


def test_nothing_but_our_folder_is_written_and_models_go_at_once(phones: VirtualPhones, objective: Make) -> None:
    objective().measure_all([network(8), network(9)])
    names = phones[0].files()
    assert names
    assert all(name.startswith("mnas_moo") for name in names)
    assert not [name for name in names if "model.tflite" in name or "lock" in name]


def test_program_with_an_awkward_path_and_network_with_an_awkward_name(
    phones: VirtualPhones, objective: Make, tmp_path: Path
) -> None:
    program = tmp_path / "it's a $(touch pwned);\nprogram"
    program.write_bytes(phones.benchmark_model.read_bytes())
    latency = objective(benchmark_model=program)
    assert latency.measure(network(8, "'; touch pwned; $(touch pwned)\n`"), 0).value > 0
    assert not [name for name in phones[0].files() if "pwned" in name]
    assert not list(phones[0].root.rglob("pwned"))


def test_close_ends_a_wait_at_once(phones: VirtualPhones, objective: Make) -> None:
    told = threading.Event()
    latency = objective(report=lambda line: told.set())
    latency.measure(network(8), 0)
    phones[0].fault("offline", seconds=60.0)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            latency.measure(network(9), 0)
        except RuntimeError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert told.wait(10.0)
    closing = threading.Thread(target=latency.close)
    closing.start()
    waiting.join(1.0)
    assert not waiting.is_alive()
    assert "closed" in str(errors[0])
    phones[0].clear()
    closing.join(20)


def test_close_in_the_middle_of_a_measurement_leaves_nothing(phones: VirtualPhones, objective: Make) -> None:
    latency = objective(time_limit_s=30.0)
    latency.measure(network(8), 0)
    phones[0].fault("hang")

    def ask() -> None:
        with pytest.raises(RuntimeError, match="closed"):
            latency.measure(network(9), 0)

    asking = threading.Thread(target=ask)
    asking.start()
    while not any(event.end is None for event in phones[0].log if event.kind == "benchmark"):
        time.sleep(0.02)
    start = time.monotonic()
    latency.close()
    assert time.monotonic() - start < 8
    asking.join(5)
    assert phones[0].files() == []


def test_fault_of_our_own_is_an_error_and_no_endless_wait(
    objective: Make, monkeypatch: pytest.MonkeyPatch, phones: VirtualPhones
) -> None:
    monkeypatch.setattr(Turn, "begin", lambda turn: 1 / 0)
    with pytest.raises(RuntimeError, match="measuring on phones has broken down") as caught:
        objective().measure(network(8), 0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_different_models_are_refused_by_name(phones: VirtualPhones, objective: Make) -> None:
    phones[1].fault("another_model", model="Pixel 4")
    phones.connect()
    with pytest.raises(DeviceError, match=r"different models.*choose with model \('Pixel 4' or 'Pixel 6'\) or serials"):
        objective(2).measure(network(8), 0)
    assert objective(2, model="Pixel 6").measure(network(8), 0).details["serial"] == phones[0].serial


@pytest.mark.slow
def test_phone_that_is_plugged_in_later_joins(phones: VirtualPhones, objective: Make) -> None:
    phones[1].fault("offline", seconds=60.0)
    latency = objective(2)
    latency.measure(network(8), 0)
    phones[1].clear()
    phones.connect()
    results = latency.measure_all([network(channels) for channels in range(9, 33)])
    assert {result.details["serial"] for result in results if isinstance(result, Measurement)} == {
        phones[0].serial,
        phones[1].serial,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threads": 0}, "threads is 0; it must be at least 1"),
        ({"data_type": "float16"}, "data_type is 'float16'; allowed: float32, int8"),
        ({"precision": 0}, "precision is 0; it is a share"),
        ({"drift": 1.5}, r"drift is 1\.5; it is a share"),
        ({"maximum_seconds": 0}, "maximum_seconds is 0; it must be above 0"),
        ({"serials": []}, "serials is empty"),
        ({"benchmark_model": "/nowhere/b"}, "benchmark_model is '/nowhere/b', which cannot be read"),
    ],
)
def test_setting_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdbLatency(**settings)
