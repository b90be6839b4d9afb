from __future__ import annotations

import sys

import numpy as np
import onnx as library
import onnxruntime
import pytest
import torch

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.formats import onnx, torch_module
from mnas_moo.spaces import network
from mnas_moo.spaces.fragment import fragments
from mnas_moo.spaces.operations import OPERATIONS
from mnas_moo.spaces.spec import Layer, NetworkSpec
from tests.objectives.formats.conftest import LAYERS, SINGLE, every_case, small, trained


def session(model: bytes) -> onnxruntime.InferenceSession:
    library.checker.check_model(library.load_from_string(model), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def difference(spec: NetworkSpec) -> float:
    """Maximum absolute difference between torch and ONNX Runtime for one random image."""
    module = trained(spec)
    image = torch.randn(1, *spec.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(image).numpy()
    made = session(onnx.write(spec, torch_module.weights(module)))
    (got,) = made.run(None, {"input": image.numpy()})
    assert got.shape == expected.shape == tuple(made.get_outputs()[0].shape)
    assert expected.std() > 1e-3, "outputs that do not vary compare nothing"
    return float(np.abs(got - expected).max())


def test_every_operation_is_written_and_compared() -> None:
    assert set(onnx.EMITTERS) == set(SINGLE) == set(OPERATIONS)


@every_case
def test_each_operation_computes_what_torch_computes(spec: NetworkSpec) -> None:
    assert difference(spec) < 1e-5


@pytest.mark.parametrize("size", [(12, 12), (11, 8), (1, 1)])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_each_kind_of_layer_computes_what_torch_computes(layer: Layer, size: tuple[int, int]) -> None:
    assert difference(small(layer, shape=(3, *size))) < 1e-4


@pytest.mark.parametrize(
    "settings", [{"activation": "relu6"}, {"head": 0}, {"dropout": 0.0}, {"epsilon": 0.5}], ids=str
)
def test_each_setting_computes_what_torch_computes(settings: dict[str, object]) -> None:
    assert difference(small(Layer("mbconv", 8, 8, 3, 1, 6), **settings)) < 1e-4


@pytest.mark.parametrize("name", ["mnasnet-a1", "mnasnet-b1", "mnasnet-small", "mobilenetv2", "fbnet-a"])
def test_published_networks_compute_what_torch_computes(name: str) -> None:
    assert difference(network(name, resolution=75)) < 1e-4


def test_norms_and_dropout_cost_no_operator() -> None:
    model = library.load_from_string(onnx.write(small(Layer("mbconv", 8, 8, 3, 1, 6), head=0)))
    assert [node.op_type for node in model.graph.node] == [
        *("Conv", "Relu"),  # stem
        *("Conv", "Relu"),
        *("Conv", "Relu"),
        *("Conv", "Add"),
        "GlobalAveragePool",
        "Flatten",
        "Gemm",
    ]


def test_input_and_output_have_batch_one_and_the_opset_is_stated() -> None:
    model = library.load_from_string(onnx.write(small(shape=(3, 12, 10))))
    made = session(model.SerializeToString())
    (source,), (result,) = made.get_inputs(), made.get_outputs()
    assert (source.name, source.shape, source.type) == ("input", [1, 3, 12, 10], "tensor(float)")
    assert (result.shape, result.type) == ([1, 5], "tensor(float)")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", onnx.OPSET)]


def test_what_a_model_says_of_itself_is_in_its_properties() -> None:
    made = session(onnx.write(small(), metadata={"labels": '["a", "b"]', "name": "größe"}))
    assert made.get_modelmeta().custom_metadata_map == {"labels": '["a", "b"]', "name": "größe"}
    assert session(onnx.write(small())).get_modelmeta().custom_metadata_map == {}


def test_parts_of_networks_are_written() -> None:
    for part in fragments(small(*LAYERS[3:5], Layer("mbconv", 8, 8, 3), activation="relu6")):
        made = session(onnx.write(part))
        (got,) = made.run(None, {"input": np.ones((1, *part.input_shape), np.float32)})
        assert got.shape[1] == part.nodes[-1].shape[0], part.name


def test_random_weights_are_always_the_same() -> None:
    assert onnx.write(small()) == onnx.write(small())


def test_a_missing_weight_is_named() -> None:
    weights = torch_module.weights(trained(small()))
    del weights["head.gamma"]
    with pytest.raises(ValueError, match=r"weights lack 'head\.gamma'"):
        onnx.write(small(), weights)


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[onnx\]'"):
        onnx.write(small())
