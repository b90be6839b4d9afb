"""Every fault by itself, on one phone, with the real adb server between: it is waited out, or ends the run clearly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from mnas_moo.objectives.objective import DeviceError, Measurement
from mnas_moo.objectives.phone.latency import AdbLatency
from mnas_moo.objectives.virtual_phone.benchmark import PROGRAMS, Program
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.phone.conftest import latency_of, network

Make = Callable[..., AdbLatency]

PASSING: list[tuple[str, dict[str, Any]]] = [
    ("offline", {"during": "run", "times": 1, "seconds": 0.5}),
    ("crash", {"times": 2}),
    ("truncated", {"times": 1, "at": "timings"}),
    ("disk_full", {"times": 1}),
]
PASSING_LONGER: list[tuple[str, dict[str, Any]]] = [
    ("offline", {"during": "push", "times": 1, "seconds": 0.5}),
    ("offline", {"times": 1, "seconds": 0.5}),
    ("reboot", {"during": "run", "times": 1, "seconds": 0.5}),
    ("hang", {"times": 1}),
    ("garbage", {"times": 2}),
    ("truncated", {"times": 1, "at": "count"}),
    ("zero", {"times": 1}),
]


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    """Every fault is tried with both programs called benchmark_model."""
    return cast(Program, request.param)


def close_to(measurement: Measurement, expected: float) -> bool:
    return abs(measurement.value - expected) < 0.03 * expected


@pytest.mark.parametrize(
    ("name", "settings"),
    [*PASSING, *(pytest.param(*fault, marks=pytest.mark.slow) for fault in PASSING_LONGER)],
)
def test_fault_that_passes_costs_no_measurement(
    phones: VirtualPhones, objective: Make, name: str, settings: dict[str, Any]
) -> None:
    latency = objective()
    latency.measure(network(8), 0)
    phones[0].fault(name, **settings)
    assert close_to(latency.measure(network(16), 0), latency_of(network(16)))


def test_spike_in_one_run_does_not_move_the_median(phones: VirtualPhones, objective: Make) -> None:
    latency = objective()
    latency.measure(network(8), 0)
    phones[0].fault("spike", times=1, factor=50.0)
    measurement = latency.measure(network(16), 0)
    assert close_to(measurement, latency_of(network(16)))
    assert measurement.details["maximum_ms"] > 40 * measurement.value  # type: ignore[operator]


@pytest.mark.slow
def test_phone_that_is_gone_is_waited_for_with_a_reason(phones: VirtualPhones, objective: Make) -> None:
    latency = objective()
    latency.measure(network(8), 0)
    phones[0].fault("offline", seconds=1.5)
    assert close_to(latency.measure(network(16), 0), latency_of(network(16)))
    assert any(line.startswith(f"waiting: no phone answers (Pixel 6 {phones[0].serial}") for line in latency.said)


@pytest.mark.slow
def test_killed_adb_server_is_started_again(phones: VirtualPhones, objective: Make) -> None:
    latency = objective(2)
    latency.measure(network(8), 0)
    timer = threading.Timer(0.3, phones.server.kill)
    timer.start()
    results = latency.measure_all([network(channels) for channels in range(16, 24)])
    timer.join()
    for channels, result in zip(range(16, 24), results, strict=True):
        assert isinstance(result, Measurement)
        assert close_to(result, latency_of(network(channels)))


def test_work_of_a_vanished_phone_goes_to_another(phones: VirtualPhones, objective: Make) -> None:
    latency = objective(2)
    latency.measure_all([network(8), network(9)])
    phones[0].fault("offline", during="run", times=1, seconds=60.0)
    results = latency.measure_all([network(channels) for channels in range(16, 24)])
    assert {result.details["serial"] for result in results} == {phones[1].serial}  # type: ignore[union-attr]
    phones[0].clear()  # it is back before the end, which tidies it up


@pytest.mark.slow
def test_throttled_phone_is_measured_again_once_it_has_cooled(phones: VirtualPhones, objective: Make) -> None:
    latency = objective()
    latency.measure(network(8), 0)
    phones[0].fault("throttling", times=16, factor=1.4, rise=0.5, cooling_seconds=1.0)
    measurement = latency.measure(network(16), 0)
    assert close_to(measurement, latency_of(network(16)))
    assert "reference network" in str(measurement.details["retries"])


@pytest.mark.slow
def test_busy_phone_is_noticed_and_waited_for(phones: VirtualPhones, objective: Make) -> None:
    latency = objective()
    latency.measure(network(8), 0)
    phones[0].fault("busy", factor=1.5)
    threading.Timer(2.0, phones[0].clear).start()
    measurement = latency.measure(network(16), 0)
    assert close_to(measurement, latency_of(network(16)))
    assert "its speed changed" in str(measurement.details["retries"])


def test_short_load_between_two_reference_checks_is_noticed(phones: VirtualPhones, objective: Make) -> None:
    latency = objective()
    latency.measure(network(8), 0)
    phones[0].fault("busy", times=4, factor=1.5)  # gone before the reference after the network
    measurement = latency.measure(network(16), 0)
    assert close_to(measurement, latency_of(network(16)))
    assert "its speed changed" in str(measurement.details["retries"])


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("unauthorized", {}, 'unlock the phone and confirm the dialog "Allow USB debugging?"'),
        ("wrong_abi", {}, "the one for arm64-v8a is published at https://"),
        ("permission_denied", {"during": "push"}, "permission denied"),
        ("permission_denied", {"during": "run"}, "permission denied to run benchmark_model"),
    ],
)
def test_lasting_fault_ends_the_run_with_one_sentence(
    phones: VirtualPhones, objective: Make, name: str, settings: dict[str, Any], sentence: str
) -> None:
    phones[0].fault(name, **settings)
    latency = objective()
    with pytest.raises(DeviceError) as caught:
        latency.measure(network(8), 0)
    assert phones[0].serial in str(caught.value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_lasting_fault_retires_one_phone_and_others_go_on(phones: VirtualPhones, objective: Make) -> None:
    phones[0].fault("wrong_abi")
    latency = objective(2)
    results = latency.measure_all([network(channels) for channels in range(8, 14)])
    assert {result.details["serial"] for result in results} == {phones[1].serial}  # type: ignore[union-attr]
    assert len([line for line in latency.said if "not used any longer" in line]) <= 1


@pytest.mark.slow
def test_confirmed_dialog_brings_a_phone_back(phones: VirtualPhones, objective: Make) -> None:
    phones[0].fault("unauthorized")
    latency = objective()
    with pytest.raises(DeviceError):
        latency.measure(network(8), 0)
    phones[0].clear()
    phones.connect()
    assert close_to(latency.measure(network(8), 0), latency_of(network(8)))


def test_phone_that_never_cools_is_given_up_with_its_temperature(phones: VirtualPhones, objective: Make) -> None:
    phones[0].fault("never_cools", temperature_c=52.0)
    latency = objective(patience_minutes=0.02)
    with pytest.raises(DeviceError, match=r"too hot: 52\.0 °C, above 40 °C, and that for"):
        latency.measure(network(8), 0)


@pytest.mark.slow
def test_hot_phone_cools_down_first(phones: VirtualPhones, objective: Make) -> None:
    phones[0].fault("never_cools", temperature_c=52.0)
    latency = objective()
    threading.Timer(1.0, phones[0].clear).start()
    measurement = latency.measure(network(8), 0)
    assert measurement.details["temperature_before_c"] < 40  # type: ignore[operator]
    assert any("too hot" in line for line in latency.said)


@pytest.mark.slow
def test_full_disk_that_stays_full_is_given_up(phones: VirtualPhones, objective: Make) -> None:
    phones[0].fault("disk_full")
    latency = objective(patience_minutes=0.02)
    with pytest.raises(DeviceError, match="no space left on the phone"):
        latency.measure(network(8), 0)


def test_benchmark_that_always_fails_is_given_up(phones: VirtualPhones, objective: Make) -> None:
    phones[0].fault("crash")
    latency = objective(patience_minutes=0.02)
    with pytest.raises(DeviceError, match="was ended by signal 11"):
        latency.measure(network(8), 0)


def test_serial_of_another_model_is_not_measured_on(phones: VirtualPhones, objective: Make) -> None:
    latency = objective()
    latency.measure(network(8), 0)
    phones[0].fault("another_model", model="Pixel 4")
    with pytest.raises(DeviceError, match="Pixel 4"):
        latency.measure(network(9), 0)
    assert any("its serial now belongs to a Pixel 4" in line for line in latency.said)


def test_network_that_fails_everywhere_is_its_own_fault(phones: VirtualPhones, objective: Make) -> None:
    latency = objective(2)
    broken, *rest = latency.measure_all([network(8, "broken"), network(9), network(10)])
    assert isinstance(broken, ValueError)
    assert "broken cannot be timed, while others can" in str(broken)
    assert "Didn't find op" in str(broken)
    assert all(isinstance(result, Measurement) for result in rest)


def test_missing_program_says_where_to_get_it(phones: VirtualPhones, objective: Make) -> None:
    latency = objective(benchmark_model=None)
    with pytest.raises(DeviceError, match=r"no benchmark_model on it .*arm64-v8a is published at https://"):
        latency.measure(network(8), 0)


def test_program_for_another_machine_is_not_pushed(phones: VirtualPhones, objective: Make, tmp_path: Path) -> None:
    program = tmp_path / "benchmark_model"
    program.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + (62).to_bytes(2, "little") + bytes(44))
    with pytest.raises(DeviceError, match="built for x86_64, but the phone runs arm64-v8a"):
        objective(benchmark_model=program).measure(network(8), 0)
    assert not [event for event in phones[0].log if event.kind == "push"]
