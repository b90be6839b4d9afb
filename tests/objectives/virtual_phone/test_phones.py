from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.virtual_phone.phone import of_this_user
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones, main
from mnas_moo.spaces.networks import network
from mnas_moo.spaces.spec import Layer, NetworkSpec

adbutils = pytest.importorskip("adbutils", reason="its wheel brings the adb server")
needs_litert = pytest.mark.skipif(importlib.util.find_spec("ai_edge_litert") is None, reason="runs models in LiteRT")


def processes_with(word: bytes) -> list[bytes]:
    """Command lines of all processes that have ``word`` in them or in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                line = (folder / "cmdline").read_bytes()
                if word in line + (folder / "environ").read_bytes():
                    found.append(line)
        except OSError:
            continue
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("count", "models", "message"),
    [
        (0, None, "count is 0 with 0 models; it is from 1 to 16"),
        (2, ["Pixel 6"], "count is 2 with 1 models"),
        (1, ["Nokia"], "no model is called 'Nokia'; there are Pixel 4, Pixel 6, Pixel 9"),
    ],
)
def test_wrong_arguments_are_refused(count: int, models: list[str] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VirtualPhones(count, models)


def test_unknown_program_is_refused() -> None:
    with pytest.raises(ValueError, match="program is 'onnx'; allowed: litert, tflite"):
        VirtualPhones(program="onnx")  # type: ignore[arg-type]


def test_lack_of_android_s_tools_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return True

    monkeypatch.setattr("mnas_moo.objectives.virtual_phone.phones.threading.Event", Ended)
    monkeypatch.setattr("mnas_moo.objectives.virtual_phone.phones.missing_tools", lambda: ["mksh", "toybox"])
    main(1)
    error = capsys.readouterr().err
    assert "no mksh and no toybox" in error
    assert "apt install mksh toybox" in error
    assert error.count("\n") == 1


@needs_litert
def test_phone_really_runs_the_pushed_model(tmp_path: Path) -> None:
    tiny = NetworkSpec((3, 16, 16), Layer("conv", 3, 8, kernel=3, stride=2), (), 0, 10)
    (tmp_path / "small.tflite").write_bytes(litert.write(tiny))
    (tmp_path / "large.tflite").write_bytes(litert.write(network("mnasnet-a1", resolution=160)))
    (tmp_path / "bad.tflite").write_bytes(b"no model at all")
    with VirtualPhones() as phones:
        serial = phones[0].serial

        def run(name: str, threads: int = 1, flags: str = "--num_runs=10") -> subprocess.CompletedProcess[str]:
            flags += f" --graph=/data/local/tmp/{name} --num_threads={threads} --min_secs=0"
            flags += " --warmup_min_secs=0 --warmup_runs=2"
            return phones.server.run("-s", serial, "shell", f"/data/local/tmp/benchmark_model {flags}")

        def median(output: str) -> int:
            found = re.search(r"count=10 .*median=(\d+)", output)
            assert found, output
            return int(found[1])

        for file in (phones.benchmark_model, *tmp_path.iterdir()):
            assert phones.server.run("-s", serial, "push", str(file), "/data/local/tmp/").returncode == 0
        small, large = run("small.tflite"), run("large.tflite")
        assert 0 < median(small.stdout) < median(large.stdout)  # thousands of times the multiply-adds
        assert "count=2 first=" in small.stdout
        assert median(run("small.tflite", threads=2).stdout) > 0
        many = run("small.tflite", flags="--num_runs=20000 --max_secs=30")
        assert "count=20000 " in many.stdout
        phones[0].time_factor *= 50
        assert median(run("small.tflite").stdout) > 5 * median(small.stdout)
        bad = run("bad.tflite")
        assert bad.returncode == 1
        assert "ERROR: Failed to load model /data/local/tmp/bad.tflite\n" in bad.stderr


@needs_litert
def test_nothing_is_left_of_phones_that_are_busy_when_they_end(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(litert.write(network("mnasnet-small", resolution=64)))
    with VirtualPhones(2) as phones:
        folder, port, serials = phones[0].root.parent, phones.port, [phone.serial for phone in phones]
        for file in (phones.benchmark_model, tmp_path / "m.tflite"):
            phones.server.run("-s", serials[0], "push", str(file), "/data/local/tmp/")
        command = "/data/local/tmp/benchmark_model --graph=/data/local/tmp/m.tflite --min_secs=600 --max_secs=600"
        busy = [
            threading.Thread(target=phones.server.run, args=("-s", serial, "shell", text))
            for serial, text in ((serials[0], command), (serials[1], "setsid sleep 600 & trap '' HUP; sleep 600"))
        ]
        for thread in busy:
            thread.start()
        while not (phones[0].log and phones[0].log[-1].kind == "benchmark" and phones[1].log):
            time.sleep(0.01)
    for thread in busy:
        thread.join()
    assert not folder.exists()
    assert not listens(port)
    assert not any(listens(int(serial.rpartition(":")[2])) for serial in serials)
    assert processes_with(str(folder).encode()) == []


def test_two_sets_of_phones_do_not_know_each_other() -> None:
    with VirtualPhones(latency_ms=lambda model: 1.0) as one, VirtualPhones(latency_ms=lambda model: 1.0) as other:
        assert one.port != other.port != 5037 != one.port
        assert other[0].serial not in one.server.run("devices").stdout
        assert one[0].serial in one.server.run("devices").stdout


def test_connections_of_other_users_are_told_from_our_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, theirs = server.getsockname()[1], client.getsockname()[1]
        assert of_this_user(theirs, ours)
        assert not of_this_user(theirs, 1)  # no such connection


@needs_litert
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_command_line_says_how_to_use_them_and_leaves_nothing(number: signal.Signals, status: int) -> None:
    parent = Path(tempfile.mkdtemp(prefix="own-"))  # the phones' folder alone; pytest's names are too long for sockets
    process = subprocess.Popen(
        [sys.executable, "-c", "from mnas_moo.objectives.virtual_phone.phones import main; main(1)"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(parent)},
    )
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    port = re.fullmatch(r"export ANDROID_ADB_SERVER_PORT=(\d+)\n", lines[2])
    assert port
    answer = subprocess.run(
        [adbutils.adb_path(), "-P", port[1], "shell", "ls /data/local/tmp"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    (folder,), end = parent.glob("virtual-phones-*"), time.monotonic() + 50
    process.send_signal(number)
    assert process.wait(timeout=30) == status
    assert lines[0].startswith("# Pixel 6 at 127.0.0.1:")
    assert answer == ["benchmark_model"]  # where it is looked for
    while number == signal.SIGKILL and processes_with(str(folder).encode()):  # the guard needs a moment
        assert time.monotonic() < end, processes_with(str(folder).encode())
    assert not listens(int(port[1]))
    assert processes_with(str(folder).encode()) == []
    assert not folder.exists()
    process.stdout.close()
    parent.rmdir()
