"""The runtimes side by side: what the table holds and how it reads."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mnas_moo.objectives.formats import torch_module
from mnas_moo.studies.benchmarks import runtimes
from mnas_moo.studies.benchmarks.runtimes import RUNTIMES, Subject, compare, markdown
from tests.objectives.formats.conftest import LAYERS, small, trained


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """A small network in all runtimes."""
    spec = small(LAYERS[1], LAYERS[4])
    images = torch.randn(24, *spec.input_shape, generator=torch.Generator().manual_seed(1))
    subject = Subject("digits", trained(spec), images[4:], images[:4])
    return [compare(subject, runtime) for runtime in RUNTIMES]


def test_all_runtimes_compute_the_same_network(rows: list[dict[str, Any]]) -> None:
    differences = {row["runtime"]: row["largest_difference"] for row in rows}
    assert differences["LiteRT float32"] < 1e-5
    assert differences["ONNX Runtime float32"] < 1e-5
    assert 1e-4 < differences["LiteRT int8"] < 0.1


def test_the_table_has_medians_and_extremes_of_the_turns(rows: list[dict[str, Any]]) -> None:
    for row, times in zip(rows, ([2.0, 1.0, 4.0], [0.5, 1.0, 1.5], [8.0, 5.0, 4.0]), strict=True):
        row["latency_ms"] = times
    head, _, *lines = markdown(rows).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert head.count("|") == 9
    assert [cell[:5] for cell in cells] == [
        ["digits", "LiteRT float32", "2.00", "1.00 to 4.00", "1.00"],
        ["digits", "LiteRT int8", "1.00", "0.500 to 1.50", "0.50"],
        ["digits", "ONNX Runtime float32", "5.00", "4.00 to 8.00", "2.50"],
    ]
    assert cells[1][6].endswith(" %")


def test_the_digits_are_learnt_alike_every_time() -> None:
    state = torch.get_rng_state()
    one, other = (torch_module.weights(runtimes.digits(epochs=1).module) for _ in range(2))
    assert all((one[name] == other[name]).all() for name in one)
    assert (torch.get_rng_state() == state).all()


def test_published_networks_are_as_published() -> None:
    subject = runtimes.published("mnasnet-small")
    assert subject.module.spec.input_shape == (3, 224, 224)
    assert len(torch_module.weights(subject.module)) > 100
    assert not subject.module.training
