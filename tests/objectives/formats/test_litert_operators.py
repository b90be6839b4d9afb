from __future__ import annotations

import pytest
from ai_edge_litert.interpreter import Interpreter

from mnas_moo.objectives.formats import litert
from mnas_moo.spaces.mobilenet_v3 import mobilenet_v3_small
from mnas_moo.spaces.nasnet import nasnet_a_mobile
from mnas_moo.spaces.operations import Activation, Add, Concat, Conv, Shift, Widen
from mnas_moo.spaces.resnet import resnet50
from tests.objectives.formats.conftest import of_nodes, runs_in_xnnpack_alone
from tests.objectives.formats.test_litert import operator_codes


def allocated(model: bytes) -> Interpreter:
    made = Interpreter(model_content=model, num_threads=1)
    made.allocate_tensors()
    return made


@pytest.mark.parametrize(
    ("activation", "codes"),
    [
        ("none", []),
        ("relu", []),
        ("relu6", []),
        ("sigmoid", ["LOGISTIC"]),
        ("hardswish", ["HARD_SWISH"]),
        ("hardsigmoid", ["ADD", "MUL"]),
    ],
)
def test_an_activation_is_fused_where_litert_can(activation: str, codes: list[str]) -> None:
    conv = of_nodes((4, 5, 5), (Conv(4, 3, activation=activation), (-1,)))
    assert operator_codes(litert.write(conv)) == ["CONV_2D", *codes]
    add = of_nodes((4, 5, 5), (Add(activation), (-1, -1)))
    assert operator_codes(litert.write(add)) == ["ADD", *codes]


def test_a_relu_by_itself_is_an_operator() -> None:
    assert operator_codes(litert.write(of_nodes((4, 5, 5), (Activation("relu"), (-1,))))) == ["RELU"]
    assert operator_codes(litert.write(of_nodes((4, 5, 5), (Shift(), (-1,))))) == ["SLICE", "PAD"]
    widened = of_nodes((4, 5, 5), (Conv(4, 1), (-1,)), (Widen(8), (0,)), (Conv(4, 1), (1,)))
    assert operator_codes(litert.write(widened)) == ["CONV_2D", "PAD", "CONV_2D"]
    assert runs_in_xnnpack_alone(allocated(litert.write(widened)))


def test_int8_inputs_of_a_join_get_its_scale() -> None:
    spec = of_nodes((4, 5, 5), (Conv(4, 1), (-1,)), (Concat(), (0, -1)))
    images = litert.np.linspace(-1, 1, 100, dtype="float32").reshape(1, 5, 5, 4)
    weights = {"node0.weight": litert.np.full((4, 4, 1, 1), 2, "float32"), "node0.bias": litert.np.zeros(4, "float32")}
    model = litert.write(spec, weights, "int8", images)
    assert operator_codes(model) == ["CONV_2D", "QUANTIZE", "CONCATENATION"]  # the convolution's range is the result's
    scales = {d["name"]: d["quantization"] for d in allocated(model).get_tensor_details() if d["name"]}
    assert scales["node1.1"] == scales["node1"] == scales["node0"] != scales["input"]


@pytest.mark.parametrize("make", [resnet50, mobilenet_v3_small])
def test_xnnpack_runs_the_whole_network(make: object) -> None:
    assert runs_in_xnnpack_alone(allocated(litert.write(make())))  # type: ignore[operator]


def test_nasnet_joins_more_tensors_than_xnnpack_takes() -> None:
    codes = operator_codes(litert.write(nasnet_a_mobile()))
    assert codes.count("CONCATENATION") == 12 + 4 + 4  # normal and reduction cells, and paths of half the size
    assert not runs_in_xnnpack_alone(allocated(litert.write(nasnet_a_mobile())))
