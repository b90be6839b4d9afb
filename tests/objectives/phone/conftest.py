"""Virtual phones behind a private adb server, and an objective with limits that suit tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mnas_moo.objectives.formats import litert
from mnas_moo.objectives.phone import latency
from mnas_moo.objectives.phone.latency import AdbLatency
from mnas_moo.objectives.phone.steadiness import reference_model
from mnas_moo.objectives.virtual_phone.benchmark import Program
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from mnas_moo.spaces.spec import Layer, NetworkSpec

pytest.importorskip("adbutils", reason="the real adb comes with adbutils")
pytest.importorskip("ai_edge_litert", reason="models are written by it")

REFERENCE_MS = 2.0


def network(channels: int, name: str = "") -> NetworkSpec:
    """A network so small that writing it takes no time; its file differs with ``channels``."""
    return NetworkSpec((3, 16, 16), Layer("conv", 3, channels, kernel=3, stride=2), (), 0, 10, name=name)


def latency_of(spec: NetworkSpec) -> float:
    """What a virtual phone takes for ``spec``, in ms."""
    return _milliseconds(litert.write(spec.canonical()))


def _milliseconds(model: bytes) -> float:
    if b"broken" in model:
        raise RuntimeError("Didn't find op for builtin opcode 'CONV_2D'")
    return REFERENCE_MS if model == reference_model() else len(model) / 1e3


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phones on loopback are asked for more often, and waited for shorter, than those on a cable."""
    monkeypatch.setattr(latency, "POLL_S", 0.1)
    monkeypatch.setattr(latency, "CONNECT_EVERY_S", 0.2)
    monkeypatch.setattr(latency, "GRACE_S", 1.0)


@pytest.fixture(scope="session")
def phone_park() -> Iterator[VirtualPhones]:
    """Three phones of one model that take a known time for a model; they have no faults between tests."""
    with VirtualPhones(3, latency_ms=_milliseconds) as phones:
        for phone in phones:
            phone.time_factor = 1.0
        yield phones


@pytest.fixture
def phones(phone_park: VirtualPhones, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualPhones]:
    """The phones without faults, and adb's environment set to theirs; afterwards nothing may be left on them."""
    for name, value in phone_park.environment.items():
        monkeypatch.setenv(name, value)
    phone_park.server.start()
    phone_park.connect()
    for phone in phone_park:
        phone.log.clear()
    yield phone_park
    for phone in phone_park:
        phone.clear()
    phone_park.server.start()
    phone_park.connect()
    left = {phone.serial: phone.files() for phone in phone_park if phone.files()}
    for phone in phone_park:
        phone_park.server.run("-s", phone.serial, "shell", "rm -rf /data/local/tmp/*")
    assert not left


@pytest.fixture
def program() -> Program:
    """Whose benchmark_model is brought to the phones; a test module may have a fixture of this name with both."""
    return "litert"


@pytest.fixture
def objective(phones: VirtualPhones, program: Program) -> Iterator[Callable[..., AdbLatency]]:
    """Makes objectives with short limits, and closes them; their reports are in ``.said``."""
    made: list[AdbLatency] = []

    def make(count: int = 1, **settings: Any) -> AdbLatency:
        said: list[str] = []
        settings = {
            "serials": [phone.serial for phone in list(phones)[:count]],
            "benchmark_model": phones.programs[program],
            "time_limit_s": 3.0,
            "rest_s": (0.2, 1.0),
            "report": said.append,
            **settings,
        }
        measured = AdbLatency(**settings)
        measured.said = said  # type: ignore[attr-defined]
        made.append(measured)
        return measured

    yield make
    for measured in made:
        measured.close()
