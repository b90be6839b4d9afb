from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mnas_moo import spaces
from mnas_moo.objectives.formats import litert, torch_module
from mnas_moo.spaces.fragment import Fragment, distinct_fragments, fragments
from mnas_moo.spaces.operations import Add, AveragePool, Conv
from mnas_moo.spaces.spec import Layer, NetworkSpec, Node
from mnas_moo.spaces.text import from_text

SKIPS = from_text(
    "in3x16x16 stem_k3_s22_o8 r2_k3_s11_e3_i8_o8_se0.25 r2_k5_s22_e6_i8_o8_poolskip r1_k3_s11_e1_i8_o12_conv_noskip "
    "head_o24 drop0.2 fc10"
)


def test_parts_are_stem_layers_skips_and_head_in_order() -> None:
    assert [part.name for part in fragments(SKIPS)] == [
        "conv k3 s2 16x16x3-8x8x8 relu",
        "mbconv k3 e3 se0.25 s1 8x8x8-8x8x8 relu",
        "add 8x8x8",
        "mbconv k3 e3 se0.25 s1 8x8x8-8x8x8 relu",
        "add 8x8x8",
        "mbconv k5 e6 s2 8x8x8-4x4x8 relu",
        "pooling add s2 8x8x8-4x4x8",
        "mbconv k5 e6 s1 4x4x8-4x4x8 relu",
        "pooling add s1 4x4x8-4x4x8",
        "conv k3 s1 4x4x8-4x4x12 relu",
        "head 4x4x12-24-10 relu",
    ]


def test_groups_are_named_and_a_shuffle_belongs_to_its_layer() -> None:
    spec = from_text("in3x16x16 stem_k3_s22_o8 r1_k3_s11_e1_i8_o8_g2 r1_k5_s22_e6_i8_o16_se0.25_g4 fc10")
    parts = fragments(spec)
    assert [part.name for part in parts[1:-1]] == [
        "mbconv k3 e1 g2 s1 8x8x8-8x8x8 relu",
        "add 8x8x8",
        "mbconv k5 e6 g4 se0.25 s2 8x8x8-4x4x16 relu",
    ]
    assert [node.name for node in parts[1].nodes] == ["0.channelshuffle", "1.conv", "2.conv"]


@pytest.mark.parametrize("name", spaces.NETWORKS)
def test_parts_have_all_parameters_and_multiply_adds_of_their_network(name: str) -> None:
    spec = spaces.network(name)
    parts = fragments(spec)
    assert sum(part.parameters for part in parts) == spec.parameters
    assert sum(part.multiply_adds for part in parts) == spec.multiply_adds


def test_parts_have_all_operations_of_their_network() -> None:
    assert sum(len(part.nodes) for part in fragments(SKIPS)) == len(SKIPS.nodes)


def test_layers_alike_at_two_places_are_one_fragment() -> None:
    parts = fragments(SKIPS)
    assert parts[1] == parts[3] and hash(parts[1]) == hash(parts[3])
    assert parts[5] != parts[7]
    assert parts[1].canonical() == parts[1]


def test_fragments_that_differ_only_in_their_names_are_equal() -> None:
    part = fragments(SKIPS)[0]
    renamed = tuple(dataclasses.replace(node, name="anything") for node in part.nodes)
    assert Fragment(part.input_shape, renamed, "another") == part


def test_a_skip_that_does_not_fit_has_no_part() -> None:
    stem = Layer("conv", 3, 8, 3, 2, skip="none")
    declared = NetworkSpec((3, 16, 16), stem, (Layer("mbconv", 8, 12, 3, skip="identity"),), 0, 10)
    assert fragments(declared) == fragments(declared.canonical())
    assert len(fragments(declared)) == 3


def test_one_after_the_other_the_parts_compute_what_the_network_does() -> None:
    spec = dataclasses.replace(SKIPS, layers=tuple(dataclasses.replace(layer, skip="none") for layer in SKIPS.layers))
    whole = torch_module.build(spec).eval()
    x = torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(1))
    expected, nodes = whole(x), iter(spec.nodes)
    for part in fragments(spec):
        built = torch_module.build(part).eval()
        for node in part.nodes:
            built.get_submodule(node.name).load_state_dict(whole.get_submodule(next(nodes).name).state_dict())
        x = built(x)
    torch.testing.assert_close(x, expected)


def test_a_pooled_skip_is_twice_the_pooled_input_at_a_stride_and_input_and_pooled_input_else() -> None:
    x = torch.randn((1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    strided, plain = (part for part in fragments(SKIPS) if part.name.startswith("pooling"))
    pooled = torch.nn.functional.avg_pool2d(x, 3, 2, 1)
    torch.testing.assert_close(torch_module.build(strided)(x), 2 * pooled)
    expected = pooled + torch.nn.functional.avg_pool2d(pooled, 3, 1, 1)
    torch.testing.assert_close(torch_module.build(plain)(pooled), expected)


def test_every_part_runs_in_litert_as_in_torch() -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    for part in set(fragments(SKIPS)):
        built = torch_module.build(part).eval()
        runner = interpreter(model_content=litert.write(part, torch_module.weights(built)))
        runner.allocate_tensors()
        x = np.random.default_rng(0).standard_normal((1, *part.input_shape)).astype(np.float32)
        runner.set_tensor(runner.get_input_details()[0]["index"], x.transpose(0, 2, 3, 1))
        runner.invoke()
        y = runner.get_tensor(runner.get_output_details()[0]["index"])
        expected = built(torch.from_numpy(x)).detach().numpy()
        if expected.ndim == 4:
            expected = expected.transpose(0, 2, 3, 1)
        np.testing.assert_allclose(y, expected, atol=1e-4)


def test_nodes_must_read_what_is_there() -> None:
    conv = Node("a", Conv(8, 1), (-1,), ((3, 4, 4),), (8, 4, 4))
    with pytest.raises(ValueError, match=r"fragment 'x' has no nodes; it must have at least one"):
        Fragment((3, 4, 4), (), "x")
    with pytest.raises(ValueError, match=r"node 0 \(a\) takes \(3, 4, 4\), but node -1 gives \(4, 4, 4\)"):
        Fragment((4, 4, 4), (conv,))
    ahead = dataclasses.replace(conv, inputs=(0,))
    with pytest.raises(ValueError, match=r"node 0 \(a\) reads node 0; it may read -1"):
        Fragment((3, 4, 4), (ahead,))
    pool = Node("b", AveragePool(3, 2), (0,), ((8, 4, 4),), (8, 2, 2))
    mixed = Node("c", Add(), (1, 0), ((8, 2, 2), (8, 2, 2)), (8, 2, 2))
    with pytest.raises(ValueError, match=r"node 2 \(c\) takes \(8, 2, 2\), but node 0 gives \(8, 4, 4\)"):
        Fragment((3, 4, 4), (conv, pool, mixed))


@pytest.mark.parametrize("name", spaces.SPACES)
@pytest.mark.parametrize("settings", [{"preset": "digits"}, {"resolution": 33, "blocks": 4}], ids=["digits", "odd"])
def test_the_covering_networks_have_every_part_of_random_ones(name: str, settings: dict[str, object]) -> None:
    if name == "dppnet" and "blocks" in settings:  # it has stages of cells
        settings = {"preset": "cifar", "resolution": 33}
    space = spaces.get(name, **settings)
    parts, rng = distinct_fragments(space.covering()), np.random.default_rng(0)
    for _ in range(200):
        for part in fragments(space.random(rng)):
            assert parts[part.name] == part


@pytest.mark.parametrize("name", spaces.SPACES)
def test_the_covering_networks_are_members(name: str) -> None:
    space = spaces.get(name, preset="digits", **({} if name == "dppnet" else {"blocks": 3}))
    for spec in space.covering():
        assert space.spec(space.params(spec)).canonical() == spec.canonical()


def test_the_imagenet_space_has_1118_distinct_parts() -> None:
    assert len(distinct_fragments(spaces.get("mnasnet").covering())) == 1118


def test_networks_of_two_epsilons_share_no_table() -> None:
    other = dataclasses.replace(SKIPS, epsilon=1e-5)
    with pytest.raises(ValueError, match=r"unlike layers called 'conv k3 s2 .*one norm epsilon"):
        distinct_fragments([SKIPS, other])
