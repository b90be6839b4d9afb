"""Published tables of measured networks as problems: what a sampler finds there in seconds took their authors months.

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
  measured: of a block the ensemble gets the mean of its layers' inputs, so that a block of equal layers is the measured
  one and all else is interpolated.

Accuracy is a fraction and maximised, as everywhere in this package.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution

from mnas_moo.objectives.objective import Direction
from mnas_moo.objectives.tabular.problem import (
    Bounds,
    FailedTrialError,
    Floats,
    TableProblem,
    feasible,
    judged,
)
from mnas_moo.objectives.tabular.rows import read_table
from mnas_moo.spaces.names import unknown

__all__ = ["FailedTrialError", "TableProblem", "bench_table", "read_table"]

FAMILIES = ("macro", "macro-noisy", "nb201-DATASET-DEVICE", "anb-TARGET[-TARGET…][-conditional]")
FILES = {
    "macro": "nas_bench_macro/nas_bench_macro.npz",
    "nb201": "nb201/nb201.npz",
    "anb": "anb/anb_surrogate.npz",
}
NB201_DATASETS = {
    "cifar10": ("acc12_cifar10_val", 40.0),
    "cifar100": ("acc12_cifar100_val", 80.0),
    "imagenet16": ("acc12_imagenet_val", 80.0),
}
"""Data set -> (column of accuracies, error in % beyond which a network counts as broken)."""

MACRO_ERROR, ANB_ERROR = 20.0, 50.0
"""Likewise. Broken networks (chance accuracy, next to no latency) would stretch the front to where nobody looks."""

ANB_FRONTS = ("lat_zcu102", "lat_a100")
"""Targets with a front that is stored, found by 3 x 24,000 evaluations of NSGA-II: best known, not proven."""
ANB_COUNTS = {"macs": "multiply_adds_m", "params": "parameters_m"}
ANB_SAMPLE = 5000
"""Random networks that, with those of the stored fronts, place the reference point of other targets."""


def bench_table(name: str, folder: str | os.PathLike[str], *, bounds: Bounds | None = None) -> TableProblem:
    """A published table as a problem.

    The reference point lies a tenth of the front's extent beyond the front's worst, broken networks left out. The front
    is the true one of complete tables. Of ``anb`` against one of zcu102 and a100 it is the best known, so a regret may
    fall below 0; of conditional spaces too, where it is that of the unconditional space. Against other targets none is
    known: then the reference point is placed by the stored fronts' networks and 5000 random ones, and there is no
    ``best_hypervolume`` and no regret.

    Args:
        name: as the module's first lines say.
        folder: where the archives lie, each in its own subfolder (``nas_bench_macro``, ``nb201``, ``anb``).
        bounds: constraints on any quantity of the table: name -> (min, max). The reference point stays that of the
            problem without them; the best front is the feasible one, where it can be told.

    Raises:
        ValueError: there is no such table, device, target or quantity, or its file is missing.
    """
    folder, bounds, parts = Path(folder), dict(bounds or {}), name.split("-")
    if parts[0] == "anb" and len(parts) > 1:
        return _anb(name, folder, bounds, parts[1:])
    if parts[0] == "nb201" and len(parts) == 3:
        return _nb201(name, folder, bounds, *parts[1:])
    if name in ("macro", "macro-noisy"):
        return _macro(name, folder, bounds)
    raise unknown("table", name, FAMILIES)


def _load(folder: Path, file: str) -> dict[str, npt.NDArray[Any]]:
    path = folder / file
    if not path.is_file():
        raise ValueError(f"{folder} has no {file}; give the folder that holds the tables")
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


class Complete:
    """Answers of a table with a row for every point of its space.

    Args:
        choices: parameter -> its values.
        rows: (N, D) index of the value of every parameter.
        means: quantity -> (N,) values.
        measured: of quantities that are noisy: (N, R) measurements, of which one is drawn, the same one for all.
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
        """Always: every parameter exists."""
        return True

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        """The row's values."""
        row = self._row[tuple(index[params[name]] for name, index in self._index.items())]
        found = {name: float(mean[row]) for name, mean in self.means.items()}
        if rng is not None and self._measured:
            draw = rng.integers(next(iter(self._measured.values())).shape[1])
            found.update({name: float(column[row, draw]) for name, column in self._measured.items()})
        return found


def _accuracy(percent: npt.NDArray[Any]) -> Floats:
    """Fractions of percentages, rounded as in the error in % (float32) on which others' regrets are computed."""
    return 1 - (100 - percent).astype(float) / 100


def _macro(name: str, folder: Path, bounds: Bounds) -> TableProblem:
    z = _load(folder, FILES["macro"])
    choices = {f"op{layer}": ["identity", "mb3_k3", "mb6_k5"] for layer in range(z["ops"].shape[1])}
    means = {
        "accuracy": _accuracy(z["test_acc"].mean(axis=1)),
        "multiply_adds_m": z["flops"] / 1e6,
        "parameters_m": z["params"] / 1e6,
    }
    noise = {"accuracy": _accuracy(z["test_acc"])} if name == "macro-noisy" else {}
    return _complete(name, Complete(choices, z["ops"], means, noise), "multiply_adds_m", MACRO_ERROR, bounds)


def _nb201(name: str, folder: Path, bounds: Bounds, dataset: str, device: str) -> TableProblem:
    if dataset not in NB201_DATASETS:
        raise unknown(f"table {name}: data set", dataset, NB201_DATASETS)
    z = _load(folder, FILES["nb201"])
    devices = sorted(key.removeprefix("lat_") for key in z if key.startswith("lat_"))
    meant = [each for each in devices if each == device or each.endswith(f"_{device}")]
    if len(meant) != 1:
        raise unknown(f"table {name}: device", device, devices)
    percent, floor = NB201_DATASETS[dataset]
    choices = {f"op{edge}": z["op_names"].tolist() for edge in range(z["ops"].shape[1])}
    means = {"accuracy": _accuracy(z[percent]), "latency_ms": z[f"lat_{meant[0]}"]}
    means.update({f"latency_ms_{other}": z[f"lat_{other}"] for other in devices if other != meant[0]})
    return _complete(name, Complete(choices, z["ops"], means), "latency_ms", floor, bounds)


def _complete(name: str, answers: Complete, cost: str, floor: float, bounds: Bounds) -> TableProblem:
    """Accuracy against a cost, the true front known."""
    problem = TableProblem(name, _categorical(answers.choices), _directions(cost), bounds, answers)
    points = problem.minimised(np.stack([answers.means[name] for name in problem.directions], axis=1))
    sound = answers.means["accuracy"] >= 1 - floor / 100
    return judged(problem, points[sound], points[sound & feasible(bounds, answers.means, len(points))])


class AccelNASBench:
    """Answers of Accel-NASBench's surrogate: the mean of five multilayer perceptrons (SiLU) on one-hot inputs.

    Args:
        z: the archive: weights, names of variables and targets, mean and deviation of the targets.
        names: quantity -> target of the archive; the first target is the accuracy in %, all others are logarithms.
        layered: whether kernel and squeeze-excitation are chosen for every layer.

    Attributes:
        quantities: names of what it knows.
        choices: parameter -> its values.
        measured: the same of the unconditional space, in which the measured networks lie.
    """

    fits = None

    def __init__(self, z: Mapping[str, npt.NDArray[Any]], names: Mapping[str, str], *, layered: bool) -> None:
        targets = z["targets"].tolist()
        self._outputs = [targets.index(target) for target in names.values()]
        self.quantities = tuple(names)
        self._mean, self._scale = z["mu"][self._outputs], z["sd"][self._outputs]
        w1, b1, w2, b2, w3, b3 = (z[f"p{i}"].astype(np.float32) for i in range(6))
        # (members, inputs, hidden) and (members, 1, hidden)
        self._w1, self._b1 = w1.transpose(0, 2, 1).copy(), b1[:, None]
        self._w2, self._b2 = w2.transpose(0, 2, 1).copy(), b2[:, None]
        # The mean over members of a linear layer is one linear layer.
        self._w3 = np.concatenate(w3[:, self._outputs].transpose(0, 2, 1)) / len(w3)
        self._b3 = b3[:, self._outputs].mean(axis=0)

        self.measured = {name: _anb_values(name) for name in z["vars"].tolist()}
        inputs = [(name, value) for name, values in self.measured.items() for value in values]
        self._place = {pair: i for i, pair in enumerate(inputs)}
        self.choices = self._layers() if layered else self.measured

    def _layers(self) -> dict[str, list[int]]:
        """Parameters of the conditional space: of each block expansion and count, then each layer's."""
        choices = {}
        for block in range(len(self.measured) // 4):
            e, k, counts, se = (self.measured[f"block{block}_{of}"] for of in ("e", "k", "l", "se"))
            choices.update({f"block{block}_e": e, f"block{block}_l": counts})
            for layer in counts:
                choices.update({f"block{block}_layer{layer}_k": k, f"block{block}_layer{layer}_se": se})
        return choices

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether the block has that layer."""
        block, _, rest = name.partition("_layer")
        return not rest or int(rest[0]) <= params[f"{block}_l"]

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        """The surrogate's word; it has no noise."""
        row = np.zeros((1, len(self._place)), dtype=np.float32)
        for name, value in params.items():
            block, _, rest = name.partition("_layer")
            if rest:
                row[0, self._place[f"{block}_{rest.partition('_')[2]}", value]] += 1 / params[f"{block}_l"]
            else:
                row[0, self._place[name, value]] = 1
        return dict(zip(self.quantities, self.outputs(row)[0].tolist(), strict=True))

    def of_indices(self, indices: npt.NDArray[Any]) -> Floats:
        """(N, Q) quantities of (N, 28) indices of values of the unconditional space."""
        starts = np.cumsum([0, *(len(values) for values in self.measured.values())])[:-1]
        rows = np.zeros((len(indices), len(self._place)), dtype=np.float32)
        np.put_along_axis(rows, indices.astype(int) + starts, 1, axis=1)
        return self.outputs(rows)

    def outputs(self, inputs: npt.NDArray[np.float32]) -> Floats:
        """(N, Q) quantities of (N, 71) inputs, in their units."""
        hidden = _silu(_silu(inputs @ self._w1 + self._b1) @ self._w2 + self._b2)  # (members, N, hidden)
        raw = np.concatenate(list(hidden), axis=1) @ self._w3 + self._b3
        values: Floats = raw * self._scale + self._mean
        values[:, 0] /= 100
        np.exp(values[:, 1:], out=values[:, 1:])
        return values


def _silu(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(x / (1 + np.exp(-np.clip(x, -60, 60))))


def _anb_values(name: str) -> list[int]:
    """Values of a variable of Accel-NASBench: expansion, kernel, layers (block 5 has up to 4), squeeze-excitation."""
    values = {"e": [1, 4, 6], "k": [3, 5], "l": [1, 2, 3], "se": [0, 1]}
    return [1, 2, 3, 4] if name == "block5_l" else values[name.split("_")[1]]


def _anb(name: str, folder: Path, bounds: Bounds, parts: Sequence[str]) -> TableProblem:
    z = _load(folder, FILES["anb"])
    short = {target.removeprefix("lat_"): target for target in z["targets"].tolist() if target != "acc"}
    layered = parts[-1] == "conditional"
    chosen = list(parts[:-1] if layered else parts)
    for part in chosen or [""]:
        if part not in short:
            raise unknown(f"table {name}: target", part, short)
        if chosen.count(part) > 1:
            raise ValueError(f"table {name}: target {part} is named twice")
    devices = [part for part in chosen if part not in ANB_COUNTS]
    quantity = {part: ANB_COUNTS.get(part, f"latency_ms_{part}") for part in short}
    if len(devices) == 1:
        quantity[devices[0]] = "latency_ms"
    costs = [quantity[part] for part in chosen]
    answers = AccelNASBench(z, {"accuracy": "acc", **{quantity[p]: short[p] for p in short}}, layered=layered)

    problem = TableProblem(name, _categorical(answers.choices), _directions(*costs), bounds, answers)

    stored = {target: _load(folder, f"anb/reference_front_{target}.npz") for target in ANB_FRONTS}
    known = len(chosen) == 1 and short[chosen[0]] in stored
    if known:
        best = stored[short[chosen[0]]]
        values = np.stack([_accuracy(best["acc"]), best["lat_ms"]], axis=1)
    else:
        values = _scattered(answers, [best["idx"] for best in stored.values()], problem.directions)
    values = values[values[:, 0] >= 1 - ANB_ERROR / 100]
    points = problem.minimised(values)
    # The feasible front is what is left of the known one only where the bounds cut off its ends.
    cut = all(
        bound in problem.directions and (high if bound == "accuracy" else low) is None
        for bound, (low, high) in bounds.items()
    )
    if not (known and cut):
        return judged(problem, points, None)
    columns = dict(zip(problem.directions, values.T, strict=True))
    return judged(problem, points, points[feasible(bounds, columns, len(points))])


def _scattered(answers: AccelNASBench, fronts: Sequence[npt.NDArray[Any]], names: Iterable[str]) -> Floats:
    """(N, M) quantities of the stored fronts' networks and of random ones."""
    rng = np.random.default_rng(0)
    sample = np.stack([rng.integers(len(values), size=ANB_SAMPLE) for values in answers.measured.values()], axis=1)
    columns = [answers.quantities.index(name) for name in names]
    return answers.of_indices(np.concatenate([*fronts, sample]))[:, columns]


def _categorical(choices: Mapping[str, Sequence[Any]]) -> dict[str, BaseDistribution]:
    return {name: CategoricalDistribution(values) for name, values in choices.items()}


def _directions(*costs: str) -> dict[str, Direction]:
    return {"accuracy": "maximize", **dict.fromkeys(costs, "minimize")}
