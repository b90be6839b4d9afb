from __future__ import annotations

import math
import re
import threading
import time
from pathlib import Path
from typing import cast

import pytest

from mnas_moo.objectives.virtual_phone.benchmark import PROGRAMS, Program
from mnas_moo.objectives.virtual_phone.faults import Faults
from mnas_moo.objectives.virtual_phone.phone import VirtualPhone
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.virtual_phone.conftest import MILLISECONDS, Adb
from tests.objectives.virtual_phone.test_benchmark import mean


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    """Every fault is tried with both programs called benchmark_model."""
    return cast(Program, request.param)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file to be pushed."""
    (tmp_path / "some file").write_bytes(bytes(3_000_000))
    return str(tmp_path / "some file")


def state(phones: VirtualPhones, phone: VirtualPhone) -> str:
    """What ``adb devices`` says of the phone."""
    for line in phones.server.run("devices").stdout.splitlines():
        serial, _, words = line.partition("\t")
        if serial == phone.serial:
            return words
    return "absent"


def wait_for_state(phones: VirtualPhones, phone: VirtualPhone, wanted: str) -> None:
    end = time.monotonic() + 20
    while state(phones, phone) != wanted:
        assert time.monotonic() < end, f"{state(phones, phone)} never becomes {wanted}"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("name", "times", "settings", "message"),
    [
        ("flood", None, {}, "no fault is called 'flood'; there are offline, reboot, "),
        ("crash", None, {"loud": True}, "fault 'crash' has no setting 'loud'; it has signal"),
        ("hang", None, {"seconds": 1}, "it has no settings"),
        ("crash", 0, {}, "times is 0; it must be 1 or more"),
        (
            "offline",
            None,
            {"during": "lunch"},
            r"during is 'lunch'; for 'offline' it is one of \(None, 'push', 'run'\)",
        ),
    ],
)
def test_unknown_fault_or_setting_is_refused(
    name: str, times: int | None, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Faults().add(name, times, settings)


def test_fault_befalls_as_many_operations_as_it_was_told() -> None:
    faults = Faults()
    faults.add("crash", 2, {})
    assert faults.active("crash")
    assert [faults.take("crash") is not None for _ in range(3)] == [True, True, False]
    faults.add("crash", None, {})
    assert all(faults.take("crash") for _ in range(5))
    faults.remove("crash")
    assert faults.take("crash") is None


def test_offline_phone_comes_back(phones: VirtualPhones, phone: VirtualPhone, adb: Adb) -> None:
    phone.fault("offline", seconds=math.inf)
    wait_for_state(phones, phone, "offline")
    assert adb("shell", "true").stderr == "adb: device offline\n"
    assert "Connection refused" in phones.server.run("connect", phone.serial).stdout
    phone.clear()
    phones.connect()
    assert adb("shell", "echo back").stdout == "back\n"


def test_server_finds_a_phone_by_itself(phones: VirtualPhones, phone: VirtualPhone) -> None:
    phone.fault("offline", seconds=0.05)
    wait_for_state(phones, phone, "offline")
    wait_for_state(phones, phone, "device")


def test_offline_during_push_fails_it_and_leaves_nothing(
    phones: VirtualPhones, phone: VirtualPhone, adb: Adb, file: str
) -> None:
    phone.fault("offline", times=1, during="push", seconds=0.1)
    assert adb("push", file, "/data/local/tmp/x").returncode == 1
    phones.connect()
    assert phone.files() == []
    assert adb("push", file, "/data/local/tmp/x").returncode == 0


def test_offline_during_run_loses_its_output(phones: VirtualPhones, phone: VirtualPhone, benchmark: Adb) -> None:
    phone.fault("offline", times=1, during="run", seconds=0.1)
    result = benchmark()
    assert result.returncode == 255
    assert "count=" not in result.stdout
    phones.connect()
    assert benchmark().returncode == 0


def test_unauthorized_until_the_dialog_is_confirmed(phones: VirtualPhones, phone: VirtualPhone, adb: Adb) -> None:
    phone.fault("unauthorized")
    wait_for_state(phones, phone, "unauthorized")
    assert adb("shell", "true").stderr.startswith("adb: device unauthorized.")
    phone.clear("unauthorized")
    wait_for_state(phones, phone, "device")
    assert adb("shell", "echo in").stdout == "in\n"


def test_reboot_ends_processes_and_changes_the_boot_id(
    phones: VirtualPhones, phone: VirtualPhone, benchmark: Adb, adb: Adb
) -> None:
    before = adb("shell", "cat /proc/sys/kernel/random/boot_id").stdout
    phone.pass_time(1000.0)
    assert float(adb("shell", "cat /proc/uptime").stdout.split()[0]) > 1000
    phone.fault("hang")
    phone.fault("reboot", times=1, during="run", seconds=0.1)
    assert benchmark("& setsid sleep 600").returncode == 255
    phones.connect()
    assert adb("shell", "cat /proc/sys/kernel/random/boot_id").stdout != before
    assert float(adb("shell", "cat /proc/uptime").stdout.split()[0]) < 60
    assert living(phone) == []
    assert phone.files() == ["benchmark_model", "model.tflite"]  # /data is kept


def test_reboot_by_adb(phones: VirtualPhones, phone: VirtualPhone, adb: Adb) -> None:
    before = adb("shell", "cat /proc/sys/kernel/random/boot_id").stdout
    adb("reboot")
    wait_for_state(phones, phone, "offline")
    phone.clear()
    phones.connect()
    assert adb("shell", "cat /proc/sys/kernel/random/boot_id").stdout != before


def living(phone: VirtualPhone) -> list[str]:
    """Processes of the phone."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and str(phone.root).encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


def test_another_model_comes_under_the_same_serial(phones: VirtualPhones, phone: VirtualPhone, adb: Adb) -> None:
    phone.fault("another_model", model="Pixel 4")
    phones.connect()
    assert adb("shell", "getprop ro.product.model").stdout == "Pixel 4\n"
    assert adb("shell", "cat /sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq").stdout == "2841600\n"
    assert f"{phone.serial}" in phones.server.run("devices", "-l").stdout
    assert "model:Pixel_4" in phones.server.run("devices", "-l").stdout
    phone.clear()
    phones.connect()
    assert adb("shell", "getprop ro.product.model").stdout == "Pixel 6\n"
    with pytest.raises(ValueError, match="no model is called 'Nokia'; there are Pixel 4, "):
        phone.fault("another_model", model="Nokia")


@pytest.mark.parametrize(
    ("name", "push_error", "reason"),
    [
        ("disk_full", "remote write failed: No space left on device", "No space left on device"),
        ("permission_denied", "remote couldn't create file: Permission denied", "Permission denied"),
    ],
)
def test_files_cannot_be_written(
    phone: VirtualPhone, adb: Adb, file: str, name: str, push_error: str, reason: str
) -> None:
    phone.fault(name)
    result = adb("push", file, "/data/local/tmp/x")
    assert result.returncode == 1
    assert push_error in result.stderr
    made = adb("shell", "mkdir '/data/local/tmp/a folder'")
    assert (made.returncode, made.stderr) == (1, f"mkdir: '/data/local/tmp/a folder': {reason}\n")
    assert phone.files() == []
    written = adb("shell", "echo x > /data/local/tmp/y")
    assert written.returncode == 1
    assert re.search(rf"write( error)?: {reason}\n\Z", written.stderr)  # mksh, or bash where that is missing
    phone.clear()
    assert adb("push", file, "/data/local/tmp/x").returncode == 0


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("wrong_abi", {}, "not executable: 64-bit ELF file"),
        ("permission_denied", {"during": "run"}, "can't execute: Permission denied"),
    ],
)
def test_program_cannot_be_run(
    phone: VirtualPhone, benchmark: Adb, name: str, settings: dict[str, str], message: str
) -> None:
    phone.fault(name, times=1, **settings)
    result = benchmark()
    assert (result.returncode, result.stdout) == (126, "")
    assert result.stderr == f"/system/bin/sh: /data/local/tmp/benchmark_model: {message}\n"
    assert benchmark().returncode == 0


def test_crash_exits_139(phone: VirtualPhone, benchmark: Adb) -> None:
    phone.fault("crash", times=1)
    result = benchmark(prefix="taskset 80")
    assert result.returncode == 139
    assert "Inference" not in result.stdout
    phone.fault("crash", times=1, signal=6)
    assert benchmark().returncode == 134
    assert benchmark().returncode == 0


def test_hang_lasts_until_somebody_ends_it(phone: VirtualPhone, benchmark: Adb) -> None:
    phone.fault("hang", times=1)
    result = benchmark(prefix="timeout -s KILL 0.5")
    assert result.returncode == 137
    assert "Initialized" not in result.stdout
    assert benchmark(prefix="timeout -s KILL 30").returncode == 0


def test_garbage_zeros_and_half_lines_are_printed_with_exit_code_0(phone: VirtualPhone, benchmark: Adb) -> None:
    phone.fault("garbage", times=1)
    result = benchmark()
    assert (result.returncode, "STARTING" in result.stdout) == (0, False)
    phone.fault("zero", times=1)
    result = benchmark()
    assert (result.returncode, mean(result.stdout)) == (0, 0)
    assert "count=20 curr=0(all same)" in result.stdout
    phone.fault("truncated", times=1)
    result = benchmark()
    last = result.stdout.splitlines()[-1]
    assert (result.returncode, result.stdout[-1:] == "\n", "max=" in last, "count=20" in last) == (
        0,
        False,
        False,
        True,
    )
    phone.fault("truncated", times=1, at="timings")
    result = benchmark()
    assert (result.returncode, result.stdout[-1:] == "\n") == (0, False)
    assert "Inference" in result.stdout
    assert benchmark().stdout.endswith("\n")


def test_spike_is_in_one_run_and_busy_in_all(phone: VirtualPhone, benchmark: Adb, adb: Adb) -> None:
    usual = 1e3 * MILLISECONDS * phone.time_factor
    phone.fault("spike", times=1, factor=21)
    result = benchmark()
    assert mean(result.stdout) == pytest.approx(2 * usual, rel=0.02)
    median = int(result.stdout.rpartition("median=")[2].split()[0])
    assert median == pytest.approx(usual, rel=0.02)
    phone.fault("busy", factor=3)
    assert mean(benchmark().stdout) == pytest.approx(3 * usual, rel=0.02)
    assert float(adb("shell", "cat /proc/loadavg").stdout.split()[0]) > 5


def test_throttling_phone_gets_slower_and_warmer_and_cools(phone: VirtualPhone, benchmark: Adb, adb: Adb) -> None:
    def look() -> tuple[float, int, int]:
        time_us = mean(benchmark().stdout)
        zone, core = "/sys/class/thermal/thermal_zone0/temp", "/sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq"
        temperature, frequency = adb("shell", f"cat {zone} {core}").stdout.split()
        return time_us, int(temperature), int(frequency)

    cold = look()
    assert (cold[1], cold[2]) == (34000, 2802000)
    phone.fault("throttling", factor=2.0, rise=0.4, cooling_seconds=1000.0)
    warm, hot, hottest = look(), look(), look()
    for number, sign in ((0, 1), (1, 1), (2, -1)):
        values = [sign * moment[number] for moment in (cold, warm, hot, hottest)]
        assert values == sorted(values)
        assert len(set(values)) == 4
    assert hottest[0] == pytest.approx(2 * cold[0], rel=0.03)
    phone.clear("throttling")
    assert look() == (pytest.approx(cold[0], rel=0.02), 34000, 2802000)
    phone.fault("throttling", times=1, factor=2.0, rise=1.0, cooling_seconds=0.02)
    benchmark()
    end = time.monotonic() + 20
    while (now := look())[1] > 34000:
        assert time.monotonic() < end, f"it stays at {now}"
    assert now == (pytest.approx(cold[0], rel=0.02), 34000, pytest.approx(2802000, rel=1e-3))


def test_phone_that_never_cools_screen_and_battery_are_told(phone: VirtualPhone, adb: Adb) -> None:
    phone.fault("never_cools", temperature_c=58.0)
    phone.fault("screen_on")
    phone.fault("battery_low", level=3)
    assert adb("shell", "cat /sys/class/thermal/thermal_zone0/temp").stdout == "58000\n"
    battery = adb("shell", "dumpsys battery").stdout
    assert "  temperature: 580\n" in battery
    assert "  level: 3\n" in battery
    assert "Thermal Status: 2" in adb("shell", "dumpsys thermalservice").stdout
    assert "mWakefulness=Awake" in adb("shell", "dumpsys power").stdout


def test_state_changes_are_seen_by_a_command_that_runs(phone: VirtualPhone, adb: Adb) -> None:
    zone = "/sys/class/thermal/thermal_zone0/temp"
    phone.fault("never_cools")
    waiting = threading.Timer(0.3, lambda: phone.clear("never_cools"))
    waiting.start()
    script = f"while [ $(cat {zone}) -gt 40000 ]; do sleep 0.05; done; cat {zone}"
    assert adb("shell", script).stdout == "34000\n"
    waiting.join()


def test_killed_server_comes_back_without_its_phones(phones: VirtualPhones, phone: VirtualPhone, adb: Adb) -> None:
    phones.server.kill()
    phones.server.start()
    assert state(phones, phone) == "absent"
    phones.connect()
    assert adb("shell", "echo here").stdout == "here\n"


def test_phone_outlives_a_server_that_dies_in_the_midst_of_its_work(
    phones: VirtualPhones, phone: VirtualPhone, benchmark: Adb, adb: Adb
) -> None:
    phone.fault("hang", times=1)
    killer = threading.Timer(0.5, phones.server.kill)
    killer.start()
    assert benchmark().returncode != 0
    killer.join()
    phones.server.start()
    phones.connect()
    assert benchmark().returncode == 0
