from __future__ import annotations

import doctest
import shlex
import subprocess
import threading
import time
from pathlib import Path

import pytest

from mnas_moo.objectives.virtual_phone import shell
from mnas_moo.objectives.virtual_phone.phone import VirtualPhone
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.virtual_phone.conftest import Adb

adbutils = pytest.importorskip("adbutils")

AWKWARD = [
    "a b",
    "it's",
    'say "hi"',
    "semi;colon",
    "$(touch pwned)",
    "`touch pwned`",
    "new\nline",
    "back\\slash",
    "$HOME ${X} * ? [a] ~",
    "-n",
    "ünïcode €",
    "& | > <",
]


def device(phones: VirtualPhones) -> object:
    return adbutils.AdbClient(host="127.0.0.1", port=phones.port).device(phones[0].serial)


def test_doctests() -> None:
    assert doctest.testmod(shell).failed == 0


def test_output_errors_and_exit_code_come_apart(adb: Adb) -> None:
    result = adb("shell", "echo out; echo err >&2; exit 7")
    assert (result.returncode, result.stdout, result.stderr) == (7, "out\n", "err\n")


def test_adbutils_gets_the_same(phones: VirtualPhones) -> None:
    result = device(phones).shell2("echo out; echo err >&2; exit 7", v2=True)  # type: ignore[attr-defined]
    assert (result.returncode, result.stdout, result.stderr) == (7, "out\n", "err\n")


def test_first_version_of_the_protocol_mixes_them(phones: VirtualPhones) -> None:
    result = device(phones).shell2("echo out; echo err >&2; (exit 7)")  # type: ignore[attr-defined]
    assert (result.returncode, sorted(result.output.split())) == (7, ["err", "out"])


def test_raw_output_and_commands_from_standard_input_but_no_terminal(phones: VirtualPhones, adb: Adb) -> None:
    assert adb("exec-out", "printf 'a\\r\\nb'").stdout == "a\nb"  # as Python reads text
    result = subprocess.run(
        [phones.server.adb, "-s", phones[0].serial, "shell"],
        env={"HOME": "/nonexistent", **phones.environment},
        input=b"echo one\necho two\nexit 3\n",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (result.returncode, result.stdout) == (3, b"one\ntwo\n")
    assert "use: adb shell COMMAND" in adb("shell", "-tt").stderr


@pytest.mark.parametrize("word", AWKWARD)
def test_quoted_word_reaches_the_phone_as_itself(adb: Adb, phone: VirtualPhone, word: str) -> None:
    assert adb("shell", f"printf %s {shlex.quote(word)}").stdout == word
    path = shlex.quote(f"/data/local/tmp/{word}")
    assert adb("shell", f"cd /data/local/tmp; echo x > {path}; cat {path}").stdout == "x\n"
    assert phone.files() == [word]


def test_unquoted_word_does_what_it_would_on_a_phone(adb: Adb, phone: VirtualPhone) -> None:
    adb("shell", "cd /data/local/tmp; echo $(touch pwned)")
    assert phone.files() == ["pwned"]
    assert adb("shell", "echo 'unfinished").returncode != 0


def test_unknown_command_exits_127_in_the_words_of_android(adb: Adb) -> None:
    result = adb("shell", "nosuch --flag")
    said = result.stderr.removeprefix("E: ")  # newer builds of mksh begin their errors with it
    assert (result.returncode, said) == (127, "/system/bin/sh: nosuch: inaccessible or not found\n")


def test_death_by_signal_is_128_and_the_signal(adb: Adb) -> None:
    assert adb("shell", "kill -SEGV $$").returncode == 139
    assert adb("shell", "timeout -s KILL 0.1 sleep 9; exit $?").returncode == 137


def test_standard_input_reaches_the_command_and_ends(phones: VirtualPhones, phone: VirtualPhone) -> None:
    result = subprocess.run(
        [phones.server.adb, "-s", phone.serial, "shell", "cat > '/data/local/tmp/in put'; wc -c"],
        env={"HOME": "/nonexistent", **phones.environment},
        input=bytes(range(256)) * 1000,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert result.stdout.split() == [b"0"]
    assert (phone.root / "data/local/tmp/in put").read_bytes() == bytes(range(256)) * 1000


def test_commands_run_side_by_side(adb: Adb) -> None:
    """One waits for a file that another, started later, makes: with one at a time it would wait for ever."""
    wait = "while [ ! -e /data/local/tmp/go ]; do sleep 0.02; done; echo went"
    results: list[str] = []
    waiting = [threading.Thread(target=lambda: results.append(adb("shell", wait).stdout)) for _ in range(4)]
    for thread in waiting:
        thread.start()
    adb("shell", "touch /data/local/tmp/go")
    for thread in waiting:
        thread.join()
    assert results == ["went\n"] * 4


def test_long_output_is_whole(adb: Adb) -> None:
    lines = adb("shell", "seq 200000").stdout.split()
    assert (len(lines), lines[-1]) == (200000, "200000")


def test_paths_are_the_phone_s_in_both_directions(adb: Adb) -> None:
    assert adb("shell", "pwd; cd /data/local/tmp; pwd; touch a; echo /data/local/tmp/*; ls -d /sys/devices").stdout == (
        "/\n/data/local/tmp\n/data/local/tmp/a\n/sys/devices\n"
    )
    assert adb("shell", "cat /data/local/tmp/none").stderr == "cat: /data/local/tmp/none: No such file or directory\n"


@pytest.mark.parametrize("size", range(1, 30))
def test_a_path_is_the_phone_s_however_its_output_is_cut(size: int) -> None:
    root, out = b"/tmp/p", b"/tmp/p\n/tmp/p/sys/devices /tmp/p/ /tm /tmp/p/a"
    to_phone = shell.ToPhone(root)
    parts = [to_phone.feed(out[start : start + size]) for start in range(0, len(out), size)]
    assert b"".join([*parts, to_phone.end()]) == b"/\n/sys/devices / /tm /a"


def test_nothing_of_the_host_s_environment_is_there(adb: Adb, phone: VirtualPhone) -> None:
    names = {line.partition("=")[0] for line in adb("shell", "env").stdout.splitlines()}
    assert names <= {*phone._image.environment, "PWD", "OLDPWD", "SHLVL", "_"}


def test_properties_are_those_of_the_model(phones: VirtualPhones) -> None:
    def ask(index: int, name: str) -> str:
        return phones.server.run("-s", phones[index].serial, "shell", f"getprop {name}").stdout

    names = ("ro.product.model", "ro.product.manufacturer", "ro.build.version.release", "ro.product.cpu.abi")
    assert [ask(0, name) for name in names] == ["Pixel 6\n", "Google\n", "14\n", "arm64-v8a\n"]
    assert [ask(1, name) for name in names] == ["Pixel 9\n", "Google\n", "15\n", "arm64-v8a\n"]
    assert ask(0, "ro.serialno") == f"{phones[0].serial}\n"
    assert ask(0, "no.such.property") == "\n"
    assert "[ro.soc.model]: [Tensor]\n" in ask(0, "")
    assert adbutils.AdbClient(host="127.0.0.1", port=phones.port).device(phones[1].serial).prop.model == "Pixel 9"


def test_cores_and_temperatures_are_where_linux_has_them(adb: Adb) -> None:
    text = adb("shell", "cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq").stdout
    assert [int(line) for line in text.split()] == [1803000] * 4 + [2253000] * 2 + [2802000] * 2
    assert adb("shell", "cat /sys/class/thermal/thermal_zone0/type").stdout == "BIG\n"
    assert adb("shell", "cat /sys/class/thermal/thermal_zone0/temp").stdout == "34000\n"
    assert "  temperature: 270\n" in adb("shell", "dumpsys battery").stdout
    assert "mWakefulness=Asleep" in adb("shell", "dumpsys power").stdout
    assert adb("shell", "dumpsys ../settings").stdout == "Can't find service: ../settings\n"


def test_taskset_refuses_what_the_phone_has_not(adb: Adb) -> None:
    assert adb("shell", "taskset 80 sh -c 'echo $TASKSET_MASK'").stdout == "80\n"
    assert adb("shell", "taskset 100 true").returncode == 1
    assert adb("shell", "taskset zz true").returncode == 1


@pytest.mark.parametrize("work", ["sleep 0.02", "echo and writes meanwhile"])
def test_command_gets_sighup_when_its_client_is_gone(phones: VirtualPhones, phone: VirtualPhone, work: str) -> None:
    path = phone.root / "data/local/tmp"
    command = "trap 'touch /data/local/tmp/hup; exit' HUP; trap '' PIPE; touch /data/local/tmp/up;"
    command += f" while :; do {work}; done 2>/dev/null"
    client = subprocess.Popen(
        [phones.server.adb, "-s", phone.serial, "shell", command],
        env={"HOME": "/nonexistent", **phones.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_for(path / "up")
    client.kill()
    client.wait()
    wait_for(path / "hup")


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.01)
