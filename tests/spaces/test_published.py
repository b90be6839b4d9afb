from __future__ import annotations

import pytest

from mnas_moo.spaces import NETWORKS, network
from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.published import CLAIMS, COMPARED, YARDSTICK, printed, published
from mnas_moo.spaces.spec import NetworkSpec


def multiply_adds(graph: NetworkSpec | Fragment) -> int:
    return graph.multiply_adds


@pytest.mark.parametrize("name", COMPARED)
def test_counts_are_the_printed_ones(name: str) -> None:
    graph, said = published(name), printed(name)
    assert said.parameters_m is not None
    assert graph.parameters / 1e6 == pytest.approx(said.parameters_m, rel=0.035)  # MobileNetV2's authors print 3.4 M
    if said.multiply_adds_m is not None:
        assert multiply_adds(graph) / 1e6 == pytest.approx(said.multiply_adds_m, rel=0.01)


def test_resnet_and_nasnet_have_exactly_the_printed_counts() -> None:
    assert published("resnet-50").parameters == 25_557_032 == 1e6 * (printed("resnet-50").parameters_m or 0)
    assert round(multiply_adds(published("resnet-50")) / 1e6) == printed("resnet-50").multiply_adds_m
    assert round(multiply_adds(published("nasnet-a")) / 1e6) == printed("nasnet-a").multiply_adds_m
    assert round(published("nasnet-a").parameters / 1e6, 1) == printed("nasnet-a").parameters_m


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("mobilenetv2", 1.0),
        ("mobilenetv2-1.4", 138.0 / 73.8),  # both of tensorflow/models
        ("mnasnet-a1", 78 / 75),  # both of MnasNet's paper
        ("nasnet-a", 183 / 75),
        ("resnet-50", None),
        ("fbnet-a", None),
    ],
)
def test_ratios_have_both_times_from_one_source(name: str, ratio: float | None) -> None:
    assert printed(name).ratio == (ratio if ratio is None else pytest.approx(ratio))


def test_claims_agree_with_the_printed_times() -> None:
    for claim in CLAIMS:
        slower, faster = printed(claim.slower).ratio, printed(claim.faster).ratio
        assert slower is not None and faster is not None
        assert slower / faster == pytest.approx(claim.times, abs=0.06)


def test_names_are_those_of_both_tables_in_any_case() -> None:
    assert COMPARED[0] == YARDSTICK
    for name in NETWORKS:
        assert published(name.upper()) == network(name)
    assert published("MobileNetV2-1.4") == network("mobilenetv2", width=1.4)
    with pytest.raises(ValueError, match="network 'resnet50' is unknown; did you mean 'resnet-50'"):
        published("resnet50")
