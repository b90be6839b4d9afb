from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import pytest
import torch

from mnas_moo.objectives.formats import torch_module
from mnas_moo.objectives.host import cuda, timing
from mnas_moo.objectives.host.cuda import CudaLatency, without_norms
from mnas_moo.objectives.objective import Graph, Measurement
from mnas_moo.spaces import network
from mnas_moo.spaces.spec import Layer, NetworkSpec

NETWORK = NetworkSpec((3, 16, 16), Layer("conv", 3, 8, 3, 2, skip="none"), (Layer("mbconv", 8, 8, 3),), 16, 10)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[CudaLatency]:
    """A GPU that takes 1 ms and 3 ms in turns for every network, and has no memory for 1,000 classes."""

    def replay(spec: Graph) -> Callable[[], float]:
        if spec.nodes[-1].shape[0] == 1000:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
        times = iter([1e-3, 3e-3] * 10_000)
        return lambda: next(times)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Pretended GPU")
    monkeypatch.setattr(torch.cuda, "device", lambda index: contextlib.nullcontext())
    monkeypatch.setattr(cuda, "_Replay", replay)
    monkeypatch.setattr(timing, "MINIMUM_SECONDS", 0.0)
    monkeypatch.setattr(timing, "WARM_UP_SECONDS", 0.0)
    latency = CudaLatency(maximum_seconds=0.001)
    yield latency
    latency.close()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_without_a_gpu_the_error_says_what_else_there_is() -> None:
    with pytest.raises(ValueError, match=r"finds no CUDA GPU on this machine; .* latency_ms: \{host: \{\}\}"):
        CudaLatency()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"precision": 0.0}, "precision is 0.0"), ({"maximum_seconds": 0.0}, "maximum_seconds is 0.0")],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CudaLatency(**settings)


def test_runs_are_summed_up_as_on_the_host(pretended: CudaLatency) -> None:
    measurement = pretended.measure(NETWORK, 0)
    assert 1 <= measurement.value <= 3
    assert measurement.details["p10_ms"] == pytest.approx(1)
    assert measurement.details["p90_ms"] == pytest.approx(3)
    assert measurement.details["runs"] >= timing.MINIMUM_RUNS  # type: ignore[operator]
    assert measurement.details["warm_up_runs"] == 3
    assert measurement.details["gpu"] == "Pretended GPU"


def test_networks_that_compute_alike_are_measured_once(pretended: CudaLatency) -> None:
    first = pretended.measure(NETWORK, 0)
    assert pretended.measure(dataclasses.replace(NETWORK, name="another name"), 1) is first


def test_a_network_without_room_keeps_its_place(pretended: CudaLatency) -> None:
    first, error = pretended.measure_all([NETWORK, network("mnasnet-small")])
    assert isinstance(first, Measurement)
    assert isinstance(error, ValueError)
    assert str(error) == "MnasNet-small does not fit into the memory of Pretended GPU: CUDA out of memory"


def test_the_device_names_the_gpu(pretended: CudaLatency) -> None:
    assert pretended.device == {
        "backend": "cuda",
        "model": "Pretended GPU",
        "runtime": f"torch {torch.__version__} CUDA {torch.version.cuda}",
        "threads": 1,
        "data_type": "float32",
    }


def test_what_is_closed_measures_no_more(pretended: CudaLatency) -> None:
    pretended.close()
    with pytest.raises(RuntimeError, match="closed before the measurement was done"):
        pretended.measure(NETWORK, 0)


def test_norms_become_biases() -> None:
    folded = without_norms(network("mnasnet-a1"))
    module = torch_module.build(folded)
    assert not [name for name, _ in module.named_parameters() if name.endswith("gamma")]
    assert folded.multiply_adds == network("mnasnet-a1").multiply_adds
    assert module(torch.zeros(1, *folded.input_shape)).shape == (1, 1000)


@needs_gpu
def test_a_larger_network_takes_longer_on_the_gpu() -> None:
    with contextlib.closing(CudaLatency(maximum_seconds=1.0)) as latency:
        small, large = latency.measure_all([NETWORK, network("mnasnet-a1")])
        assert isinstance(small, Measurement)
        assert isinstance(large, Measurement)
        assert large.value > 2 * small.value
        assert latency.device["model"] == torch.cuda.get_device_name(0)


@needs_gpu
def test_a_replay_computes_what_torch_computes() -> None:
    replay = cuda._Replay(NETWORK)
    with torch.inference_mode():
        expected = replay._module(replay._image)
        replay._result.zero_()
    assert replay() > 0
    torch.testing.assert_close(replay._result, expected)
