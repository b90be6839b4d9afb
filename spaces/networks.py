"""The published networks by name, with width and resolution scaling.

MnasNets: tensorflow/tpu models/official/mnasnet (mnasnet_models.py; the networks of Tan et al. 2019, and MnasFPN's
d1); MobileNetV2: Sandler et al. 2018, table 2, as torchvision builds it. A2 and A3 were never published. FBNets: A, B
and C as mobile_cv lists them, those for a Samsung S8 and an iPhone X as AnnaAraslanova's reimplementation does.
CondenseNets: Huang et al. 2018, G = C = 4, condensed, as their code has them.

Width scales the stem and all layers (``round_filters``), not the head; MobileNetV2's head grows with widths above 1.

MnasNet-small's own string says ``i16`` for a first block that follows a stem of 8, which leaves that block without
a residual; here it says what is run: ``i8 … noskip``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.spec import Layer, NetworkSpec
from mnas_moo.spaces.text import blocks_from_text

MOBILENET_V2_FILTERS = (16, 24, 32, 64, 96, 160, 320)
MOBILENET_V2_LAYERS = (1, 2, 3, 4, 3, 3, 1)
MOBILENET_V2_STRIDES = (1, 2, 2, 2, 1, 2, 1)


def round_filters(filters: float) -> int:
    """Channels rounded to a multiple of 8, at least 8 and at least 90 % of ``filters`` (official code).

    >>> from mnas_moo.spaces.networks import round_filters
    >>> round_filters(83), round_filters(84), round_filters(10)
    (80, 88, 16)
    """
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


@dataclass(frozen=True)
class _Published:
    """A network at width 1, as published."""

    title: str
    blocks: str
    stem: int = 32
    dropout: float = 0.2
    resolution: int = 224
    activation: str = "relu"
    epsilon: float = 1e-3
    head: int = 1280
    head_grows: bool = False
    stem_stride: int = 2
    stem_operation: str = "conv"
    classes: int = 1000


def _fbnet(candidates: str) -> str:
    """The blocks of an FBNet, from the candidates of its 22 layers: "skip | k3_e6 k5_e1_g2 ...", a part a stage."""
    tokens, channels = [], 16
    stages = zip(candidates.split("|"), (16, 24, 32, 64, 112, 184, 352), (1, 2, 2, 2, 1, 2, 1), strict=True)
    for stage, filters, stride in stages:
        for candidate in stage.split():
            if candidate != "skip":
                tokens.append(f"r1_{candidate}_s{stride}{stride}_i{channels}_o{filters}")
            elif stride != 1 or channels != filters:  # else there is no layer
                tokens.append(f"r1_k1_e1_s{stride}{stride}_i{channels}_o{filters}_conv_noskip")
            channels, stride = filters, 1
    return " ".join(tokens)


def _condensenet(stages: Sequence[int], last: str) -> str:
    """The blocks of a CondenseNet from its numbers of layers, and its last norm."""
    tokens, channels = [], 16
    for i, layers in enumerate(stages):
        growth, stride = 8 * 2**i, 2 if i else 1
        cell = f"r{layers}_k3_s{stride}{stride}_e4_i{channels}_o{channels + growth}_g4"
        tokens.append(f"{cell}_cell=bnrelu-learned1x1-bnrelu-group3x3_dense")
        channels += layers * growth
    return " ".join([*tokens, f"r1_k1_s11_e1_i{channels}_{last}_noskip"])


_PUBLISHED = {
    network.title.lower(): network
    for network in (
        _Published(
            "MnasNet-A1",
            "r1_k3_s11_e1_i32_o16_noskip r2_k3_s22_e6_i16_o24 r3_k5_s22_e3_i24_o40_se0.25 r4_k3_s22_e6_i40_o80 "
            "r2_k3_s11_e6_i80_o112_se0.25 r3_k5_s22_e6_i112_o160_se0.25 r1_k3_s11_e6_i160_o320",
        ),
        _Published(
            "MnasNet-B1",
            "r1_k3_s11_e1_i32_o16_noskip r3_k3_s22_e3_i16_o24 r3_k5_s22_e3_i24_o40 r3_k5_s22_e6_i40_o80 "
            "r2_k3_s11_e6_i80_o96 r4_k5_s22_e6_i96_o192 r1_k3_s11_e6_i192_o320_noskip",
        ),
        _Published(
            "MnasNet-small",
            "r1_k3_s11_e1_i8_o8_noskip r1_k3_s22_e3_i8_o16 r2_k3_s22_e6_i16_o16 r4_k5_s22_e6_i16_o32_se0.25 "
            "r3_k3_s11_e6_i32_o32_se0.25 r3_k5_s22_e6_i32_o88_se0.25 r1_k3_s11_e6_i88_o144",
            stem=8,
            dropout=0.0,
        ),
        _Published(
            "MnasNet-d1",
            "r1_k3_s11_e9_i32_o24 r3_k3_s22_e9_i24_o36 r5_k3_s22_e9_i36_o48 r4_k5_s22_e9_i48_o96 "
            "r5_k7_s11_e3_i96_o96 r3_k3_s22_e9_i96_o80 r1_k7_s11_e6_i80_o320_noskip",
        ),
        _Published(
            "MnasNet-d1-320",
            "r3_k5_s11_e6_i32_o24 r4_k7_s22_e9_i24_o36 r5_k5_s22_e9_i36_o48 r5_k7_s22_e6_i48_o96 "
            "r5_k3_s11_e9_i96_o144 r5_k5_s22_e6_i144_o160 r1_k7_s11_e9_i160_o320",
            resolution=320,
        ),
        _Published(
            "MobileNetV2",
            "r1_k3_s11_e1_i32_o16 r2_k3_s22_e6_i16_o24 r3_k3_s22_e6_i24_o32 r4_k3_s22_e6_i32_o64 "
            "r3_k3_s11_e6_i64_o96 r3_k3_s22_e6_i96_o160 r1_k3_s11_e6_i160_o320",
            activation="relu6",
            epsilon=1e-5,
            head_grows=True,
        ),
        _Published(
            "CondenseNet-86",
            _condensenet((14, 14, 14), "o800_cell=bnrelu"),
            stem=16,
            dropout=0.0,
            resolution=32,
            epsilon=1e-5,
            head=0,
            stem_stride=1,
            stem_operation="bare",
            classes=10,
        ),
        _Published(
            "CondenseNet-74",  # the classifier reads half of the features
            _condensenet((4, 6, 8, 10, 8), "o1032_cell=bnrelu-select"),
            stem=16,
            dropout=0.0,
            epsilon=1e-5,
            head=0,
            stem_operation="bare",
        ),
        *(
            _Published(f"FBNet-{title}", _fbnet(candidates), stem=16, epsilon=1e-5, head=1504 if title == "A" else 1984)
            for title, candidates in (
                (
                    "A",
                    "skip | k3_e3 k3_e1 skip skip | k5_e6 k3_e3 k5_e1 k3_e3 | k5_e6 k5_e3 k5_e1_g2 k5_e6 | "
                    "k3_e6 k5_e1_g2 k5_e3 k3_e1_g2 | k5_e6 k5_e6 k5_e3 k5_e6 | k5_e6",
                ),
                (
                    "B",
                    "k3_e1 | k3_e6 k5_e1 k3_e1 k3_e1 | k5_e6 k5_e3 k3_e6 k5_e6 | k5_e6 k5_e6 skip k5_e3 | "
                    "k5_e6 k3_e1 k5_e1 k5_e3 | k5_e6 k5_e1 k5_e6 k5_e6 | k3_e6",
                ),
                (
                    "C",
                    "k3_e1 | k3_e6 skip k3_e1 k3_e1 | k5_e6 k5_e3 k5_e6 k3_e6 | k5_e6 k5_e3 k5_e6 k5_e6 | "
                    "k5_e6 k5_e6 k5_e6 k5_e3 | k5_e6 k5_e6 k5_e6 k5_e6 | k3_e6",
                ),
                (
                    "Samsung-S8",
                    "k3_e1 | k3_e3 k3_e1 skip skip | k5_e6 k3_e3 k3_e3 k3_e6 | k5_e6 k5_e3 k5_e3 k5_e3 | "
                    "k3_e6 k5_e3 k5_e3 k5_e3 | k5_e6 k5_e6 k5_e3 k5_e6 | k5_e6",
                ),
                (
                    "iPhoneX",
                    "skip | k3_e6 k3_e1 k3_e1 k3_e1 | k3_e6 k3_e6 k3_e6 k3_e6 | k3_e6 k3_e6 k3_e3 k3_e6 | "
                    "k3_e6 k3_e3 k3_e3 k3_e3 | k5_e6 k5_e6 k5_e6 k5_e3 | k5_e6",
                ),
            )
        ),
    )
}

NETWORKS = tuple(_PUBLISHED)
"""The names that ``network`` knows."""


def network(name: str, width: float = 1.0, resolution: int | None = None, classes: int | None = None) -> NetworkSpec:
    """A published network.

    >>> from mnas_moo.spaces import network
    >>> a1 = network("mnasnet-a1")
    >>> a1.parameters, a1.multiply_adds
    (3887038, 311579072)
    >>> network("MobileNetV2", width=1.4, resolution=192, classes=10).name
    'MobileNetV2 x1.4 @192'

    Args:
        name: one of ``NETWORKS``, in any case.
        width: factor on all channels but the head; at 1 they are as published, else they are rounded.
        resolution: height and width of an image, in pixels; None: as published, 224, (d1-320) 320 or (CondenseNet-86)
            32.
        classes: number of classes; None: as published, 1000 or (CondenseNet-86) 10.

    Raises:
        ValueError: an unknown name, or a number out of range.
    """
    published = _PUBLISHED.get(str(name).lower())
    if published is None:
        raise unknown("network", name, NETWORKS)
    size = published.resolution if resolution is None else resolution
    if not 0 < width < math.inf:
        raise ValueError(f"network {name!r}: width is {width}; it must be above 0")
    outputs = published.classes if classes is None else classes
    if published.stem_operation == "bare" and width != 1:
        raise ValueError(f"network {name!r}: width is {width}; a CondenseNet's is 1")
    for what, value in (("resolution", size), ("classes", outputs)):
        if value < 1:
            raise ValueError(f"network {name!r}: {what} is {value}; it must be at least 1")

    def scale(channels: int) -> int:
        return channels if width == 1 else round_filters(channels * width)

    layers = tuple(
        dataclasses.replace(layer, in_channels=scale(layer.in_channels), out_channels=scale(layer.out_channels))
        for layer in blocks_from_text(published.blocks)
    )
    return NetworkSpec(
        input_shape=(3, size, size),
        stem=Layer(published.stem_operation, 3, scale(published.stem), 3, published.stem_stride, skip="none"),
        layers=layers,
        head=round_filters(published.head * max(1.0, width)) if published.head_grows else published.head,
        classes=outputs,
        dropout=published.dropout,
        activation=published.activation,
        epsilon=published.epsilon,
        name=published.title
        + (f" x{width:g}" if width != 1 else "")
        + (f" @{size}" if size != published.resolution else ""),
    )
