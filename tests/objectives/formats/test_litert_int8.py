"""int8 models against the float32 network, and against the arithmetic that their integers stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch.nn import functional as F

from mnas_moo.objectives.formats import litert, torch_module
from mnas_moo.objectives.training.batches import Batches, Randomness
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.training.train import TrainSettings, fit
from mnas_moo.spaces import network
from mnas_moo.spaces.fragment import fragments
from mnas_moo.spaces.operations import (
    Activation,
    Add,
    AveragePool,
    ChannelShuffle,
    Concat,
    Conv,
    GlobalAveragePool,
    Linear,
    MaxPool,
    Multiply,
    Norm,
    Select,
    Shift,
    Widen,
)
from mnas_moo.spaces.spec import Layer, NetworkSpec
from tests.objectives.formats.conftest import LAYERS, every_case, runs_in_xnnpack_alone, small, trained

PUBLISHED = ("mnasnet-a1", "mnasnet-b1", "mnasnet-small", "mobilenetv2", "fbnet-a")


class Quantised:
    """An int8 model of ``spec`` with trained-like weights, and what the float32 network gives for some images."""

    def __init__(self, spec: NetworkSpec, n_images: int = 32) -> None:
        self.spec = spec
        module = trained(spec)
        images = torch.randn(n_images, *spec.input_shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            expected = module(images)
        self.expected = (expected if expected.ndim == 2 else expected.permute(0, 2, 3, 1)).numpy()
        self.images = images.permute(0, 2, 3, 1).contiguous().numpy()
        self.model = litert.write(spec, torch_module.weights(module), "int8", self.images)
        self.interpreter = interpreter(self.model)

    def error(self, reduce: str, n: int = 4) -> float:
        """Largest or mean absolute error over the range of the float32 outputs."""
        got = np.concatenate([output(self.interpreter, image[None]) for image in self.images[:n]])
        assert got.shape == self.expected[:n].shape
        errors = np.abs(got - self.expected[:n])
        return float(getattr(errors, reduce)() / np.ptp(self.expected))


def interpreter(model: bytes) -> Interpreter:
    made = Interpreter(model_content=model, num_threads=1)
    made.allocate_tensors()
    return made


def output(made: Interpreter, image: np.ndarray) -> np.ndarray:
    """The real values of an int8 model's output for one float32 image."""
    (source,), (result,) = made.get_input_details(), made.get_output_details()
    scale, zero_point = source["quantization"]
    made.set_tensor(source["index"], np.clip(np.rint(image / scale) + zero_point, -128, 127).astype(np.int8))
    made.invoke()
    scale, zero_point = result["quantization"]
    return (made.get_tensor(result["index"]).astype(np.float32) - zero_point) * scale


def emulated(quantised: Quantised, image: np.ndarray) -> np.ndarray:
    """The output in units of its scale, by exact arithmetic on the real values that the model's integers stand for."""
    made = quantised.interpreter
    details = {detail["name"]: detail for detail in made.get_tensor_details()}

    def rounded(name: str, values: torch.Tensor) -> torch.Tensor:
        scale, zero_point = details[name]["quantization"]
        return (torch.clamp(torch.round(values / scale) + zero_point, -128, 127) - zero_point) * scale

    def constant(name: str) -> torch.Tensor:
        detail = details[name]
        scales, axis = (
            detail["quantization_parameters"]["scales"],
            detail["quantization_parameters"]["quantized_dimension"],
        )
        integers = made.get_tensor(detail["index"]).astype(np.float64)
        assert not detail["quantization_parameters"]["zero_points"].any()
        return torch.from_numpy(integers * scales.reshape([-1 if i == axis else 1 for i in range(integers.ndim)]))

    def activated(activation: str, x: torch.Tensor, name: str) -> torch.Tensor:
        if activation == "hardsigmoid":
            return rounded(name, rounded(f"{name}.moved", (x + 3).clamp(0, 6)) / 6)
        functions = {"sigmoid": torch.sigmoid, "hardswish": F.hardswish, "relu": F.relu, "relu6": F.relu6}
        return x if activation == "none" else rounded(name, functions[activation](x))

    def fused(activation: str, x: torch.Tensor, name: str) -> torch.Tensor:
        if activation.startswith("relu"):
            return activated(activation, x, name)
        return activated(activation, rounded(name, x), f"{name}.{activation}")

    values = {-1: rounded("input", torch.from_numpy(image).double().permute(0, 3, 1, 2))}
    for i, node in enumerate(quantised.spec.nodes):
        operation, x = node.operation, values[node.inputs[0]]
        if isinstance(operation, Conv):
            channels = node.input_shapes[0][0]
            order = (3, 0, 1, 2) if operation.groups == channels != 1 else (0, 3, 1, 2)
            weight, bias = constant(f"{node.name}.weight").permute(order), constant(f"{node.name}.bias")
            (above, below), (left, right) = operation.margins(*node.input_shapes)
            x = F.pad(x, (left, right, above, below))
            x = F.conv2d(x, weight, bias, operation.stride, 0, 1, operation.groups)
            values[i] = fused(operation.activation, x, node.name)
        elif isinstance(operation, Linear):
            y = F.linear(x.flatten(1), constant(f"{node.name}.weight"), constant(f"{node.name}.bias"))
            values[i] = rounded(node.name, y)
        elif isinstance(operation, AveragePool):
            (above, below), (left, right) = operation.margins(*node.input_shapes)
            padded, ones = (F.pad(image, (left, right, above, below)) for image in (x, torch.ones_like(x)))
            y, share = (F.avg_pool2d(image, operation.kernel, operation.stride) for image in (padded, ones))
            values[i] = rounded(node.name, y / share if operation.padding == "same" else y)
        elif isinstance(operation, MaxPool):
            (above, below), (left, right) = operation.margins(*node.input_shapes)
            padded = F.pad(x, (left, right, above, below), value=-1e9 if operation.padding == "same" else 0)
            values[i] = F.max_pool2d(padded, operation.kernel, operation.stride)
        elif isinstance(operation, Concat):
            values[i] = rounded(node.name, torch.cat([values[j] for j in node.inputs], 1))
        elif isinstance(operation, Activation):
            values[i] = activated(operation.activation, x, node.name)
        elif isinstance(operation, Norm):
            scale, offset = constant(f"{node.name}.weight").reshape(-1, 1, 1), constant(f"{node.name}.bias")
            values[i] = fused(operation.activation, x * scale + offset.reshape(-1, 1, 1), node.name)
        elif isinstance(operation, Select):
            values[i] = x[:, np.arange(operation.channels) % x.shape[1]]
        elif isinstance(operation, Shift):
            values[i] = F.pad(x[:, :, 1:, 1:], (0, 1, 0, 1))
        elif isinstance(operation, Widen):
            values[i] = F.pad(x, (0, 0, 0, 0, 0, operation.channels - x.shape[1]))
        elif isinstance(operation, Multiply):
            values[i] = rounded(node.name, x * values[node.inputs[1]])
        elif isinstance(operation, GlobalAveragePool):
            values[i] = rounded(node.name, x.mean((2, 3), keepdim=True))
        elif isinstance(operation, ChannelShuffle):
            values[i] = F.channel_shuffle(x, operation.groups)
        elif isinstance(operation, Add):
            values[i] = fused(operation.activation, x + values[node.inputs[1]], node.name)
        else:
            values[i] = x  # dropout
    y = values[len(quantised.spec.nodes) - 1]
    scale, _ = made.get_output_details()[0]["quantization"]
    return (y if y.ndim == 2 else y.permute(0, 2, 3, 1)).numpy() / scale


def steps_off(quantised: Quantised) -> float:
    """Largest difference between LiteRT and exact arithmetic, in steps of the output's integers."""
    image = quantised.images[:1]
    scale, _ = quantised.interpreter.get_output_details()[0]["quantization"]
    return float(np.abs(output(quantised.interpreter, image) / scale - emulated(quantised, image)).max())


@every_case
def test_each_operation_is_within_the_quantisation_error_of_torch(spec: NetworkSpec) -> None:
    # Half a step of the input's and the output's 1/255 and of the weights' 1/127; pooling narrows the range they are
    # compared with.
    assert Quantised(spec).error("max") < 0.02


@every_case
def test_each_operation_is_one_rounding_from_exact_arithmetic(spec: NetworkSpec) -> None:
    assert steps_off(Quantised(spec)) < 1.01


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("size", [(12, 12), (11, 8)])
def test_each_kind_of_layer_is_within_the_quantisation_error_of_torch(layer: Layer, size: tuple[int, int]) -> None:
    quantised = Quantised(small(layer, shape=(3, *size)))
    assert quantised.error("mean") < 0.015
    assert steps_off(quantised) < (6 if layer.cell else 4)  # of roundings one after the other


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_run_in_xnnpack_and_are_within_the_quantisation_error(name: str) -> None:
    quantised = Quantised(network(name, resolution=64), n_images=16)
    assert runs_in_xnnpack_alone(quantised.interpreter)
    # Untrained, so that 50 layers of rounding meet classes which hardly differ.
    assert quantised.error("mean") < 0.06


def test_only_average_pooling_and_selections_are_left_to_litert_itself() -> None:
    for layer in LAYERS:
        left = layer.effective_skip == "pooling" or "learned1x1" in layer.cell
        model = litert.write(small(layer), data_type="int8")
        assert runs_in_xnnpack_alone(interpreter(model)) != left, layer


def test_a_trained_network_decides_as_before() -> None:
    layers = (
        Layer("mbconv", 8, 16, 5, 2, 3, 0.25),
        Layer("mbconv", 16, 16, 3, 1, 3, 0.25),
        Layer("conv", 16, 24, 3, skip="none"),
        Layer("mbconv", 24, 24, 3, skip="pooling"),
    )
    spec = NetworkSpec((1, 8, 8), Layer("conv", 1, 8, 3, skip="none"), layers, 32, 10, dropout=0.0)
    random = Randomness.of(0)
    module = torch_module.build(spec, random.order, norm_momentum=0.1)
    batches = Batches(load_data("digits", 8), torch.device("cpu"))
    fit(module, batches, TrainSettings(epochs=4, batch_size=32, device="cpu"), random)
    images, labels = (torch.cat(parts) for parts in zip(*batches.holdout(), strict=True))
    (calibration, _), *_ = batches.training([100, len(batches.data.train) - 100], random)
    with torch.no_grad():
        decisions = module.eval()(images).argmax(1).numpy()
    model = litert.write(spec, torch_module.weights(module), "int8", calibration.permute(0, 2, 3, 1).numpy())
    made = interpreter(model)
    quantised = np.array([output(made, image[None]).argmax() for image in images.permute(0, 2, 3, 1).numpy()])
    assert (decisions == labels.numpy()).mean() > 0.85
    assert (quantised == decisions).mean() >= 0.95
    assert (quantised == labels.numpy()).mean() > (decisions == labels.numpy()).mean() - 0.02


def test_input_and_output_are_int8_and_no_tensor_is_float() -> None:
    made = interpreter(litert.write(small(Layer("mbconv", 8, 8, 5, 1, 3, 0.25), shape=(3, 12, 10)), data_type="int8"))
    (source,), (result,) = made.get_input_details(), made.get_output_details()
    assert (tuple(source["shape"]), source["dtype"]) == ((1, 12, 10, 3), np.int8)
    assert (tuple(result["shape"]), result["dtype"]) == ((1, 5), np.int8)
    assert {detail["dtype"] for detail in made.get_tensor_details()} == {np.int8, np.int32}


def test_sigmoids_and_copies_have_the_scales_that_kernels_demand() -> None:
    spec = small(Layer("conv", 8, 8, 5, 2, se_ratio=0.25, skip="pooling"))
    made = Quantised(spec).interpreter
    scales = {detail["name"]: detail["quantization"] for detail in made.get_tensor_details()}
    assert scales["layers.0.se.expand.sigmoid"] == (1 / 256, -128)
    assert scales["layers.0.pooling"] == scales["layers.0.pooling.pad"] == scales["stem.conv"]


def test_an_int8_model_is_a_quarter_of_the_size() -> None:
    spec = network("mnasnet-small", resolution=64)
    assert len(litert.write(spec, data_type="int8")) < 0.35 * len(litert.write(spec))


def test_random_weights_are_always_the_same() -> None:
    spec = network("mnasnet-small", resolution=64)
    assert litert.write(spec, data_type="int8") == litert.write(spec, data_type="int8")


def test_parts_of_networks_are_written() -> None:
    for part in fragments(small(*LAYERS[3:5], Layer("mbconv", 8, 8, 3))):
        made = interpreter(litert.write(part, data_type="int8"))
        made.invoke()
        assert tuple(made.get_output_details()[0]["shape"])[-1] == part.nodes[-1].shape[0], part.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_type": "int16"}, "data_type is 'int16'; allowed: float32, int8"),
        ({"calibration": np.zeros((1, 12, 12, 3))}, "a float32 model has no use for them"),
        ({"data_type": "int8", "weights": {}}, "an int8 model with weights needs calibration images"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        litert.write(small(), **arguments)  # type: ignore[arg-type]
