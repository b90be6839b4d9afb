"""Cells of NAS-Bench-201 in numbers."""

from __future__ import annotations

from mnas_moo.objectives.tabular.nb201 import summary

ORDER = ("01", "02", "12", "03", "13", "23")


def cell(**operations: str) -> dict[str, float]:
    return summary({edge: operations.get(f"e{edge}", "none") for edge in ORDER})


def test_a_cell_without_a_path_is_nothing() -> None:
    assert not any(cell(e01="nor_conv_3x3", e02="skip_connect", e12="nor_conv_1x1").values())


def test_a_whole_cell_by_hand() -> None:
    found = cell(
        e01="nor_conv_3x3",
        e02="skip_connect",
        e12="nor_conv_1x1",
        e03="nor_conv_1x1",
        e13="avg_pool_3x3",
        e23="skip_connect",
    )
    assert found == {
        "skip_connect": 2.0,
        "nor_conv_1x1": 2.0,
        "nor_conv_3x3": 1.0,
        "avg_pool_3x3": 1.0,
        "paths": 4.0,
        "depth": 2.0,  # 0→1→2→3
        "shortest": 0.0,  # 0→2→3
        "identities": 1.0,
        "taps": 11.0,
        "direct_convolution": 1.0,
    }


def test_edges_that_lead_nowhere_do_not_count() -> None:
    with_dead_end = cell(e03="skip_connect", e01="nor_conv_3x3", e12="nor_conv_3x3", e02="nor_conv_1x1")
    assert with_dead_end == cell(e03="skip_connect")
    assert with_dead_end["identities"] == with_dead_end["paths"] == 1
