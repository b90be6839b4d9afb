"""Numbers that describe a network."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mnas_moo.spaces import get
from mnas_moo.spaces.spec import Layer, NetworkSpec
from mnas_moo.spaces.summary import summary


def test_a_small_network_by_hand() -> None:
    layers = (Layer("conv", 4, 4, 5, skip="identity"), Layer("mbconv", 4, 8, 3, 2, expansion=3, se_ratio=0.25))
    spec = NetworkSpec((3, 8, 8), Layer("conv", 3, 4, 3, 2, skip="none"), layers, head=0, classes=2, dropout=0.0)
    found = summary(spec)
    assert found["layers"] == 2
    assert found["skips"] == 1
    assert found["excitations"] == 1
    # 3 pixels, 4 more at steps of 2, 2 more at steps of 2
    assert math.exp(found["log_receptive_field"]) == pytest.approx(3 + 4 * 2 + 2 * 2)
    assert math.exp(found["log_multiply_adds"]) == pytest.approx(spec.multiply_adds)
    assert math.exp(found["log_parameters"]) == pytest.approx(spec.parameters)


@pytest.mark.parametrize("name", ["mnasnet", "mnasnet-flat", "fbnet"])
def test_genomes_of_one_network_have_one_description(name: str) -> None:
    space, rng = get(name, preset="digits"), np.random.default_rng(0)
    for _ in range(20):
        params = {key: each.choices[int(rng.integers(len(each.choices)))] for key, each in space.distributions.items()}  # type: ignore[attr-defined]
        assert space.features(params) == space.features(space.canonical(params)) == summary(space.spec(params))
