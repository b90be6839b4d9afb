from __future__ import annotations

import dataclasses
import math

import pytest

from mnas_moo.spaces import NETWORKS, network
from mnas_moo.spaces.operations import Conv, GlobalAveragePool, Linear


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        ("mnasnet-a1", 3_887_038, 311_579_072),
        ("mnasnet-b1", 4_383_312, 314_415_872),
        ("mnasnet-small", 2_030_264, 68_339_184),
        ("mobilenetv2", 3_504_872, 300_774_272),
    ],
)
def test_counts_equal_the_published_ones(name: str, parameters: int, multiply_adds: int) -> None:
    spec = network(name)
    assert (spec.parameters, spec.multiply_adds) == (parameters, multiply_adds)


@pytest.mark.parametrize(
    ("name", "parameters", "millions"), [("mnasnet-d1", 3_638_404, 967.7), ("mnasnet-d1-320", 6_932_240, 3687.9)]
)
def test_d1_counts(name: str, parameters: int, millions: float) -> None:
    spec = network(name)
    assert spec.parameters == parameters
    assert round(spec.multiply_adds / 1e6, 1) == millions


@pytest.mark.parametrize(
    ("name", "parameters", "weights", "multiply_adds"),
    [
        ("fbnet-a", 4_304_584, 4_270_288, 244_526_360),
        ("fbnet-b", 4_801_368, 4_766_672, 291_101_640),
        ("fbnet-c", 5_570_664, 5_525_424, 378_233_440),
    ],
)
def test_fbnet_counts_equal_mobile_cvs(name: str, parameters: int, weights: int, multiply_adds: int) -> None:
    # mobile_cv's model_info_fbnet.json counts weights without norms and biases, and one for each pixel that is pooled
    spec = network(name)
    others = pooled = 0
    for node in spec.nodes:
        if isinstance(node.operation, Conv):
            others += node.operation.out_channels * (1 if node.operation.epsilon is None else 2)
        elif isinstance(node.operation, Linear):
            others += node.operation.out_features
        elif isinstance(node.operation, GlobalAveragePool):
            pooled += math.prod(node.input_shapes[0])
    assert spec.parameters == parameters  # timm's fbnetc_100: 5.57 M
    assert spec.parameters - others == weights
    assert spec.multiply_adds + pooled == multiply_adds


def test_fbnets_scale_in_width() -> None:
    half = network("fbnet-a", width=0.5)
    assert half.name == "FBNet-A x0.5"
    assert (half.stem.out_channels, half.layers[-1].out_channels, half.head) == (8, 176, 1504)
    assert half.multiply_adds < 0.5 * network("fbnet-a").multiply_adds


@pytest.mark.parametrize(
    ("width", "parameters", "millions"),
    [(1.4, 6_108_776, 582.20), (0.75, 2_636_424, 209.07), (0.5, 1_968_680, 97.13), (0.35, 1_677_128, 59.29)],
)
def test_mobilenetv2_counts_by_width(width: float, parameters: int, millions: float) -> None:
    spec = network("mobilenetv2", width=width)
    assert spec.parameters == parameters
    assert round(spec.multiply_adds / 1e6, 2) == millions
    assert spec.head == (1792 if width == 1.4 else 1280)


@pytest.mark.parametrize(
    ("resolution", "millions"),
    [
        (224, (586.3, 311.6, 223.4, 103.2, 61.7)),
        (192, (431.2, 229.3, 164.5, 76.1, 45.7)),
        (160, (300.0, 159.7, 114.7, 53.3, 32.1)),
        (128, (192.7, 102.8, 73.9, 34.6, 21.0)),
        (96, (109.1, 58.5, 42.2, 20.0, 12.4)),
    ],
)
def test_a1_counts_by_width_and_resolution(resolution: int, millions: tuple[float, ...]) -> None:
    widths = {1.4: 6.11, 1.0: 3.89, 0.75: 2.91, 0.5: 2.08, 0.35: 1.75}
    for (width, parameters), expected in zip(widths.items(), millions, strict=True):
        spec = network("mnasnet-a1", width=width, resolution=resolution)
        assert round(spec.parameters / 1e6, 2) == parameters
        assert round(spec.multiply_adds / 1e6, 1) == expected
        assert spec.head == 1280


@pytest.mark.parametrize(
    ("expansion", "kernel", "parameters", "millions"),
    [(3, 3, 2_654_240, 186.3), (3, 5, 2_712_224, 202.0), (6, 3, 3_610_472, 330.3), (6, 5, 3_726_440, 361.8)],
)
def test_a1_of_one_operation_only(expansion: int, kernel: int, parameters: int, millions: float) -> None:
    a1 = network("mnasnet-a1")
    alike = (dataclasses.replace(layer, expansion=expansion, kernel=kernel, se_ratio=0.0) for layer in a1.layers[1:])
    spec = dataclasses.replace(a1, layers=(a1.layers[0], *alike))
    assert spec.parameters == parameters
    assert round(spec.multiply_adds / 1e6, 1) == millions


def test_a1_block_counts() -> None:
    nodes, spec, index = network("mnasnet-a1").nodes, network("mnasnet-a1"), 0
    counts = []
    for block in spec.blocks:
        parts = {f"layers.{i}" for i in range(index, index + len(block))}
        mine = [node for node in nodes if ".".join(node.name.split(".")[:2]) in parts]
        counts.append(
            (
                sum(node.operation.parameters(*node.input_shapes) for node in mine),
                round(sum(node.operation.multiply_adds(*node.input_shapes) for node in mine) / 1e6, 2),
            )
        )
        index += len(block)
    assert counts == [
        (896, 10.04),
        (13_968, 54.94),
        (39_098, 28.85),
        (281_680, 59.41),
        (316_144, 49.66),
        (1_067_244, 53.49),
        (473_920, 23.00),
    ]


def test_small_runs_without_residual_in_its_first_block() -> None:
    first = network("mnasnet-small").layers[0]
    assert (first.in_channels, first.out_channels, first.stride, first.effective_skip) == (8, 8, 1, "none")


def test_mobilenetv2_is_torchvisions() -> None:
    spec = network("mobilenetv2")
    assert (spec.activation, spec.epsilon, spec.dropout) == ("relu6", 1e-5, 0.2)


def test_names_are_taken_in_any_case() -> None:
    assert network("MnasNet-A1") == network("mnasnet-a1")
    assert network("MobileNetV2").name == "MobileNetV2"


def test_default_resolution_is_the_published_one() -> None:
    assert {name: network(name).input_shape[1] for name in NETWORKS if network(name).input_shape[1] != 224} == {
        "mnasnet-d1-320": 320,
        "condensenet-86": 32,
    }
    assert (network("condensenet-86").classes, network("condensenet-74").classes) == (10, 1000)


def test_a_condensenet_has_no_width() -> None:
    with pytest.raises(ValueError, match=r"width is 0\.5; a CondenseNet's is 1"):
        network("condensenet-86", width=0.5)


def test_classes_change_only_the_classifier() -> None:
    assert network("mnasnet-a1").parameters - network("mnasnet-a1", classes=10).parameters == 990 * 1281


def test_unknown_name_gives_the_nearest_and_all() -> None:
    with pytest.raises(ValueError, match="'mnasnet-a2' is unknown; did you mean 'mnasnet-a1'") as error:
        network("mnasnet-a2")
    assert all(name in str(error.value) for name in NETWORKS)


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"width": -1.0}, {"width": float("nan")}, {"resolution": 0}, {"classes": 0}]
)
def test_numbers_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        network("mnasnet-a1", **wrong)  # type: ignore[arg-type]
