from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet
import pytest

from mnas_moo.objectives.tabular.accel_nasbench import AccelNASBench
from tests.objectives.tabular.conftest import FOLDER, bench, points

needs_tables = pytest.mark.skipif(not FOLDER, reason="MNAS_MOO_TABLES does not name the folder of the published tables")


@pytest.fixture(scope="module")
def archive() -> dict[str, npt.NDArray[Any]]:
    """Weights of two members that answer 70 % + sum of the inputs' weights, and e to the power of it, before scaling.

    The variables are those of two blocks; a hidden unit is an input far out on SiLU's linear branch, so that both
    hidden layers pass it on unchanged.
    """
    names = [f"block{block}_{kind}" for block in (0, 1) for kind in ("e", "k", "l", "se")]
    inputs = 2 * (3 + 2 + 3 + 2)
    large = 20.0
    one = np.eye(inputs, dtype=np.float32)
    weights = np.arange(inputs, dtype=np.float32)
    member = np.stack([weights, weights / 100])  # accuracy, cost
    return {
        "targets": np.array(["acc", "lat_a100"]),
        "vars": np.array(names),
        "mu": np.array([60.0, 0.0]),
        "sd": np.array([1.0, 2.0]),
        "p0": np.stack([one, one]),
        "p1": np.full((2, inputs), large, np.float32),
        "p2": np.stack([one, one]),
        "p3": np.zeros((2, inputs), np.float32),
        "p4": np.stack([member * 0.5, member * 1.5]),  # their mean is ``member``
        "p5": np.stack([-large * member.sum(axis=1) * share for share in (0.5, 1.5)]),
    }


def answers(archive: dict[str, npt.NDArray[Any]], layered: bool = False) -> AccelNASBench:
    return AccelNASBench(archive, {"accuracy": "acc", "latency_ms": "lat_a100"}, layered=layered)


PARAMS = {"block0_e": 4, "block0_k": 3, "block0_l": 2, "block0_se": 1}
PARAMS |= {"block1_e": 6, "block1_k": 5, "block1_l": 3, "block1_se": 0}
INPUTS = [1, 3, 6, 9, 12, 14, 17, 18]  # the inputs that are 1 for these values


def test_the_mean_of_the_members_answers_in_the_quantities_units(archive: dict[str, npt.NDArray[Any]]) -> None:
    found = answers(archive).results(PARAMS, None)
    total = sum(INPUTS)
    assert found["accuracy"] == pytest.approx((60 + total) / 100, rel=1e-4)
    assert found["latency_ms"] == pytest.approx(np.exp(2 * total / 100), rel=1e-2)


def test_indices_of_values_mean_the_values(archive: dict[str, npt.NDArray[Any]]) -> None:
    table = answers(archive)
    indices = [table.choices[name].index(value) for name, value in PARAMS.items()]
    found = table.of_indices(np.array([indices, [0] * 8]))
    assert found.shape == (2, 2)
    assert found[0].tolist() == pytest.approx(list(table.results(PARAMS, None).values()), rel=1e-5)


def test_of_the_conditional_space_a_block_gets_the_mean_of_its_layers(archive: dict[str, npt.NDArray[Any]]) -> None:
    table, flat = answers(archive, layered=True), answers(archive)
    assert [name for name in table.choices if name.startswith("block0")] == [
        "block0_e", "block0_l", *(f"block0_layer{layer}_{kind}" for layer in (1, 2, 3) for kind in ("k", "se"))
    ]  # fmt: skip
    assert table.measured == flat.choices
    given = {"block0_e": 4, "block0_l": 2, "block1_e": 6, "block1_l": 1, "block1_layer1_k": 5, "block1_layer1_se": 0}
    given |= {"block0_layer1_k": 3, "block0_layer2_k": 5, "block0_layer1_se": 1, "block0_layer2_se": 1}
    wide = {name: value for name, value in PARAMS.items() if name != "block1_l"} | {"block1_l": 1}
    between = [flat.results(wide | {"block0_k": kernel}, None)["accuracy"] for kernel in (3, 5)]
    assert table.results(given, None)["accuracy"] == pytest.approx(np.mean(between), rel=1e-5)
    assert table.exists("block0_layer2_k", given)
    assert not table.exists("block0_layer3_k", given)
    assert table.exists("block0_e", {})


@needs_tables
def test_anb_has_any_number_of_costs() -> None:
    two, four = bench("anb-zcu102"), bench("anb-zcu102-a100-macs-params")
    assert list(four.directions) == [
        "accuracy",
        "latency_ms_zcu102",
        "latency_ms_a100",
        "multiply_adds_m",
        "parameters_m",
    ]
    for params in points(four):
        found = four.measure(params)
        alone = two.measure(params)
        assert alone == pytest.approx({"accuracy": found["accuracy"], "latency_ms": found["latency_ms_zcu102"]})
        assert found["latency_ms_a100"] == pytest.approx(bench("anb-a100").measure(params)["latency_ms"])
    with pytest.raises(ValueError, match="table anb-macs has no known best front"):
        bench("anb-macs").regret([[0.6, 300.0]])


@needs_tables
def test_anbs_surrogate_predicts_its_test_networks_as_it_says() -> None:
    """R2 of the archive's note: accuracy .9879, zcu102 .9988; multiply-adds and parameters likewise close."""
    held_out = set(np.load(Path(FOLDER, "anb/anb_surrogate.npz"))["test_ids"].tolist())
    rows = pyarrow.parquet.read_table(Path(FOLDER, "anb/anb_raw.parquet")).to_pylist()
    test = [row for row in rows if row["id"] in held_out]
    assert len(test) == 508
    problem = bench("anb-zcu102-macs-params")
    found = [problem.measure({name: row[name] for name in problem.distributions}) for row in test]
    for name, column, scale, least in (
        ("accuracy", "val_top1", 100, 0.985),
        ("latency_ms", "latency_zcu102", 1, 0.99),
        ("multiply_adds_m", "macs", 1, 0.99),
        ("parameters_m", "params", 1, 0.99),
    ):
        truth = np.array([row[column] for row in test], dtype=float) / scale
        error = truth - np.array([each[name] for each in found])
        assert 1 - np.nansum(error**2) / np.nansum((truth - np.nanmean(truth)) ** 2) > least


@needs_tables
@pytest.mark.parametrize("name", ["anb-zcu102-a100", "anb-vck190", "anb-a100-macs-params"])
def test_a_reference_point_without_a_known_front_is_the_same_every_time_and_of_use(name: str) -> None:
    problem = bench(name)
    assert problem.reference_point == bench(name).reference_point
    rng = np.random.default_rng(3)
    values = np.array([list(problem.measure(problem.random(rng)).values()) for _ in range(100)])
    worse = problem.minimised(values) > problem.minimised(np.array(problem.reference_point))
    assert worse.any(axis=1).mean() < 0.2


@needs_tables
def test_layers_beyond_a_blocks_count_do_not_exist_in_the_conditional_space() -> None:
    problem = bench("anb-zcu102-conditional")
    conditional = [name for name in problem.distributions if "_layer" in name and "_layer1_" not in name]
    assert 2 * len(conditional) > len(problem.distributions) == 58
    assert problem.exists("block0_layer2_k", {"block0_l": 2})
    assert not problem.exists("block0_layer3_se", {"block0_l": 2})
    rng = np.random.default_rng(0)
    for params in (problem.random(rng) for _ in range(20)):
        layers = [name for name in params if name.endswith("_k")]
        assert len(layers) == sum(value for name, value in params.items() if name.endswith("_l"))
        assert list(params) == [name for name in problem.distributions if name in params]


@needs_tables
def test_a_conditional_network_of_equal_layers_is_the_measured_one() -> None:
    flat, layered = bench("anb-a100"), bench("anb-a100-conditional")
    assert (layered.reference_point, layered.best_hypervolume) == (flat.reference_point, flat.best_hypervolume)
    for params in points(flat):
        equal = {name: value for name, value in params.items() if name.endswith(("_e", "_l"))}
        for name in layered.distributions:
            block, _, rest = name.partition("_layer")
            if rest and layered.exists(name, equal):
                equal[name] = params[f"{block}_{rest.partition('_')[2]}"]
        assert layered.measure(equal) == pytest.approx(flat.measure(params), rel=1e-6)


@needs_tables
def test_a_layer_counts_by_its_share_of_the_block() -> None:
    """Half of the layers with a kernel of 5 lies between none and all, for a network slow enough to tell."""
    problem = bench("anb-zcu102-conditional")
    slow = {name: d.choices[-1] for name, d in problem.distributions.items()}  # type: ignore[attr-defined]
    slow["block0_l"] = 2
    slow = {name: value for name, value in slow.items() if problem.exists(name, slow)}
    latencies = [
        problem.measure(slow | {"block0_layer1_k": first, "block0_layer2_k": second})["latency_ms"]
        for first, second in ((3, 3), (3, 5), (5, 3), (5, 5))
    ]
    assert latencies[0] < latencies[1] == pytest.approx(latencies[2], rel=1e-6)
    assert latencies[1] < latencies[3]


@needs_tables
def test_with_bounds_a_front_that_is_only_the_best_known_is_told_where_it_can_be() -> None:
    cut = bench("anb-zcu102", bounds={"latency_ms": (None, 8.0)})
    assert 0 < cut.best_hypervolume < bench("anb-zcu102").best_hypervolume  # type: ignore[operator]
    assert bench("anb-zcu102", bounds={"parameters_m": (None, 4.0)}).best_hypervolume is None
    assert bench("anb-zcu102", bounds={"latency_ms": (4.0, None)}).best_hypervolume is None
