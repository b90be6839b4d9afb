"""A virtual phone's clock; its faults, files and shell have tests of their own."""

from __future__ import annotations

import time

import pytest

from mnas_moo.objectives.virtual_phone.phone import VirtualPhone
from tests.objectives.virtual_phone.conftest import MILLISECONDS, Adb
from tests.objectives.virtual_phone.test_benchmark import mean


def uptime(adb: Adb) -> float:
    return float(adb("shell", "cat /proc/uptime").stdout.split()[0])


def test_clock_that_is_set_ahead_stays_ahead(phone: VirtualPhone, adb: Adb) -> None:
    start, before = time.monotonic(), uptime(adb)
    phone.pass_time(1000.0)
    after = uptime(adb)
    rounding = 0.011  # the phone's clock has two decimals, and their difference one more error of floats
    assert -rounding <= after - before - 1000.0 <= time.monotonic() - start + rounding


def test_phone_has_cooled_when_its_time_has_passed(phone: VirtualPhone, benchmark: Adb) -> None:
    phone.fault("throttling", times=1, factor=2.0, rise=1.0, cooling_seconds=1000.0)
    assert mean(benchmark().stdout) == pytest.approx(2e3 * MILLISECONDS * phone.time_factor, rel=0.03)
    phone.pass_time(20_000.0)
    assert mean(benchmark().stdout) == pytest.approx(1e3 * MILLISECONDS * phone.time_factor, rel=0.02)
