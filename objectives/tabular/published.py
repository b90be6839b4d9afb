"""Published tables of measured networks as problems: a trial is a look-up, so a search takes seconds.

Read from one folder, as numpy archives, nothing unpickled:

- ``macro``: NAS-Bench-Macro (Su et al. 2021): 3^8 chains of blocks, complete; accuracy on CIFAR-10 (the mean of three
  trainings) against multiply-adds. ``macro-noisy``: each measurement is one of the three trainings.
- ``nb201-DATASET-DEVICE``: NAS-Bench-201 (Dong & Yang 2020): 5^6 cells, complete; validation accuracy after 12 epochs
  on cifar10, cifar100 or imagenet16 against the latency on one of 27 devices (HW-NAS-Bench, Li et al. 2021; HELP, Lee
  et al. 2021). The end of a device's name will do where it is the only one (a50 for samsung_a50).
- ``anb-TARGET[-TARGET…]``: Accel-NASBench (Ahmad et al. 2024): a MnasNet-like space of 1e11 networks; ImageNet accuracy
  against latency on zcu102, vck190, a100, 3090, tpuv2 or tpuv3, or macs, or params. An ensemble of networks fitted to
  5138 measured ones answers; it defines the problem.
- ``anb-TARGET[-TARGET…]-conditional``: the same with a kernel and squeeze-excitation for every layer, so that the
  parameters of layers beyond a block's count do not exist: 30 of 58 parameters are conditional. No such networks were
  measured: the ensemble is given the mean of the inputs of a block's layers, so a block of equal layers is a measured
  one and all others are interpolated.
- ``dppnet324``: the 324 cells of four layers of DPP-Net's space (``dppnet``), accuracy on the digits against latency in
  LiteRT; with ``-int8`` that of int8, with ``-growing`` shorter cells too. It comes with this package, from no folder.

Accuracy is a fraction and maximised, as everywhere in this package.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.front import Floats
from mnas_moo.objectives.tabular import nb201
from mnas_moo.objectives.tabular.accel_nasbench import accel_nasbench
from mnas_moo.objectives.tabular.archives import FILES, accuracy_of, categorical, directions_of, load
from mnas_moo.objectives.tabular.dppnet import dppnet_cells
from mnas_moo.objectives.tabular.problem import Bounds, TabularProblem, feasible, judged
from mnas_moo.spaces.growth import Growth
from mnas_moo.spaces.names import unknown

FAMILIES = (
    "macro",
    "macro-noisy",
    "nb201-DATASET-DEVICE",
    "anb-TARGET[-TARGET…][-conditional]",
    "dppnet324[-int8][-growing]",
)
DPPNET = ("dppnet324", "dppnet324-int8", "dppnet324-growing", "dppnet324-int8-growing")
"""Tables that come with this package, from no folder."""
NB201_DATASETS = {
    "cifar10": ("acc12_cifar10_val", 40.0),
    "cifar100": ("acc12_cifar100_val", 80.0),
    "imagenet16": ("acc12_imagenet_val", 80.0),
}
"""Data set -> (column of accuracies, error in % beyond which a network counts as broken)."""

MACRO_ERROR = 20.0
"""The same for the macro table. Broken networks (chance accuracy, almost no latency) would move the reference point
into a region without usable networks."""


def bench_table(name: str, folder: str | os.PathLike[str], *, bounds: Bounds | None = None) -> TabularProblem:
    """A published table as a problem.

    >>> from mnas_moo.objectives import bench_table
    >>> problem = bench_table("nb201-cifar10-pixel3", "tables")  # doctest: +SKIP

    The reference point lies a tenth of the front's extent beyond the front's worst, broken networks left out. For
    complete tables the front is the true one. For ``anb`` against one of zcu102 and a100 it is the best known front of
    the unconditional space, also for the conditional one, so a regret may fall below 0. Against other targets no front
    is known: the reference point is then placed by the networks of the stored fronts and 5000 random ones, and there is
    no ``best_hypervolume`` and no regret.

    Args:
        name: name of the table, in one of the forms above (``FAMILIES``).
        folder: folder of the archives, each in its own subfolder (``nas_bench_macro``, ``nb201``, ``anb``).
        bounds: constraints on any quantity of the table: name -> (min, max). The reference point stays that of the
            problem without them; the best front is the feasible one, where it is known.

    Raises:
        ValueError: there is no such table, device, target or quantity, or its file is missing.
    """
    folder, bounds, parts = Path(folder), dict(bounds or {}), name.split("-")
    if parts[0] == "anb" and len(parts) > 1:
        return accel_nasbench(name, folder, bounds, parts[1:])
    if parts[0] == "nb201" and len(parts) == 3:
        return _nb201(name, folder, bounds, *parts[1:])
    if name in ("macro", "macro-noisy"):
        return _macro(name, folder, bounds)
    if name in DPPNET:
        return dppnet_cells(name, bounds)
    raise unknown("table", name, FAMILIES)


class Complete:
    """Answers of a table with a row for every point of its space.

    Args:
        choices: parameter -> its values.
        rows: (N, D) index of every parameter's value in each row of the table.
        means: quantity -> (N,) values.
        measured: noisy quantity -> (N, R) measurements, of which one is drawn, the same one for all quantities.
    """

    fits = None

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any]],
        rows: npt.NDArray[Any],
        means: Mapping[str, npt.NDArray[Any]],
        measured: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        self.choices = choices
        self.means: dict[str, Floats] = {name: column.astype(float) for name, column in means.items()}
        self._measured: dict[str, Floats] = {name: column.astype(float) for name, column in (measured or {}).items()}
        self._row = np.full([len(values) for values in choices.values()], -1)
        self._row[tuple(rows.T.astype(int))] = np.arange(len(rows))
        self._index = {name: {value: i for i, value in enumerate(values)} for name, values in choices.items()}

    @property
    def quantities(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.means)

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """True: every parameter exists."""
        return True

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        """The row's values."""
        row = self._row[tuple(index[params[name]] for name, index in self._index.items())]
        found = {name: float(mean[row]) for name, mean in self.means.items()}
        if rng is not None and self._measured:
            draw = rng.integers(next(iter(self._measured.values())).shape[1])
            found.update({name: float(column[row, draw]) for name, column in self._measured.items()})
        return found


def _macro(name: str, folder: Path, bounds: Bounds) -> TabularProblem:
    z = load(folder, FILES["macro"])
    choices = {f"op{layer}": ["identity", "mb3_k3", "mb6_k5"] for layer in range(z["ops"].shape[1])}
    means = {
        "accuracy": accuracy_of(z["test_acc"].mean(axis=1)),
        "multiply_adds_m": z["flops"] / 1e6,
        "parameters_m": z["params"] / 1e6,
    }
    noise = {"accuracy": accuracy_of(z["test_acc"])} if name == "macro-noisy" else {}
    problem = _complete(name, Complete(choices, z["ops"], means, noise), "multiply_adds_m", MACRO_ERROR, bounds)
    return dataclasses.replace(problem, growth=Growth.by_parameter(problem.distributions))  # identity is no layer


def _nb201(name: str, folder: Path, bounds: Bounds, dataset: str, device: str) -> TabularProblem:
    if dataset not in NB201_DATASETS:
        raise unknown(f"table {name}: data set", dataset, NB201_DATASETS)
    z = load(folder, FILES["nb201"])
    devices = sorted(key.removeprefix("lat_") for key in z if key.startswith("lat_"))
    meant = [each for each in devices if each == device or each.endswith(f"_{device}")]
    if len(meant) != 1:
        raise unknown(f"table {name}: device", device, devices)
    percent, floor = NB201_DATASETS[dataset]
    choices = {f"op{edge}": z["op_names"].tolist() for edge in range(z["ops"].shape[1])}
    means = {"accuracy": accuracy_of(z[percent]), "latency_ms": z[f"lat_{meant[0]}"]}
    means.update({f"latency_ms_{other}": z[f"lat_{other}"] for other in devices if other != meant[0]})
    problem = _complete(name, Complete(choices, z["ops"], means), "latency_ms", floor, bounds)
    return dataclasses.replace(problem, features=nb201.summary)


def _complete(name: str, answers: Complete, cost: str, floor: float, bounds: Bounds) -> TabularProblem:
    """The problem of accuracy against one cost, with its true front."""
    problem = TabularProblem(name, categorical(answers.choices), directions_of(cost), bounds, answers)
    points = problem.minimised(np.stack([answers.means[name] for name in problem.directions], axis=1))
    sound = answers.means["accuracy"] >= 1 - floor / 100
    return judged(problem, points[sound], points[sound & feasible(bounds, answers.means, len(points))])
