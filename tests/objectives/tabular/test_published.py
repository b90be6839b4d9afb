from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnas_moo.objectives.tabular.published import bench_table
from tests.objectives.tabular.conftest import FOLDER, bench, points

pytestmark = pytest.mark.skipif(not FOLDER, reason="MNAS_MOO_TABLES does not name the folder of the published tables")

# Reference point (error in %, cost), hypervolume of the front, and results (error in %, cost) of the last value of every
# decision, the first, and 0, 1, 2 … modulo their number: from another program that reads the same archives.
# ruff: noqa: E501 (a table reads best with one case a line)
KNOWN: dict[str, Any] = {
    "macro": ((19.80567092895508, 92.05422080000001), 825.9857868139065, [(7.046669006347656, 105.660928), (54.63666915893555, 7.71328), (9.036674499511719, 46.109184)]),
    "nb201-cifar10-pixel3": ((27.573202514648436, 28.506092953681947), 292.1129466115212, [(72.86000061035156, 11.600799560546875), (90.28800201416016, 0.004014689940959215), (22.89600372314453, 9.771200180053711)]),
    "nb201-cifar100-raspi4": ((57.2260009765625, 62.11041719913483), 856.920682070243, [(91.45999908447266, 19.090221405029297), (99.0, 0.011826779693365097), (53.220001220703125, 22.620086669921875)]),
    "nb201-imagenet16-a50": ((78.42000236511231, 47.900000000000006), 550.4514331436161, [(93.63333129882812, 12.0), (99.16666412353516, 7.0), (75.63333129882812, 20.0)]),
    "anb-zcu102": ((51.385126730037044, 19.04743528322832), 318.7275665569032, [(31.655773702705332, 31.149833475927803), (62.858394921858505, 1.1667773799122276), (39.47432512894972, 6.448270964634861)]),
    "anb-a100": ((51.62478963268258, 0.32165977219629466), 5.5058014277457, [(31.655773702705332, 0.34447836911277213), (62.858394921858505, 0.022692252213886124), (39.47432512894972, 0.09222356682735076)]),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_values_reference_and_hypervolume_are_those_of_another_reader(name: str) -> None:
    problem = bench(name)
    reference, hypervolume, results = KNOWN[name]
    cost = "multiply_adds_m" if name == "macro" else "latency_ms"
    assert dict(problem.directions) == {"accuracy": "maximize", cost: "minimize"}
    assert problem.reference_point == pytest.approx((1 - reference[0] / 100, reference[1]), rel=1e-12)
    assert problem.best_hypervolume == pytest.approx(hypervolume / 100, rel=1e-12)
    for params, (error, value) in zip(points(problem), results, strict=True):
        assert problem.measure(params) == pytest.approx({"accuracy": 1 - error / 100, cost: value}, rel=1e-6)


@pytest.mark.parametrize("name", ["macro", "nb201-cifar10-pixel3", "anb-zcu102"])
def test_the_known_front_has_no_regret(name: str) -> None:
    problem = bench(name)
    if name == "anb-zcu102":
        stored = np.load(Path(FOLDER, "anb/reference_front_lat_zcu102.npz"))
        front = np.stack([stored["acc"] / 100, stored["lat_ms"]], axis=1)
        assert problem.regret(front[front[:, 0] >= 0.5]) == pytest.approx(0.0, abs=1e-12)
        # Its worst networks, with more errors than half, add what lies within the reference point.
        assert -0.001 < problem.regret(front) < 0
    else:
        means = problem.answers.means  # type: ignore[attr-defined]
        everything = np.stack([means[name] for name in problem.directions], axis=1)
        assert problem.regret(everything) == pytest.approx(0.0, abs=1e-9)
        assert 0 < problem.regret(everything[::100]) < 1


def test_macro_is_the_mean_of_three_trainings_and_macro_noisy_one_of_them() -> None:
    z = np.load(Path(FOLDER, "nas_bench_macro/nas_bench_macro.npz"))
    trainings = z["test_acc"][(z["ops"] == [2, 1, 0, 2, 1, 0, 2, 1]).all(axis=1)][0] / 100
    of = {0: "identity", 1: "mb3_k3", 2: "mb6_k5"}
    params = {f"op{i}": of[op] for i, op in enumerate([2, 1, 0, 2, 1, 0, 2, 1])}
    quiet, noisy = bench("macro"), bench("macro-noisy")
    rng = np.random.default_rng(0)
    drawn = [noisy.measure(params, rng)["accuracy"] for _ in range(30)]
    assert sorted(set(drawn)) == pytest.approx(sorted(set(trainings)), abs=1e-6)
    assert noisy.measure(params)["accuracy"] == pytest.approx(trainings.mean(), abs=1e-6)
    assert quiet.measure(params, rng) == quiet.measure(params) == noisy.measure(params)
    assert (noisy.reference_point, noisy.best_hypervolume) == (quiet.reference_point, quiet.best_hypervolume)


def test_every_device_of_nb201_is_there_and_its_end_is_enough() -> None:
    with pytest.raises(ValueError, match="device '256' is unknown") as caught:
        bench("nb201-cifar10-256")
    _, _, allowed = str(caught.value).partition("allowed: ")
    devices = allowed.split(", ")
    assert len(devices) == 27
    z = np.load(Path(FOLDER, "nb201/nb201.npz"))
    params = {f"op{edge}": z["op_names"][op] for edge, op in enumerate(z["ops"][123])}
    for device in devices:
        assert bench(f"nb201-cifar100-{device}").measure(params)["latency_ms"] == z[f"lat_{device}"][123]
    assert bench("nb201-cifar10-s7").measure(params) == bench("nb201-cifar10-samsung_s7").measure(params)


def test_with_bounds_the_best_front_is_the_feasible_one() -> None:
    free, bound = bench("macro"), bench("macro", bounds={"multiply_adds_m": (None, 50.0)})
    assert bound.reference_point == free.reference_point
    means = free.answers.means  # type: ignore[attr-defined]
    values = np.stack([means["accuracy"], means["multiply_adds_m"]], axis=1)
    assert bound.regret(values[values[:, 1] <= 50]) == pytest.approx(0.0, abs=1e-9)
    assert bound.best_hypervolume < free.best_hypervolume  # type: ignore[operator]
    other = bench("macro", bounds={"parameters_m": (1.0, 2.0)})
    assert other.quantities == ("accuracy", "multiply_adds_m", "parameters_m")
    assert 0 < other.best_hypervolume < free.best_hypervolume  # type: ignore[operator]


def test_a_problem_can_be_sent_to_another_process() -> None:
    for name in ("macro-noisy", "anb-a100-conditional"):
        problem = bench(name)
        params = problem.random(np.random.default_rng(0))
        assert pickle.loads(pickle.dumps(problem)).measure(params) == problem.measure(params)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("marco", "table 'marco' is unknown; did you mean 'macro'? allowed: macro, macro-noisy, nb201-DATASET-DEVICE"),
        ("nb201-cifar-pixel3", "data set 'cifar' is unknown; did you mean 'cifar10'?"),
        ("nb201-cifar10-pixle3", "device 'pixle3' is unknown; did you mean 'pixel3'?"),
        ("anb-zcu", "table anb-zcu: target 'zcu' is unknown; did you mean 'zcu102'?"),
        ("anb-conditional", "table anb-conditional: target '' is unknown; allowed: zcu102"),
        ("anb-a100-a100", "target a100 is named twice"),
    ],
)
def test_an_unknown_name_is_refused_with_what_there_is(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        bench(name)


def test_bounds_and_folders_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path} has no nas_bench_macro/nas_bench_macro.npz; give the folder"):
        bench_table("macro", tmp_path)
    with pytest.raises(ValueError, match="constraint 'latency_ms' is unknown"):
        bench("macro", bounds={"latency_ms": (None, 1.0)})
    with pytest.raises(ValueError, match="table macro: no known point keeps the bounds"):
        bench("macro", bounds={"multiply_adds_m": (None, 1.0)})
