from __future__ import annotations

from typing import Any

import pytest

from mnas_moo.objectives.host import cuda, latency
from mnas_moo.objectives.lookup import latency as lookup
from mnas_moo.objectives.phone import latency as phone
from mnas_moo.running import latency_sources
from mnas_moo.study_file.measuring import Adb, Latency


class Made:
    """Keeps what it was made with."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.arguments, self.settings = arguments, settings


def silent(message: str) -> None:
    """Nobody is told."""


@pytest.mark.parametrize(
    ("source", "module", "name", "settings"),
    [
        (
            {"host": {"threads": 2}},
            latency,
            "HostLatency",
            {"threads": 2, "data_type": "float32", "precision": 0.02, "maximum_seconds": 5.0, "memory": False},
        ),
        ("onnxruntime", latency, "OnnxLatency", {"threads": 1, "precision": 0.02, "maximum_seconds": 5.0}),
        ({"cuda": {"precision": 0.1}}, cuda, "CudaLatency", {"precision": 0.1, "maximum_seconds": 5.0}),
        ("adb", phone, "AdbLatency", {**Adb().model_dump(), "report": silent}),
    ],
)
def test_a_source_gets_the_settings_of_the_file(
    source: Any, module: Any, name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, Made)
    made: Any = latency_sources.make(Latency.model_validate(source), silent)
    assert (made.arguments, made.settings) == ((), settings)


def test_a_lookup_table_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "LutLatency", Made)
    made: Any = latency_sources.make(Latency.model_validate({"lut": "times.json"}), silent)
    assert made.arguments == ("times.json",)
