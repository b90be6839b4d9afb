from __future__ import annotations

import json
import time

import pytest

from mnas_moo.cli.main import main
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones


def test_devices_are_shown_with_what_keeps_them_from_measuring(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    phones[1].fault("unauthorized", times=None)
    while "unauthorized" not in phones.server.run("devices").stdout:  # adb takes it for offline at first
        time.sleep(0.05)
    assert main(["devices"]) == 0
    out = capsys.readouterr().out
    assert f"Pixel 6 ({phones[0].serial}): not ready" in out
    assert "no benchmark_model on it" in out
    assert "arm64-v8a" in out
    assert f"({phones[1].serial}): unauthorized" in out
    assert "confirm the dialog" in out
    assert main(["devices", "--benchmark-model", str(phones.benchmark_model), "--json"]) == 0
    first, second = sorted(json.loads(capsys.readouterr().out), key=lambda phone: not phone["usable"])
    assert (first["model"], first["usable"], second["usable"]) == ("Pixel 6", True, False)


def test_a_program_for_phones_that_is_not_there_is_one_line(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "--benchmark-model", "no such; $(file)"]) == 2
    assert capsys.readouterr().err.startswith("mnas-moo: benchmark_model is 'no such; $(file)', which cannot be read")
