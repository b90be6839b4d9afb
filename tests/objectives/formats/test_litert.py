from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.formats import litert, torch_module
from mnas_moo.spaces import network
from mnas_moo.spaces.operations import OPERATIONS
from mnas_moo.spaces.spec import Layer, NetworkSpec
from tests.objectives.formats.conftest import LAYERS, SINGLE, every_case, runs_in_xnnpack_alone, small, trained


def run(model: bytes, image: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def difference(spec: NetworkSpec) -> float:
    """Maximum absolute difference between torch and LiteRT for one random image."""
    module = trained(spec)
    image = torch.randn(1, *spec.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(image)
    if expected.ndim == 4:
        expected = expected.permute(0, 2, 3, 1)
    got = run(litert.write(spec, torch_module.weights(module)), image.permute(0, 2, 3, 1).contiguous().numpy())
    assert got.shape == tuple(expected.shape)
    assert expected.std() > 1e-3, "outputs that do not vary compare nothing"
    return float(np.abs(got - expected.numpy()).max())


def operator_codes(model: bytes) -> list[str]:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    root = schema.Model.GetRootAs(model, 0)
    graph = root.Subgraphs(0)
    return [
        names[root.OperatorCodes(graph.Operators(i).OpcodeIndex()).BuiltinCode()]
        for i in range(graph.OperatorsLength())
    ]


def test_every_operation_is_written_and_compared() -> None:
    assert set(litert.EMITTERS) == set(SINGLE) == set(OPERATIONS)


@every_case
def test_each_operation_computes_what_torch_computes(spec: NetworkSpec) -> None:
    assert difference(spec) < 1e-5


@pytest.mark.parametrize("size", [(12, 12), (13, 13), (11, 8), (1, 1)])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_each_kind_of_layer_computes_what_torch_computes(layer: Layer, size: tuple[int, int]) -> None:
    assert difference(small(layer, shape=(3, *size))) < 1e-4


@pytest.mark.parametrize(
    "settings", [{"activation": "relu6"}, {"head": 0}, {"dropout": 0.0}, {"epsilon": 0.5}], ids=str
)
def test_each_setting_computes_what_torch_computes(settings: dict[str, object]) -> None:
    assert difference(small(Layer("mbconv", 8, 8, 3, 1, 6), **settings)) < 1e-4


def test_one_channel_images_compute_what_torch_computes() -> None:
    assert difference(small(Layer("mbconv", 8, 8, 3), shape=(1, 9, 9))) < 1e-4


@pytest.mark.parametrize("resolution", [64, 75])
@pytest.mark.parametrize("name", ["mnasnet-a1", "mnasnet-b1", "mnasnet-small", "mobilenetv2", "fbnet-a"])
def test_published_networks_compute_what_torch_computes(name: str, resolution: int) -> None:
    assert difference(network(name, resolution=resolution)) < 1e-4


@pytest.mark.parametrize("name", ["mnasnet-a1", "mnasnet-b1", "mnasnet-small", "mobilenetv2", "fbnet-a"])
def test_xnnpack_runs_the_whole_network(name: str) -> None:
    model = litert.write(network(name, resolution=64))
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    assert runs_in_xnnpack_alone(interpreter)
    plain = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    plain.allocate_tensors()
    assert not runs_in_xnnpack_alone(plain)


def test_norms_activations_and_dropout_cost_no_operator() -> None:
    spec = small(Layer("mbconv", 8, 8, 3, 1, 6), head=0)
    assert operator_codes(litert.write(spec)) == [
        "CONV_2D",  # stem
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "ADD",
        "MEAN",
        "FULLY_CONNECTED",
    ]


def test_only_a_stride_that_needs_it_is_padded_by_an_operator() -> None:
    layer = Layer("mbconv", 8, 12, 3, 2)
    even, odd = (operator_codes(litert.write(small(layer, shape=(3, size, size)))) for size in (12, 13))
    assert even.count("PAD") == 1
    assert odd.count("PAD") == 0


def test_input_and_output_are_float32_and_batch_one() -> None:
    interpreter = Interpreter(model_content=litert.write(small(shape=(3, 12, 10))))
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (tuple(source["shape"]), source["dtype"]) == ((1, 12, 10, 3), np.float32)
    assert (tuple(result["shape"]), result["dtype"]) == ((1, 5), np.float32)


def test_weights_are_aligned_to_16_bytes() -> None:
    model = litert.write(network("mnasnet-small", resolution=32))
    root = schema.Model.GetRootAs(model, 0)
    addresses = []
    for i in range(1, root.BuffersLength()):
        buffer = root.Buffers(i)
        addresses.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert len(addresses) > 50
    assert all(address % 16 == 0 for address in addresses)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_float16_weights_compute_what_torch_computes_with_rounded_weights(layer: Layer) -> None:
    spec = small(layer)
    module = trained(spec)
    image = torch.randn(1, *spec.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(image).numpy()
    found = run(
        litert.write(spec, torch_module.weights(module), "float16"), image.permute(0, 2, 3, 1).contiguous().numpy()
    )
    assert 0 < np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()  # float16 has 11 bits: 5e-4 a weight


def test_a_float16_model_takes_half_the_room_and_runs_in_xnnpack_as_float32() -> None:
    spec = network("mnasnet-small", resolution=64)
    model = litert.write(spec, data_type="float16")
    assert len(model) < 0.55 * len(litert.write(spec))
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    assert runs_in_xnnpack_alone(interpreter)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert source["dtype"] == result["dtype"] == np.float32
    assert set(operator_codes(model)) - set(operator_codes(litert.write(spec))) == {"DEQUANTIZE"}


def test_a_weight_too_large_for_float16_is_named() -> None:
    weights = torch_module.weights(trained(small()))
    weights["classifier.bias"] = np.array([0, 0, -7e4, 0, 0], np.float32)
    with pytest.raises(ValueError, match=r"classifier\.bias reaches 70000, but float16 ends at 65504"):
        litert.write(small(), weights, "float16")


def test_metadata_are_a_buffer_of_their_name_and_change_no_number() -> None:
    spec = small(LAYERS[4])
    model = litert.write(spec, metadata=b"said of it")
    root = schema.Model.GetRootAs(model, 0)
    assert (root.MetadataLength(), root.Metadata(0).Name()) == (1, b"TFLITE_METADATA")
    assert root.Buffers(root.Metadata(0).Buffer()).DataAsNumpy().tobytes() == b"said of it"
    assert schema.Model.GetRootAs(litert.write(spec), 0).MetadataLength() == 0
    image = np.random.default_rng(0).standard_normal((1, 12, 12, 3), dtype=np.float32)
    assert (run(model, image) == run(litert.write(spec), image)).all()


def test_random_weights_are_always_the_same_and_give_common_numbers() -> None:
    spec = network("mnasnet-b1", resolution=64)
    model = litert.write(spec)
    assert model == litert.write(spec)
    image = np.random.default_rng(0).standard_normal((1, 64, 64, 3), dtype=np.float32)
    size = np.abs(run(model, image)).mean()
    assert 1e-3 < size < 1e4


def test_a_missing_weight_is_named() -> None:
    spec = small()
    weights = torch_module.weights(trained(spec))
    del weights["head.gamma"]
    with pytest.raises(ValueError, match=r"weights lack 'head\.gamma'"):
        litert.write(spec, weights)


def test_a_weight_of_another_shape_is_named() -> None:
    spec = small()
    weights = torch_module.weights(trained(spec))
    weights["classifier.bias"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"'classifier\.bias' has shape \(3,\); the specification says \(5,\)"):
        litert.write(spec, weights)


def test_without_litert_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[host\]'"):
        litert.write(small())
