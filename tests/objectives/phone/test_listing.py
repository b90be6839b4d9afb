"""What the list of phones says of phones in every condition."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.objectives.phone.listing import Listed, list_devices
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones


def listed(phones: VirtualPhones, program: Path | None = None) -> Listed:
    """The first phone."""
    return {phone.serial: phone for phone in list_devices(program)}[phones[0].serial]


def test_phone_that_could_be_used_needs_no_advice(phones: VirtualPhones) -> None:
    phone = listed(phones, phones.benchmark_model)
    assert (phone.usable, phone.advice, phone.state) == (True, "", "device")
    assert (phone.model, phone.android, phone.abi, phone.big_core) == ("Pixel 6", "14", "arm64-v8a", 7)
    assert (phone.battery_c, phone.screen_on, phone.charging, phone.in_use) == (27.0, False, True, False)
    assert phone.cores.count("GHz") == 3
    assert phones[0].files() == []


def test_every_phone_is_listed(phones: VirtualPhones) -> None:
    assert {phone.serial for phone in list_devices()} == {phone.serial for phone in phones}


def test_missing_program_is_the_first_thing_to_see_to(phones: VirtualPhones) -> None:
    phone = listed(phones)
    assert (phone.usable, phone.has_benchmark_model) == (False, False)
    assert phone.advice.startswith("no benchmark_model on it: the one for arm64-v8a is published at https://")
    (phones[0].root / "data/local/tmp/benchmark_model").write_text("")
    assert listed(phones).usable
    (phones[0].root / "data/local/tmp/benchmark_model").unlink()


@pytest.mark.parametrize(
    ("fault", "settings", "advice"),
    [
        ("screen_on", {}, "its screen is on"),
        ("battery_low", {"level": 5}, "its battery is at 5 %"),
        ("never_cools", {"temperature_c": 52.0}, "it is 52 °C warm and has to cool below 40 °C first"),
    ],
)
def test_what_disturbs_is_told(phones: VirtualPhones, fault: str, settings: dict[str, float], advice: str) -> None:
    phones[0].fault(fault, **settings)
    phone = listed(phones, phones.benchmark_model)
    assert phone.usable
    assert phone.advice.startswith(advice)


def test_phone_without_confirmation_says_what_to_do(phones: VirtualPhones) -> None:
    phones[0].fault("unauthorized")
    phones.server.run("connect", phones[0].serial)
    for _ in range(100):
        phone = listed(phones)
        if phone.state == "unauthorized":
            break
    assert not phone.usable
    assert "Allow USB debugging" in phone.advice


def test_program_that_cannot_be_read_is_named(phones: VirtualPhones, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        listed(phones, tmp_path / "nowhere")
