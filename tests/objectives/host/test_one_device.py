from __future__ import annotations

import dataclasses
import threading

import pytest

from mnas_moo.objectives.host.latency import HostLatency
from mnas_moo.objectives.host.one_device import OneDevice
from mnas_moo.objectives.objective import Graph, Measurement
from mnas_moo.spaces.spec import Layer
from tests.objectives.host.conftest import SMALL


class Scripted(OneDevice):
    """A device that takes a millisecond a class, cannot run 3 classes, and fails once at 4."""

    def __init__(self, precision: float = 0.02, maximum_seconds: float = 5.0) -> None:
        super().__init__(precision, maximum_seconds)
        self.measured: list[Graph] = []
        self.at_once = 0

    @property
    def device(self) -> dict[str, str]:
        return {"model": "scripted"}

    def close(self) -> None:
        self._closed = True

    def _measure(self, spec: Graph) -> Measurement:
        self.at_once += 1
        assert self.at_once == 1
        self.measured.append(spec)
        classes = spec.nodes[-1].shape[0]
        self.at_once -= 1
        if classes == 3:
            raise ValueError("no 3 classes")
        if classes == 4 and len(self.measured) == 1:
            raise RuntimeError("unplugged")
        return Measurement(float(classes))


def test_networks_that_compute_alike_are_measured_once(host: HostLatency) -> None:
    strided = dataclasses.replace(SMALL, layers=(Layer("mbconv", 8, 8, 3, 2, skip="identity"),))
    twin = dataclasses.replace(SMALL, layers=(Layer("mbconv", 8, 8, 3, 2, skip="none"),), name="another name")
    first = host.measure(strided, 0)
    assert host.measure(twin, 1) is first
    assert host.measure(SMALL, 0) is not first


def test_the_canonical_graph_is_what_is_timed() -> None:
    device = Scripted()
    spec = dataclasses.replace(SMALL, layers=(Layer("mbconv", 8, 8, 3, 2, skip="identity"),))
    device.measure(spec, 0)
    assert device.measured == [spec.canonical()]
    assert device.measured != [spec]


def test_a_seed_changes_nothing() -> None:
    device = Scripted()
    assert device.measure(SMALL, 0) is device.measure(SMALL, 1)
    assert len(device.measured) == 1


def test_what_is_refused_has_its_error_in_its_place_and_is_tried_again() -> None:
    device = Scripted()
    refused = dataclasses.replace(SMALL, classes=3)
    first, error, last = device.measure_all([SMALL, refused, dataclasses.replace(SMALL, classes=5)])
    assert (first, last) == (Measurement(10.0), Measurement(5.0))
    assert str(error) == "no 3 classes"
    with pytest.raises(ValueError, match="no 3 classes"):
        device.measure(refused, 0)
    assert len(device.measured) == 4


def test_a_device_that_failed_is_asked_again() -> None:
    device, spec = Scripted(), dataclasses.replace(SMALL, classes=4)
    with pytest.raises(RuntimeError, match="unplugged"):
        device.measure(spec, 0)
    assert device.measure(spec, 0) == Measurement(4.0)


def test_threads_measure_one_at_a_time_and_each_graph_once() -> None:
    device = Scripted()
    specs = [dataclasses.replace(SMALL, classes=5 + i % 3) for i in range(30)]
    found: list[Measurement] = []
    threads = [threading.Thread(target=lambda spec=spec: found.append(device.measure(spec, 0))) for spec in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(measurement.value for measurement in found) == [5.0] * 10 + [6.0] * 10 + [7.0] * 10
    assert len(device.measured) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0.0, 5.0), "precision is 0.0; it is a share of the median, above 0 and below 1"),
        ((1.0, 5.0), "precision is 1.0"),
        ((0.02, 0.0), "maximum_seconds is 0.0; it must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: tuple[float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scripted(*settings)
