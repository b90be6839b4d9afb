"""Accel-NASBench (Ahmad et al. 2024) as a problem: a fitted ensemble answers for all of its 1e11 networks.

The ensemble was fitted to the 5138 measured networks of the benchmark, and defines the problem. The conditional space,
with a kernel and squeeze-excitation for every layer, is ours (``published`` describes both).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.front import Floats
from mnas_moo.objectives.tabular.archives import FILES, accuracy_of, categorical, directions_of, load
from mnas_moo.objectives.tabular.problem import Bounds, TabularProblem, feasible, judged
from mnas_moo.spaces.growth import Growth
from mnas_moo.spaces.names import unknown

ANB_ERROR = 50.0
"""Networks with a larger error in % count as broken and do not place the reference point (``published``)."""

ANB_FRONTS = ("lat_zcu102", "lat_a100")
"""Targets with a stored front, the best of 3 x 24,000 evaluations of NSGA-II; not proven to be the true one."""
ANB_COUNTS = {"macs": "multiply_adds_m", "params": "parameters_m"}
ANB_SAMPLE = 5000
"""Random networks that, with those of the stored fronts, place the reference point of other targets."""


class AccelNASBench:
    """Answers of Accel-NASBench's surrogate: the mean of five multilayer perceptrons (SiLU) on one-hot inputs.

    Args:
        z: the archive: weights, names of variables and targets, means and deviations of the targets.
        names: quantity -> target of the archive; the first target is the accuracy in %, all others are logarithms.
        layered: whether kernel and squeeze-excitation are chosen for every layer.

    Attributes:
        quantities: names of the numbers it knows.
        choices: parameter -> its values.
        measured: parameter -> its values in the unconditional space, in which the measured networks lie.
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
        """Parameters of the conditional space: for each block its expansion and count, then those of its layers."""
        choices = {}
        for block in range(len(self.measured) // 4):
            e, k, counts, se = (self.measured[f"block{block}_{kind}"] for kind in ("e", "k", "l", "se"))
            choices.update({f"block{block}_e": e, f"block{block}_l": counts})
            for layer in counts:
                choices.update({f"block{block}_layer{layer}_k": k, f"block{block}_layer{layer}_se": se})
        return choices

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether the block has that layer."""
        block, _, rest = name.partition("_layer")
        return not rest or int(rest[0]) <= params[f"{block}_l"]

    def results(self, params: Mapping[str, Any], rng: np.random.Generator | None) -> dict[str, float]:
        """The ensemble's answer; it has no noise."""
        inputs = np.zeros((1, len(self._place)), dtype=np.float32)
        for name, value in params.items():
            block, _, rest = name.partition("_layer")
            if rest:
                inputs[0, self._place[f"{block}_{rest.partition('_')[2]}", value]] += 1 / params[f"{block}_l"]
            else:
                inputs[0, self._place[name, value]] = 1
        return dict(zip(self.quantities, self.outputs(inputs)[0].tolist(), strict=True))

    def of_indices(self, indices: npt.NDArray[Any]) -> Floats:
        """(N, Q) quantities of networks of the unconditional space, given by (N, 28) indices of values."""
        starts = np.cumsum([0, *(len(values) for values in self.measured.values())])[:-1]
        inputs = np.zeros((len(indices), len(self._place)), dtype=np.float32)
        np.put_along_axis(inputs, indices.astype(int) + starts, 1, axis=1)
        return self.outputs(inputs)

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


def accel_nasbench(name: str, folder: Path, bounds: Bounds, parts: Sequence[str]) -> TabularProblem:
    """The problem of a table's name; ``parts`` are the words of the name after "anb"."""
    z = load(folder, FILES["anb"])
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

    distributions = categorical(answers.choices)
    growth = None
    if not layered:  # block after block, the rest as small as can be
        blocks: dict[str, list[str]] = {}
        for parameter in distributions:
            blocks.setdefault(parameter.partition("_")[0], []).append(parameter)
        growth = Growth.of(distributions, list(blocks.values()))
    problem = TabularProblem(name, distributions, directions_of(*costs), bounds, answers, growth=growth)

    stored = {target: load(folder, f"anb/reference_front_{target}.npz") for target in ANB_FRONTS}
    known = len(chosen) == 1 and short[chosen[0]] in stored
    if known:
        best = stored[short[chosen[0]]]
        values = np.stack([accuracy_of(best["acc"]), best["lat_ms"]], axis=1)
    else:
        values = _scattered(answers, [best["idx"] for best in stored.values()], problem.directions)
    values = values[values[:, 0] >= 1 - ANB_ERROR / 100]
    points = problem.minimised(values)
    # The feasible part of the known front is the feasible front only if the bounds cut off its ends.
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
