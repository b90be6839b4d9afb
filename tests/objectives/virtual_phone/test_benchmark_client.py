"""The program that stands in for benchmark_model: it prints and ends as it is told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mnas_moo.objectives.virtual_phone import benchmark_client


def ask(folder: Path, *answers: dict[str, object]) -> tuple[subprocess.Popen[str], dict[str, object], str, str]:
    """Starts it with ``--graph=x y``, answers it; returns it, its request and what it printed."""
    address = folder / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", benchmark_client.__file__, str(address), "--graph=x y"],
            env={**os.environ, "TASKSET_MASK": "c0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as lines:
            request = json.loads(lines.readline())
            for answer in answers:
                lines.write(json.dumps(answer) + "\n")
        out, error = process.communicate(timeout=20)
    return process, request, out, error


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")  # a short name, for the socket


def test_arguments_and_cores_are_handed_over_and_the_answers_printed(folder: Path) -> None:
    process, request, out, error = ask(
        folder,
        {"stream": "stdout", "text": "INFO: STARTING!\n"},
        {"stream": "stderr", "text": "ERROR: no\n"},
        {"exit": 7},
    )
    assert request == {"arguments": ["--graph=x y"], "mask": "c0", "libraries": ""}
    assert (process.returncode, out, error) == (7, "INFO: STARTING!\n", "ERROR: no\n")


def test_it_dies_of_the_signal_it_is_told(folder: Path) -> None:
    process, *_ = ask(folder, {"stream": "stdout", "text": "before"}, {"signal": 11})
    assert process.returncode == -11


def test_phone_that_is_gone_is_exit_code_1(folder: Path) -> None:
    assert ask(folder)[0].returncode == 1
