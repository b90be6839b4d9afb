"""Ports that nobody else gets, and an adb server that is there again after it was killed."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mnas_moo.objectives.virtual_phone.server import AdbServer, Port

pytest.importorskip("adbutils", reason="its wheel brings the adb server")


@pytest.fixture
def only_two(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ports are looked for among two that are free."""
    numbers = []
    for port in (Port(), Port()):
        numbers.append(port.number)
        port.give_back()

    class Random:
        def sample(self, population: Sequence[int], k: int) -> list[int]:
            return numbers

    monkeypatch.setattr(random, "SystemRandom", Random)
    return numbers


def test_a_port_is_nobody_elses_until_it_is_given_back(only_two: list[int]) -> None:
    first, second = Port(), Port()
    assert [first.number, second.number] == only_two
    with pytest.raises(RuntimeError, match="no free port"):
        Port()
    first.give_back()
    assert Port().number == only_two[0]


def test_another_process_does_not_get_it_either(only_two: list[int]) -> None:
    script = (
        f"import random; random.SystemRandom.sample = lambda *_: {only_two}; "
        "from mnas_moo.objectives.virtual_phone.server import Port; "
        "port = Port(); print(port.number, flush=True); input()"
    )
    first = Port()
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert int(other.stdout.readline()) == only_two[1]
        with pytest.raises(RuntimeError, match="no free port"):
            Port()
        other.kill()
    assert Port().number == only_two[1]  # it ends with the process, however that ended
    first.give_back()


def test_a_port_that_somebody_listens_on_is_passed_over(only_two: list[int]) -> None:
    with socket.create_server(("127.0.0.1", only_two[0])):
        assert Port().number == only_two[1]


def test_server_is_started_once_and_again_after_it_was_killed(tmp_path: Path) -> None:
    server = AdbServer(tmp_path)
    try:
        server.start()
        process = server._process
        server.start()
        assert server._process is process
        assert server.run("devices").stdout.strip() == "List of devices attached"
        server.kill()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0
        server.start()
        assert server.run("devices").returncode == 0
    finally:
        server.close()
    assert (tmp_path / ".android/adbkey").exists()  # a key of its own


def test_server_that_cannot_listen_says_so(tmp_path: Path) -> None:
    server = AdbServer(tmp_path)
    server.adb = "/bin/false"
    with pytest.raises(RuntimeError, match="adb's server does not start"):
        server.start()
    server.close()
