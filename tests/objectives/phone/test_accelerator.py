"""Networks on a phone's GPU and NPU: what really ran there is stored, and a time of the CPU is never taken for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mnas_moo.objectives.objective import DeviceError
from mnas_moo.objectives.phone.accelerator import (
    GPU_LIBRARY,
    Delegation,
    delegation,
    flags,
    library_script,
    objection,
)
from mnas_moo.objectives.phone.latency import AdbLatency
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.phone.conftest import latency_of, network

Make = Callable[..., AdbLatency]
CL = "Replacing 17 out of 21 node(s) with delegate (LITERT_CL) node, yielding 9 partitions for subgraph 0."
XNNPACK = "VERBOSE: Replacing 4 out of 13 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 5 partitions."


@pytest.mark.parametrize(
    ("log", "delegate", "share"),
    [
        (CL, "LITERT_CL", 17 / 21),
        (f"{CL}\n{XNNPACK}", "LITERT_CL", 17 / 21),
        (f"{XNNPACK}\n{CL}\n{CL}", "LITERT_CL", 17 / 21),
        ("Replacing 9 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1", "TfLiteGpuDelegateV2", None),
        ("Replacing 9 out of 0 node(s) with delegate (X) node", "X", None),
        (XNNPACK, None, 0.0),
        ("INFO: Created LiteRT XNNPACK delegate for CPU.", None, None),
        ("", None, None),
    ],
)
def test_share_is_what_the_log_says_and_else_unknown(log: str, delegate: str | None, share: float | None) -> None:
    assert delegation("gpu", log) == Delegation("gpu", delegate, share)


@pytest.mark.parametrize(
    ("share", "full", "problem"),
    [
        (1.0, True, ""),
        (0.5, False, ""),
        (None, False, ""),
        (0.0, False, "no node of it runs on the NPU; LiteRT would run it on the CPU"),
        (0.5, True, "only 50% of its nodes run on the NPU, and require_full_delegation is true"),
        (None, True, "benchmark_model does not say how many nodes ran on the NPU, and require_full_delegation is true"),
    ],
)
def test_objection_to_a_network_that_runs_elsewhere(share: float | None, full: bool, problem: str) -> None:
    assert objection(Delegation("npu", "D", share), full=full) == problem


def test_cpu_needs_neither_flags_nor_library() -> None:
    assert flags("cpu", library=True) == []
    assert library_script("cpu", "@") == ""
    assert flags("gpu", library=True) == ["--use_gpu=true"]
    assert flags("npu", library=False) == ["--use_npu=true"]


@pytest.fixture
def gpu(phones: VirtualPhones) -> Iterator[VirtualPhones]:
    """The first phone has a GPU and an NPU."""
    files = [phones[0].root / "data/local/tmp" / name for name in (GPU_LIBRARY, "libLiteRtDispatch_Google.so")]
    for file in files:
        file.write_bytes(b"\x7fELF")
    yield phones
    for file in files:
        file.unlink()


@pytest.mark.parametrize(("accelerator", "delegate"), [("gpu", "LITERT_CL"), ("npu", "DispatchDelegate")])
def test_measurement_says_what_ran_it(gpu: VirtualPhones, objective: Make, accelerator: str, delegate: str) -> None:
    latency = objective(accelerator=accelerator)
    measurement = latency.measure(network(16), 0)
    assert measurement.value == pytest.approx(latency_of(network(16)) / 4, rel=0.02)
    stored = {key: measurement.details[key] for key in ("accelerator", "delegate", "delegated_share")}
    assert stored == {"accelerator": accelerator, "delegate": delegate, "delegated_share": 1.0}
    assert latency.device["accelerator"] == accelerator
    assert "libLiteRt" in str(latency.device["runtime"])


def test_cpu_is_as_it_was(gpu: VirtualPhones, objective: Make) -> None:
    latency = objective()
    measurement = latency.measure(network(16), 0)
    assert measurement.value == pytest.approx(latency_of(network(16)), rel=0.02)
    assert not {"accelerator", "delegate", "delegated_share"} & {*measurement.details, *latency.device}


@pytest.mark.parametrize(("share", "factor"), [(0.5, 0.625), (None, 1.0)])
def test_share_of_a_partial_fallback_is_stored(
    gpu: VirtualPhones, objective: Make, share: float | None, factor: float
) -> None:
    gpu[0].fault("fallback", share=share, times=None)
    measurement = objective(accelerator="gpu").measure(network(16), 0)
    assert measurement.value == pytest.approx(latency_of(network(16)) * factor, rel=0.02)
    assert measurement.details["delegated_share"] == share


def test_partial_fallback_fails_the_network_where_all_has_to_run_there(gpu: VirtualPhones, objective: Make) -> None:
    gpu[0].fault("fallback", times=None)
    latency = objective(accelerator="gpu", require_full_delegation=True)
    with pytest.raises(ValueError, match="only 50% of its nodes run on the GPU"):
        latency.measure(network(16), 0)


@pytest.mark.parametrize("accelerator", ["gpu", "npu"])
def test_phone_whose_accelerator_runs_nothing_is_given_up(
    gpu: VirtualPhones, objective: Make, accelerator: str
) -> None:
    gpu[0].fault("fallback", share=0.0, times=None)
    with pytest.raises(DeviceError, match="runs no node of the reference network: LiteRT uses the CPU"):
        objective(accelerator=accelerator).measure(network(16), 0)


def test_missing_library_is_one_sentence(phones: VirtualPhones, objective: Make) -> None:
    with pytest.raises(DeviceError, match=f"no {GPU_LIBRARY} in /data/local/tmp on it, which accelerator: gpu needs"):
        _ = objective(accelerator="gpu").device


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accelerator": "tpu"}, "accelerator is 'tpu'; allowed: cpu, gpu, npu"),
        ({"require_full_delegation": True}, "require_full_delegation is for accelerator: gpu or npu"),
    ],
)
def test_unknown_accelerator_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdbLatency(**settings)
