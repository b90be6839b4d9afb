"""InstaNAS' meta-graph: published counts, what a cell is, and every reader of a network with sums of layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mnas_moo.objectives.formats import torch_module
from mnas_moo.spaces.fragment import distinct_fragments, fragments, parts_by_layer, sections
from mnas_moo.spaces.instanas import CHOICES, NAMES, InstaNASSpace
from mnas_moo.spaces.picture import picture
from mnas_moo.spaces.spec import Layer
from mnas_moo.spaces.summary import summary
from mnas_moo.spaces.text import from_text, to_text

CIFAR = InstaNASSpace(preset="cifar")
TINY = InstaNASSpace(resolution=64, preset="imagenet", classes=200, stem_stride=1)
IMAGENET = InstaNASSpace()
ALL = "+".join(NAMES)


@pytest.mark.parametrize(
    ("space", "choice", "parameters", "multiply_adds"),
    [
        (CIFAR, ALL, 9_572_970, 430_447_104),
        (CIFAR, "k3_e6", 2_247_530, 98_363_904),
        (TINY, ALL, 9_816_360, 583_749_632),
        (IMAGENET, ALL, 10_841_160, 1_788_229_248),
        (IMAGENET, "k3_e6", 3_515_720, 428_020_608),
    ],
)
def test_counts_are_the_published_ones(space: InstaNASSpace, choice: str, parameters: int, multiply_adds: int) -> None:
    spec = space.spec(dict.fromkeys(space.distributions, choice))
    assert (spec.parameters, spec.multiply_adds) == (parameters, multiply_adds)


def test_17_cells_choose_from_all_sets_of_five_modules() -> None:
    assert CIFAR.cells == len(CIFAR.distributions) == 17
    assert len(set(CHOICES)) == 2**5
    assert [name for name, first in zip(CIFAR.distributions, CIFAR.first_cells, strict=True) if first] == [
        f"stage{stage}.cell1" for stage in range(1, 8)
    ]


def test_a_cell_without_modules_is_no_layer_but_the_first_of_a_stage_has_two_convolutions() -> None:
    spec = CIFAR.spec(dict.fromkeys(CIFAR.distributions, "none"))
    assert [layer.operation for layer in spec.layers] == ["basic"] * 7
    assert spec == CIFAR.of_mask(np.zeros((17, 5), dtype=bool))
    assert spec.layers[1] == Layer("basic", 16, 24, 3, skip="none")
    kernels = [node.operation for node in spec.nodes if node.name.startswith("layers.3.")]
    assert [(conv.kernel, conv.stride, conv.activation) for conv in kernels] == [  # type: ignore[union-attr]
        *((3, 2, "relu"), (3, 1, "relu")),
    ]


def test_masks_and_parameters_name_the_same_networks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        mask = rng.random((17, 5)) < 0.4
        spec = CIFAR.of_mask(mask)
        params = CIFAR.params(spec)
        assert CIFAR.spec(params).canonical() == spec.canonical() and CIFAR.canonical(params) == params
        sums = [len(layer.modules) for layer in spec.layers]
        assert sorted(sums) == sorted(
            max(n, first) for n, first in zip(mask.sum(1), CIFAR.first_cells, strict=True) if n or first
        )


def test_every_reader_knows_sums_of_layers() -> None:
    space, rng = InstaNASSpace(preset="digits"), np.random.default_rng(0)
    parts = distinct_fragments(space.covering())
    for _ in range(20):
        spec = space.random(rng)
        assert from_text(to_text(spec)) == spec
        cut = fragments(spec)
        assert sum(part.parameters for part in cut) == spec.parameters
        assert sum(part.multiply_adds for part in sections(spec)) == spec.multiply_adds
        assert sum(len(part.nodes) for part in cut) == len(spec.nodes)
        assert all(parts[part.name] == part for part in cut)
        assert len(parts_by_layer(spec)) == len(spec.layers) + 2
        assert torch_module.build(spec)(torch.zeros(2, 1, 16, 16)).shape == (2, 10)
    everything = space.spec(dict.fromkeys(space.distributions, ALL))
    assert "Sum of 5 layers" in picture(everything)
    assert summary(everything)["log_receptive_field"] > summary(space.only(0))["log_receptive_field"]


def test_a_sum_is_the_sum_of_its_layers() -> None:
    spec = from_text("in3x8x8 stem_k3_s11_o8 r1_k3_s11_e6_i8_o8+k5_e3+k3_e1_basic_noskip fc4")
    network = torch_module.build(spec).eval()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        inner = network.stem.conv(x)  # type: ignore[union-attr,operator]
        alone = torch.zeros_like(inner)
        for name, layer in (("layers.0", 0), ("layers.0.beside.0", 1), ("layers.0.beside.1", 2)):
            y = inner
            for node in spec.nodes:
                path, _, part = node.name.rpartition(".")
                if path == name and part not in ("add", "sum"):
                    y = network.get_submodule(node.name)(y)
            alone = alone + y + (inner if layer < 2 else 0)
        whole = network(x)
        logits = network.classifier(alone.mean((2, 3), keepdim=True))  # type: ignore[operator]
    torch.testing.assert_close(whole, logits)


def test_wrong_sums_are_named() -> None:
    with pytest.raises(ValueError, match="a layer beside has out_channels 16; it must have 8"):
        Layer("conv", 8, 8, 3, beside=(Layer("conv", 8, 16, 3),))
    with pytest.raises(ValueError, match="has layers beside it; name all of them beside the first"):
        Layer("conv", 8, 8, 3, beside=(Layer("conv", 8, 8, 3, beside=(Layer("conv", 8, 8, 3),)),))
    with pytest.raises(ValueError, match="is conv and basic; one of them is allowed"):
        from_text("in3x8x8 stem_k3_s11_o8 r1_k3_s11_e1_i8_o8_conv_basic fc4")
    with pytest.raises(ValueError, match="part 's11' is unknown"):
        from_text("in3x8x8 stem_k3_s11_o8 r1_k3_s11_e1_i8_o8+k3_s11_e1 fc4")
    with pytest.raises(ValueError, match="expansion is 3; a basic has none"):
        Layer("basic", 8, 8, 3, expansion=3)
