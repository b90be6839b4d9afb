from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mnas_moo.spaces import NETWORKS, NetworkSpec, get, network
from mnas_moo.spaces.spec import Layer
from mnas_moo.spaces.text import blocks_from_text, blocks_to_text, from_text, to_text

START = "in3x32x32 stem_k3_s11_o16"


@pytest.mark.parametrize("name", NETWORKS)
def test_published_networks_round_trip(name: str) -> None:
    width = 1.0 if name.startswith("condensenet") else 0.35
    for spec in (network(name), network(name, width=width, resolution=96, classes=7)):
        assert from_text(to_text(spec)) == spec
        assert from_text(to_text(spec.canonical())) == spec.canonical()


def test_a1_prints_its_official_string() -> None:
    assert blocks_to_text(network("mnasnet-a1")) == (
        "r1_k3_s11_e1_i32_o16_noskip r2_k3_s22_e6_i16_o24 r3_k5_s22_e3_i24_o40_se0.25 r4_k3_s22_e6_i40_o80 "
        "r2_k3_s11_e6_i80_o112_se0.25 r3_k5_s22_e6_i112_o160_se0.25 r1_k3_s11_e6_i160_o320"
    )


def test_groups_are_a_part_of_a_block_where_there_are_some() -> None:
    spec = from_text(f"{START} r2_k5_s22_e6_i16_o24_se0.25_g2_noskip r1_k3_s11_g4_e1_i24_o24 fc10")
    assert [layer.groups for layer in spec.layers] == [2, 2, 4]
    assert blocks_to_text(spec) == "r2_k5_s22_e6_i16_o24_se0.25_g2_noskip r1_k3_s11_e1_i24_o24_g4"
    assert "_g" not in to_text(network("fbnet-b"))
    assert "r1_k5_s11_e1_i64_o64_g2" in to_text(network("fbnet-a")).split()


def test_official_strings_parse_in_any_order_of_parts() -> None:
    official = blocks_from_text("r2_k3_s22_e6_i16_o24_se0.25_noskip")
    assert official == blocks_from_text("r2_noskip_se0.25_o24_i16_e6_s22_k3")
    first = Layer("mbconv", 16, 24, 3, 2, expansion=6, se_ratio=0.25, skip="none")
    assert official == (first, dataclasses.replace(first, in_channels=24, stride=1))


@pytest.mark.parametrize("space", ["mnasnet", "mnasnet-flat", "fbnet"])
@pytest.mark.parametrize("preset", ["imagenet", "digits"])
def test_random_networks_round_trip(space: str, preset: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        spec = get(space, preset=preset).random(rng)
        assert from_text(to_text(spec)) == spec
        assert from_text(to_text(spec.canonical())) == spec.canonical()


def test_networks_of_no_space_round_trip() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        channels = int(rng.integers(1, 9))
        shape = (channels, int(rng.integers(1, 40)), int(rng.integers(1, 40)))
        layers = []
        for _ in range(int(rng.integers(1, 6))):
            operation = ("conv", "mbconv")[int(rng.integers(2))]
            out = int(rng.integers(1, 40)) if rng.random() < 0.7 else channels
            layers.append(
                Layer(
                    operation,
                    channels,
                    out,
                    kernel=int(rng.choice([1, 3, 7])),
                    stride=int(rng.choice([1, 2, 12])),
                    expansion=int(rng.integers(1, 12)) if operation == "mbconv" else 1,
                    se_ratio=float(rng.choice([0.0, 1e-5, 1 / 3, 1.0])),
                    skip=("identity", "pooling", "none")[int(rng.integers(3))],
                    groups=math.gcd(channels, out) if operation == "mbconv" else 1,
                )
            )
            channels = out
        spec = NetworkSpec(
            shape,
            layers[0],
            tuple(layers[1:]),
            head=int(rng.integers(0, 3)),
            classes=int(rng.integers(1, 5)),
            dropout=float(rng.choice([0.0, 0.1, 1e-7])),
            activation=("relu", "relu6", "sigmoid", "none")[int(rng.integers(4))],
            epsilon=float(rng.choice([1e-5, 1e-3, 2.0])),
        )
        assert from_text(to_text(spec)) == spec


def test_what_is_left_out_has_the_stated_value() -> None:
    spec = from_text(f"{START} fc10")
    assert (spec.layers, spec.head, spec.dropout, spec.activation, spec.epsilon) == ((), 0, 0.0, "relu", 1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no in token"),
        ("in3x32x32 fc10", "no stem token"),
        (START, "no fc token"),
        ("in3x32 stem_k3_s11_o16 fc10", "'in3x32': allowed is"),
        ("in0x32x32 stem_k3_s11_o16 fc10", "'in0x32x32': part in0: a whole number from 1"),
        ("stem_k3_s11_o16 in3x32x32 fc10", "'stem_k3_s11_o16': no in token"),
        ("in3x32x32 r1_k3_s11_e1_i3_o8 fc10", "no stem token"),
        (f"{START} fc10 fc10", "'fc10': 'fc10' stands before it"),
        (f"{START} fc10 head_o8", "'head_o8' stands too late"),
        (f"{START} linear10", "'linear10' is none of the network's; allowed: in3x224x224"),
        (f"{START} r1_k3_s11_e1_i16 fc10", "part oNUMBER is missing"),
        (f"{START} r1_k3_s11_e1_i16_o16_x2 fc10", "part 'x2' is unknown; allowed: rNUMBER, kNUMBER"),
        (f"{START} r1_k3_k5_s11_e1_i16_o16 fc10", "part 'k5': 'k' stands there twice"),
        (f"{START} r1_k4_s11_e1_i16_o16 fc10", "token 'r1_k4_s11_e1_i16_o16': kernel is 4; it must be odd"),
        (f"{START} r1_k3_s12_e1_i16_o16 fc10", "part s12: allowed is one stride written twice"),
        (f"{START} r1_k3_s1_e1_i16_o16 fc10", "part s1: allowed is one stride written twice"),
        (f"{START} r0_k3_s11_e1_i16_o16 fc10", "part r0: a whole number from 1"),
        (f"{START} r1_k3_s11_e6_i16_o16_conv fc10", "expansion is 6; a conv has none"),
        (f"{START} r1_k3_s11_e6_i16_o16_noskip_poolskip fc10", "two skips"),
        (f"{START} r1_k3_s11_e6_i16_o16_se2 fc10", "se_ratio is 2.0"),
        (f"{START} r1_k3_s11_e6_i16_o16_se0.2.5 fc10", "part se0.2.5: a number"),
        (
            f"{START} r1_k3_s11_e6_i16_o16_g3 fc10",
            "'r1_k3_s11_e6_i16_o16_g3': groups is 3; it must divide in_channels 16",
        ),
        (f"{START} r1_k3_s11_e6_i16_o16_g0 fc10", "part g0: a whole number from 1"),
        (f"{START} r1_k3_s11_e1_i16_o16_g2_conv fc10", "groups is 2; a conv has none"),
        (f"{START} r1_k3_s11_e6_i8_o16 fc10", "i8 does not fit, the token before it gives 16 channels; write i16"),
        (f"{START} drop1 fc10", "'drop1': part drop1: a number from 0 to below 1"),
        (f"{START} fc10 act_rellu", "activation 'rellu' is unknown; did you mean 'relu'"),
        (f"{START} fc10 eps0", "part eps0: a number above 0"),
        (f"{START} fcten", "'fcten' is none of the network's"),
        ("in3x32x32 stem_k3_s11_o16_e6 fc10", "mbconv and e stand together"),
        (f"{START} r1001_k3_s11_e1_i16_o16 fc10", "part r1001: at most 1,000 layers are allowed"),
        (f"{START} {'r999_k3_s11_e1_i16_o16 ' * 2} fc10", "makes 1,998 layers; at most 1,000 are allowed"),
        (f"{START} {'x' * 5000} fc10", "^token 'x+[.]+' has 5,000 characters; at most 200 are allowed$"),
        ("x" * 50_000_000, "^a network of 50,000,000 characters is too long; at most 65,536 are allowed$"),
    ],
)
def test_errors_name_the_token_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_text(text)


def test_a_block_alone_must_be_a_block() -> None:
    with pytest.raises(ValueError, match="'fc10' is no block"):
        blocks_from_text("fc10")
