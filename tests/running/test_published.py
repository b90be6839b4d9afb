from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.objectives.objective import Measurement
from mnas_moo.running import latency_sources
from mnas_moo.running.published import PUBLISHED, latencies_in_turn, published_for
from mnas_moo.spaces import network
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile
from tests.conftest import STUDY


class Ideal:
    """A device that does 10^9 multiply-adds in a second; it does not run networks above a size."""

    def __init__(self, most: float = float("inf")) -> None:
        self.most = most
        self.closed = False

    def measure_all(self, specs: list[NetworkSpec]) -> list[Measurement | ValueError]:
        sizes = [spec.multiply_adds for spec in specs]
        return [Measurement(size / 1e6) if size <= self.most else ValueError("too large") for size in sizes]

    def close(self) -> None:
        self.closed = True


def study(folder: Path, latency: str = "host: {}", name: str = "latency_ms") -> StudyFile:
    text = STUDY.format(folder=folder, limit=1).replace("latency_ms: {host: {}}", f"{name}: {{{latency}}}")
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    return load_study_file(folder / "s.yaml")


def test_published_networks_get_the_studys_images() -> None:
    own = network("mnasnet-small", resolution=32, classes=7)
    found = published_for(own)
    assert len(found) == len(PUBLISHED)
    assert {(spec.input_shape, spec.classes) for spec in found} == {((3, 32, 32), 7)}
    assert found[0].name == "MobileNetV2"


@pytest.mark.parametrize("name", ["latency_ms", "latency_ms@core"])
def test_networks_are_timed_by_the_studys_source(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Ideal()
    monkeypatch.setattr(latency_sources, "make", lambda settings, report: device)
    specs = [network("mnasnet-a1"), network("mobilenetv2")]
    found = latencies_in_turn(study(tmp_path, name=name), specs, print)
    assert found == [spec.multiply_adds / 1e6 for spec in specs]
    assert device.closed


def test_a_network_that_cannot_be_timed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_sources, "make", lambda settings, report: Ideal(most=1e6))
    with pytest.raises(StudyError, match=r"s\.yaml:5: objectives\.latency_ms: too large$"):
        latencies_in_turn(study(tmp_path), [network("mnasnet-a1")], print)


def test_a_source_that_times_no_whole_networks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"objectives\.latency_ms is lut, which times no whole networks"):
        latencies_in_turn(study(tmp_path, "lut: phone.json"), [network("mnasnet-a1")], print)
    text = STUDY.format(folder=tmp_path, limit=1).replace(", latency_ms: {host: {}}", ", multiply_adds_m: {}")
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match="small times no networks"):
        latencies_in_turn(load_study_file(tmp_path / "s.yaml"), [], print)
