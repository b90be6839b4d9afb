"""Virtual phones for the tests of them, on the real adb server; each test finds them whole and empty."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from mnas_moo.objectives.virtual_phone.benchmark import Program
from mnas_moo.objectives.virtual_phone.phone import VirtualPhone
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones

MILLISECONDS = 10.0

Adb = Callable[..., CompletedProcess[str]]


def pretend(model: bytes) -> float:
    """As a model of LiteRT's: an inference takes 10 ms, unless the file is none."""
    if model.startswith(b"not a model"):
        raise RuntimeError("The model is not a valid Flatbuffer buffer")
    return MILLISECONDS


@pytest.fixture(scope="session")
def all_phones() -> Iterator[VirtualPhones]:
    """Two phones whose inference takes 10 ms times their factor."""
    pytest.importorskip("adbutils", reason="its wheel brings the adb server")
    with VirtualPhones(2, ["Pixel 6", "Pixel 9"], latency_ms=pretend) as phones:
        yield phones


@pytest.fixture
def phones(all_phones: VirtualPhones) -> Iterator[VirtualPhones]:
    """The same, in order before and after."""
    yield all_phones
    all_phones.server.start()
    for phone in all_phones:
        phone.clear()
        for path in (phone.root / "data/local/tmp").iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    all_phones.connect()
    for phone in all_phones:
        phone.log.clear()


@pytest.fixture
def phone(phones: VirtualPhones) -> VirtualPhone:
    """The first of them."""
    return phones[0]


@pytest.fixture
def adb(phones: VirtualPhones, phone: VirtualPhone) -> Adb:
    """Runs the adb client for the first phone."""

    def run(*arguments: str, timeout_seconds: float = 30.0) -> CompletedProcess[str]:
        return phones.server.run("-s", phone.serial, *arguments, timeout_seconds=timeout_seconds)

    return run


@pytest.fixture
def program() -> Program:
    """Whose benchmark_model the phone has; a test module may have a fixture of this name with both."""
    return "tflite"


@pytest.fixture
def benchmark(phones: VirtualPhones, adb: Adb, tmp_path: Path, program: Program) -> Adb:
    """Runs benchmark_model on the first phone, for a few runs; adds its arguments."""
    model = tmp_path / "model.tflite"
    model.write_bytes(bytes(4_000_000))
    adb("push", str(phones.programs[program]), "/data/local/tmp/benchmark_model")
    adb("push", str(model), "/data/local/tmp/model.tflite")

    def run(*arguments: str, prefix: str = "") -> CompletedProcess[str]:
        flags = "--graph=/data/local/tmp/model.tflite --num_threads=1 --num_runs=20 --min_secs=0 --warmup_min_secs=0"
        return adb("shell", f"{prefix} /data/local/tmp/benchmark_model {flags} {' '.join(arguments)}")

    return run
