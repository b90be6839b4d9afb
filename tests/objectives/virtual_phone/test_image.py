"""What lies in a virtual phone's folder; the commands that read it are in test_shell.py."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mnas_moo.objectives.virtual_phone.image import Image, State, missing_tools
from mnas_moo.objectives.virtual_phone.models import MODELS

AT_REST = State(
    uptime_seconds=100.0,
    boot_id="b1",
    battery_c=27.0,
    cpu_c=34.0,
    frequency_factor=1.0,
    busy_share=0.25,
    screen_on=False,
    battery_level=80,
)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    made = Image(tmp_path / "phone", MODELS["Pixel 6"], "127.0.0.1:1")
    made.show(AT_REST)
    return made


def read(image: Image, name: str) -> str:
    return (image.root / name).read_text()


def test_state_is_where_programs_look_for_it(image: Image) -> None:
    assert read(image, "proc/uptime") == "100.00 720.00\n"  # of eight cores
    assert read(image, "proc/stat") == "cpu  20000 0 0 60000 0 0 0 0 0 0\n"
    assert read(image, "proc/loadavg").startswith("2.00 ")
    assert read(image, "proc/sys/kernel/random/boot_id") == "b1\n"
    zones = [read(image, f"sys/class/thermal/thermal_zone{number}/temp") for number in range(4)]
    assert zones == ["34000\n", "33500\n", "33000\n", "27000\n"]
    assert read(image, "sys/class/power_supply/battery/capacity") == "80\n"


def test_throttled_cores_run_at_a_share_of_their_highest_frequency(image: Image) -> None:
    image.show(dataclasses.replace(AT_REST, frequency_factor=0.5))
    assert read(image, "sys/devices/system/cpu/cpu7/cpufreq/scaling_cur_freq") == "1401000\n"
    assert read(image, "sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq") == "2802000\n"


@pytest.mark.parametrize(("cpu_c", "status"), [(49.9, 0), (50.0, 2), (60.0, 3)])
def test_thermal_status_follows_the_heat(image: Image, cpu_c: float, status: int) -> None:
    image.show(dataclasses.replace(AT_REST, cpu_c=cpu_c))
    assert f"Thermal Status: {status}\n" in read(image, "state/dumpsys/thermalservice")


@pytest.mark.parametrize(("level", "status"), [(100, "  status: 5\n"), (99, "  status: 2\n")])
def test_only_a_full_battery_is_full(image: Image, level: int, status: str) -> None:
    image.show(dataclasses.replace(AT_REST, battery_level=level))
    assert status in read(image, "state/dumpsys/battery")


def test_file_whose_contents_stay_is_not_written_again(image: Image) -> None:
    unchanged, changed = image.root / "proc/stat", image.root / "proc/sys/kernel/random/boot_id"
    before = unchanged.stat().st_ino, changed.stat().st_ino
    image.show(dataclasses.replace(AT_REST, boot_id="b2"))
    assert (unchanged.stat().st_ino == before[0], changed.read_text()) == (True, "b2\n")


def test_another_model_has_other_cores_and_properties(image: Image) -> None:
    image.become(MODELS["Pixel 4"], "127.0.0.1:1")
    assert read(image, "sys/devices/system/cpu/cpu7/cpufreq/cpuinfo_max_freq") == "2841600\n"
    assert "ro.product.model=Pixel 4\n" in read(image, "state/properties")
    assert image.environment["HOSTNAME"] == "flame"


def test_programs_of_the_phone_are_there_and_no_others(image: Image) -> None:
    programs = set(os.listdir(image.root / "system/bin"))  # noqa: PTH208
    assert {"sh", "getprop", "dumpsys", "taskset", "cat", "benchmark_model_of_virtual_phone"} <= programs
    assert not programs & {"python3", "ssh", "sudo", "mount", "killall", "curl"}
    done = subprocess.run(
        [image.root / "system/bin/getprop", "ro.product.model"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "Pixel 6\n"


@pytest.mark.skipif(bool(missing_tools()), reason="mksh and toybox are not installed here")
def test_shell_and_programs_are_android_s_own(image: Image) -> None:
    version = subprocess.run(
        [image.root / "system/bin/sh", "-c", "echo $KSH_VERSION"], capture_output=True, text=True, check=True
    )
    assert "MIRBSD KSH" in version.stdout
    for program in ("cat", "grep", "mkdir", "mv", "rm", "sha256sum", "timeout"):
        assert (image.root / "system/bin" / program).resolve().name == "toybox", program


def test_bash_and_coreutils_stand_in_and_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("mksh", "toybox") else which(name))
    assert missing_tools() == ["mksh", "toybox"]
    made = Image(tmp_path / "phone", MODELS["Pixel 6"], "127.0.0.1:1")
    assert Path(made.shell).name == "bash"
    assert (made.root / "system/bin/cat").resolve() == Path(str(which("cat"))).resolve()


def test_files_are_told_below_the_temporary_folder_in_order(image: Image) -> None:
    assert image.files() == []
    (image.root / "data/local/tmp/b").mkdir()
    (image.root / "data/local/tmp/b/c").touch()
    (image.root / "data/local/tmp/a").touch()
    assert image.files() == ["a", "b", "b/c"]
