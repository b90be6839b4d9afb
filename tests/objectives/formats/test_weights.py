from __future__ import annotations

import numpy as np
import pytest

from mnas_moo.objectives.formats import torch_module
from mnas_moo.objectives.formats.weights import convolution, fully_connected, random_weights
from mnas_moo.spaces.spec import Layer, Node
from tests.objectives.formats.conftest import small, trained


def node(name: str) -> Node:
    return next(node for node in small(Layer("mbconv", 8, 8, 3, 1, 3, 0.25)).nodes if node.name == name)


def test_a_norm_becomes_a_scale_and_an_offset() -> None:
    statistics = {"gamma": 3.0, "beta": 1.0, "running_mean": 4.0, "running_var": 0.25 - 1e-3}  # epsilon is 1e-3
    weights = {f"head.{name}": np.full(16, value, np.float32) for name, value in statistics.items()}
    weights["head.weight"] = np.full((16, 8, 1, 1), 0.5, np.float32)
    weight, bias = convolution(weights, node("head"))
    np.testing.assert_allclose(weight, 0.5 * 3 / 0.5)
    np.testing.assert_allclose(bias, 1 - 4 * 3 / 0.5, rtol=1e-6)
    assert (weight.shape, bias.shape, weight.dtype, bias.dtype) == ((16, 8, 1, 1), (16,), np.float32, np.float32)


def test_without_a_norm_weights_and_bias_are_taken_over() -> None:
    weights = random_weights(small(Layer("mbconv", 8, 8, 3, 1, 3, 0.25)))
    weight, bias = convolution(weights, node("layers.0.se.reduce"))
    assert (weight == weights["layers.0.se.reduce.weight"]).all()
    assert (bias == weights["layers.0.se.reduce.bias"]).all()
    weight, bias = fully_connected(weights, node("classifier"))
    assert (weight == weights["classifier.weight"]).all()
    assert (bias == weights["classifier.bias"]).all()


def test_random_weights_are_those_that_a_module_has() -> None:
    spec = small(Layer("mbconv", 8, 8, 3, 1, 3, 0.25))
    shapes = {name: array.shape for name, array in torch_module.weights(trained(spec)).items()}
    assert {name: array.shape for name, array in random_weights(spec).items()} == shapes
    assert all(array.dtype == np.float32 for array in random_weights(spec).values())


@pytest.mark.parametrize("name", ["head.weight", "head.running_var"])
def test_what_is_missing_or_of_another_shape_is_named(name: str) -> None:
    weights = random_weights(small())
    with pytest.raises(ValueError, match=rf"weight '{name}' has shape \(3,\); the specification says \(16,"):
        convolution({**weights, name: np.zeros(3)}, node("head"))
    del weights[name]
    with pytest.raises(ValueError, match=f"weights lack '{name}'"):
        convolution(weights, node("head"))
