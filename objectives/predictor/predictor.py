"""A latency predicted from past measurements on one device: a sum over layers, each layer's time learnt from the sums.

A network's time is nearly the sum of its operations' times (Cai et al. 2019, ProxylessNAS, sec. 3.3; Wu et al. 2019,
FBNet, sec. 3.2), but a study times whole networks only. So each operation's time is a Gaussian process of which sums
are observed, which makes the network's time one too (Rasmussen & Williams 2006, eq. 2.23 f. and sec. 9.4), with

    t(a) = sum of its work,    cov(t(a), t(b)) = [same kind] (s1^2 w_a . w_b + s2^2 |w_a| |w_b| l(a, b)),

w the four kinds of work (multiply-adds, elements read and written, parameters, the call itself), each scaled to a
quarter of an average network's time, |w| their sum, and l the likeness in channels, pixels, kernel and stride. The
first term learns what work costs in each kind of operation, the second which shapes are faster or slower than that.
Errors are relative. s1, s2 and the noise maximise the posterior (eq. 5.8 with log-normal priors).

Median relative error on held-out networks, 176 of 220 fitted, each timed in 7 rounds by ``latency.HostLatency``, of
which the fastest counts (``studies/benchmarks/latency_predictor.py``):

    predicted by                                              mnasnet at 224 pixels    digits preset
    non-negative least squares of total work                                  6.7 %            3.7 %
    the same by kind of operation, kernel and stride                          5.0 %            2.4 %
    the same, and boosted trees for what it leaves                            4.6 %            2.4 %
    this process with one reach of likeness, 0.7 octaves                      3.0 %            2.2 %
    this process: 0.35 and 1.5 octaves                                        2.7 %            0.9 %

One round alone was 12 to 15 % off the fastest on that (shared) machine. Each of the 25 published latencies of
MnasNet-A1 on a Pixel 1 is predicted from the 24 others with a median error of 2.1 %.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.objective import Graph
from mnas_moo.objectives.statistics import kendall_tau
from mnas_moo.spaces.operations import Conv, Dropout, Operation, Shape

Floats = npt.NDArray[np.float64]

FEWEST, MOST = 20, 1000
"""Different networks that a fit needs, and that it uses: of more it draws so many."""
FOLDS = 5
COVERED = 0.9
"""Share of networks that the interval is to hold."""
STRANGE = 0.1
"""Mean distance of a network's layers from the nearest that were fitted, in octaves, that is never "outside"."""
COMMON = 0.98
"""Quantile of that distance among held-out networks that is not "outside" either."""

_KINDS_OF_WORK = 4
_REACHES = np.array([[0.35, 0.35, 0.35, 0.5, 0.5], [1.5, 1.5, 0.7, 1.0, 1.0]])
"""(2, 5) octaves, along ``_places``, in which likeness fades: single shapes have their own speeds (idle lanes, caches),
and between them there is a trend."""
_PRIOR = np.log([1.0, 0.5, 0.03])  # medians of s1, s2 and of the noise; all are shares of the time
_PRIOR_SPREAD = 1.5
_SMALLEST = math.log(1e-3)  # no clock is nearer than this, and without noise equal networks would have no inverse
_REMEMBERED = 10_000  # parts: more than a space has
_CHOOSING = 200  # networks by which the scales are chosen: more change little and cost much


@dataclass(frozen=True)
class Prediction:
    """What a network's latency may be.

    Attributes:
        ms: milliseconds, above 0.
        low_ms: with ``high_ms`` an interval for what a measurement would say, right for 90 % of networks like the
            fitted ones; wider for others, but without that promise.
        high_ms: its upper end.
        outside: a sentence that says what is unlike the fitted networks; None: nothing.
    """

    ms: float
    low_ms: float
    high_ms: float
    outside: str | None


@dataclass(frozen=True)
class Quality:
    """How well networks are predicted that the fit, the choice of its scales included, did not see (5 folds).

    The noise of the measurements is in it: no predictor is nearer to a measurement than another measurement is.

    Attributes:
        median: of the relative errors |predicted / measured - 1|.
        p90: their 90th percentile.
        kendall_tau: rank correlation of predicted and measured latencies.
        coverage: share of networks in their interval, whose width was found on the other folds.
        outside: share of networks that were called outside, the bound of which was found on the other folds.
    """

    median: float
    p90: float
    kendall_tau: float
    coverage: float
    outside: float

    def __str__(self) -> str:
        return (
            f"held-out networks: median error {self.median:.1%}, 90 % within {self.p90:.1%}, "
            f"Kendall's tau {self.kendall_tau:.2f}"
        )


class LatencyPredictor:
    """Predicts the latency of a graph on one device.

    >>> from mnas_moo.spaces import get
    >>> space, rng = get("mnasnet", preset="digits"), np.random.default_rng(0)
    >>> specs = [space.random(rng) for _ in range(40)]
    >>> predictor = LatencyPredictor.fit(specs, [spec.multiply_adds / 1e6 for spec in specs])
    >>> abs(predictor.predict(specs[0]).ms * 1e6 / specs[0].multiply_adds - 1) < 0.05
    True

    Attributes:
        networks: how many different networks it is fitted to.
        quality: by cross-validation, when it was fitted; as text, a line for people.
    """

    networks: int
    quality: Quality

    def __init__(self, networks: Sequence[_Parts], latencies_ms: Floats, seed: int) -> None:
        # Use ``fit``: it checks, and merges networks that are alike.
        self.networks = len(networks)
        self._unit = float(latencies_ms.mean())
        y = latencies_ms / self._unit
        self._design = _Design(networks)
        matrices = _Matrices(self._design)
        rng = np.random.default_rng(seed)
        folds = rng.permutation(len(y)) % FOLDS
        predicted, deviation, distance = np.empty((3, len(y)))
        for fold in range(FOLDS):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            process = _Process(matrices, train, y[train], rng)
            predicted[test], deviation[test] = process.predict(*matrices.of(test, train, process.scales))
            distance[test] = self._design.distances(test, train)
        misses = np.abs(np.log(y / predicted)) / deviation  # standardised
        self._width = _upper(misses, COVERED)
        self._bound = max(STRANGE, _upper(distance, COMMON))
        relative = np.abs(predicted / y - 1)
        others = [(folds == fold, folds != fold) for fold in range(FOLDS)]
        self.quality = Quality(
            median=float(np.median(relative)),
            p90=float(np.quantile(relative, 0.9)),
            kendall_tau=kendall_tau(predicted, y),
            coverage=sum(int((misses[a] <= _upper(misses[b], COVERED)).sum()) for a, b in others) / len(y),
            outside=sum(int((distance[a] > max(STRANGE, _upper(distance[b], COMMON))).sum()) for a, b in others)
            / len(y),
        )
        self._process = _Process(matrices, np.arange(len(y)), y, rng)

    @classmethod
    def fit(cls, specs: Sequence[Graph], latencies_ms: Sequence[float], *, seed: int = 0) -> LatencyPredictor:
        """Fits a predictor to measured networks.

        Networks that differ in nothing that takes time count as one, with the median of their latencies.

        Args:
            specs: the networks, in any order.
            latencies_ms: their latencies in milliseconds, all measured alike on one device.
            seed: of the folds, and of the choice of networks where there are more than 1,000.

        Raises:
            ValueError: a latency is not a number above 0, there are not as many as networks, or fewer than 20
                different networks.
        """
        if len(specs) != len(latencies_ms):
            raise ValueError(f"got {len(specs)} networks and {len(latencies_ms)} latencies; each network needs its own")
        measured: dict[Hashable, tuple[_Parts, list[float]]] = {}
        for i, (spec, latency) in enumerate(zip(specs, latencies_ms, strict=True)):
            if not 0 < latency < math.inf:
                raise ValueError(f"the latency of network {i + 1} is {latency}; it must be milliseconds above 0")
            parts = _parts(spec)
            measured.setdefault(frozenset(parts.items()), (parts, []))[1].append(float(latency))
        if len(measured) < FEWEST:
            raise ValueError(
                f"got {len(measured)} different networks with a latency; a predictor needs at least {FEWEST}, "
                f"and 100 to 200 to be good: measure {FEWEST - len(measured)} more"
            )
        pairs = list(measured.values())
        if len(pairs) > MOST:
            pairs = [pairs[i] for i in np.sort(np.random.default_rng(seed).permutation(len(pairs))[:MOST])]
        return cls([parts for parts, _ in pairs], np.array([np.median(values) for _, values in pairs]), seed)

    def predict(self, spec: Graph) -> Prediction:
        """Predicts the latency of one graph."""
        parts = _parts(spec)
        mean, deviation = self._process.predict(*self._design.cross(parts, self._process.scales))
        ms, factor = self._unit * float(mean[0]), math.exp(self._width * float(deviation[0]))
        return Prediction(ms, ms / factor, ms * factor, self._outside(spec, parts))

    def _outside(self, spec: Graph, parts: _Parts) -> str | None:
        """What is unlike the fitted networks, if they are far enough."""
        compared = {part: self._design.compare(part) for part in parts}
        work = {part: count * float(compared[part].work.sum()) for part, count in parts.items()}
        mean = sum(work[part] * compared[part].distance for part in parts) / sum(work.values())
        if mean <= self._bound:
            return None
        worst = max(parts, key=lambda part: work[part] * compared[part].distance)
        name = next(node.name for node in spec.nodes if _part(node.operation, node.input_shapes) == worst)
        nearest = compared[worst].nearest
        seen = "they have none" if nearest is None else f"the nearest they have: {nearest.shapes}"
        return (
            f"its layers differ from those of the {self.networks} fitted networks by a factor of {2**mean:.2f} on "
            f"average (up to {2**self._bound:.2f} is usual), most of all {name}, a {worst.kind}, {worst.shapes}; {seen}"
        )


class _Part(NamedTuple):
    """What matters of an operation for its time; equal for operations that take equally long."""

    kind: str
    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: int
    stride: int
    multiply_adds: int
    elements: int
    parameters: int

    @property
    def shapes(self) -> str:
        """For people."""
        window = f", {self.kernel}x{self.kernel} at stride {self.stride}" if self.kernel > 1 or self.stride > 1 else ""
        return f"{self.in_channels} to {self.out_channels} channels of {self.height}x{self.width} pixels{window}"


_Parts = Counter[_Part]


@functools.lru_cache(maxsize=2**14)
def _part(operation: Operation, inputs: tuple[Shape, ...]) -> _Part:
    channels, height, width = inputs[0]
    shape = operation.output_shape(*inputs)
    kind = type(operation).__name__
    if isinstance(operation, Conv):
        if operation.groups == channels != 1:
            kind = "depthwise conv"
        elif operation.groups > 1:
            kind = f"conv in {operation.groups} groups"
        elif operation.kernel > 1:
            kind = "conv"
        else:  # on one pixel it is a product with a vector, which waits for memory
            kind = "1x1 conv" if height * width > 1 else "1x1 conv of one pixel"
        if operation.activation == "sigmoid":  # cannot be fused
            kind += " with sigmoid"
    return _Part(
        kind,
        channels,
        shape[0],
        height,
        width,
        getattr(operation, "kernel", 1),
        getattr(operation, "stride", 1),
        operation.multiply_adds(*inputs),
        sum(map(math.prod, (*inputs, shape))),
        operation.parameters(*inputs),
    )


def _parts(spec: Graph) -> _Parts:
    return Counter(
        _part(node.operation, node.input_shapes) for node in spec.nodes if not isinstance(node.operation, Dropout)
    )


def _places(parts: Sequence[_Part]) -> Floats:
    """(U, 5) where parts are: octaves of channels in and out, of pixels (side), of kernel and stride."""
    return np.log2(
        [(p.in_channels, p.out_channels, math.sqrt(p.height * p.width), p.kernel, p.stride) for p in parts]
    ).reshape(len(parts), 5)


class _Kind:
    """The parts of one kind in the fitted networks.

    Attributes:
        parts: (U,) the different ones.
        places: (U, 5) where they are.
        sums: (N, 4) the networks' sums of work.
        weights: (N, U) each part's share of the work in a network.
    """

    def __init__(self, parts: Sequence[_Part], networks: Sequence[_Parts], work: Floats) -> None:
        self.parts = parts
        self.places = _places(parts)
        index = {part: i for i, part in enumerate(parts)}
        counts = np.zeros((len(networks), len(parts)))
        for row, network in zip(counts, networks, strict=True):
            for part, count in network.items():
                if part in index:
                    row[index[part]] = count
        self.sums = counts @ work
        self.weights = counts * work.sum(axis=1)


class _Compared(NamedTuple):
    """One part beside those of the fitted networks.

    Attributes:
        work: (4,) what it does.
        likeness: (U,) how like it the fitted parts of its kind are.
        distance: from the nearest of them, in octaves up to 1.
        nearest: that part; None: none of its kind was fitted.
    """

    work: Floats
    likeness: Floats
    distance: float
    nearest: _Part | None


class _Design:
    """The fitted networks by kinds of operations, and what else compares networks with them."""

    def __init__(self, networks: Sequence[_Parts]) -> None:
        self._unit = np.ones(_KINDS_OF_WORK)
        totals = np.zeros(_KINDS_OF_WORK)
        for network in networks:
            totals += np.array(list(network.values())) @ self._work(list(network))
        self._unit = np.where(totals > 0, totals * _KINDS_OF_WORK / len(networks), 1.0)
        by_kind: dict[str, dict[_Part, None]] = {}
        for network in networks:
            for part in network:
                by_kind.setdefault(part.kind, {})[part] = None
        self.kinds = {kind: _Kind(list(parts), networks, self._work(list(parts))) for kind, parts in by_kind.items()}
        ends = np.cumsum([0, *(len(kind.parts) for kind in self.kinds.values())])
        self._spans = {kind: slice(ends[i], ends[i + 1]) for i, kind in enumerate(self.kinds)}
        # Row by row the networks' parts, for sums over them in one pass: most networks lack most parts.
        weights = np.concatenate([kind.weights for kind in self.kinds.values()], axis=1)
        rows, self._columns = np.nonzero(weights)
        self._values = weights[rows, self._columns]
        self._starts = np.searchsorted(rows, np.arange(len(networks)))
        self._sums = np.concatenate([kind.sums for kind in self.kinds.values()], axis=1)
        self._compared: dict[_Part, _Compared] = {}

    def _work(self, parts: Sequence[_Part]) -> Floats:
        """(U, 4) multiply-adds, elements, parameters and calls; all of an average fitted network's sum to 1."""
        work = np.array([(p.multiply_adds, p.elements, p.parameters, 1) for p in parts], dtype=float)
        return work / self._unit

    def compare(self, part: _Part) -> _Compared:
        """A part beside those of the fitted networks; remembered, as the networks of a space share theirs."""
        found = self._compared.get(part)
        if found is None:
            kind, place = self.kinds.get(part.kind), _places([part])
            likeness, distance, nearest = np.zeros(0), 1.0, None
            if kind is not None:
                likeness, apart = _likeness(place, kind.places)[0], _octaves(place, kind.places)[0]
                distance, nearest = min(1.0, float(apart.min())), kind.parts[int(apart.argmin())]
            found = _Compared(self._work([part])[0], likeness, distance, nearest)
            if len(self._compared) >= _REMEMBERED:
                self._compared.clear()
            self._compared[part] = found
        return found

    def cross(self, parts: _Parts, scales: Floats) -> tuple[Floats, Floats, Floats]:
        """Prior mean (1,), variance (1,) and covariances with the fitted networks (1, N) of one network."""
        s1, s2, _ = np.exp(2 * scales)
        kinds = {kind: i for i, kind in enumerate(dict.fromkeys([*self.kinds, *(part.kind for part in parts)]))}
        sums = np.zeros((len(kinds), _KINDS_OF_WORK))
        shares = np.zeros(sum(len(kind.parts) for kind in self.kinds.values()))
        totals = []
        for part, count in parts.items():
            compared = self.compare(part)
            sums[kinds[part.kind]] += count * compared.work
            totals.append(count * compared.work.sum())
            if part.kind in self._spans:
                shares[self._spans[part.kind]] += totals[-1] * compared.likeness
        total, kind = np.array(totals), np.array([kinds[part.kind] for part in parts])
        places = _places(list(parts))
        among = _likeness(places, places) * (kind[:, None] == kind)
        variance = s1 * (sums**2).sum() + s2 * total @ among @ total
        local = np.add.reduceat(self._values * shares[self._columns], self._starts)
        covariances = s1 * self._sums @ sums[: len(self.kinds)].ravel() + s2 * local
        return np.array([total.sum()]), np.array([variance]), covariances[None]

    def distances(self, test: npt.NDArray[np.intp], train: npt.NDArray[np.intp]) -> Floats:
        """(T,) mean distance of networks ``test`` from the nearest parts of networks ``train``, weighted by work."""
        total, apart = np.zeros(len(test)), np.zeros(len(test))
        for kind in self.kinds.values():
            seen, asked = (kind.weights[train] > 0).any(axis=0), kind.weights[test]
            distance = np.ones(len(kind.parts))
            if seen.any():
                distance = np.minimum(1, _octaves(kind.places, kind.places[seen]).min(axis=1))
            total += asked.sum(axis=1)
            apart += asked @ distance
        return apart / total


class _Matrices:
    """Prior means and covariances among the fitted networks.

    Attributes:
        mean: (N,) prior means.
        rates: (N, N) covariances by work of the same kind, at s1 = 1.
        local: (N, N) covariances by likeness, at s2 = 1.
    """

    def __init__(self, design: _Design) -> None:
        kinds = design.kinds.values()
        n = len(next(iter(kinds)).sums)
        self.mean, self.rates, self.local = np.zeros(n), np.zeros((n, n)), np.zeros((n, n))
        for kind in kinds:
            self.mean += kind.sums.sum(axis=1)
            self.rates += kind.sums @ kind.sums.T
            self.local += kind.weights @ _likeness(kind.places, kind.places) @ kind.weights.T

    def of(
        self, test: npt.NDArray[np.intp], train: npt.NDArray[np.intp], scales: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Prior means (T,), variances (T,), and covariances (T, M) of networks ``test`` with networks ``train``."""
        s1, s2, _ = np.exp(2 * scales)
        block = np.ix_(test, train)
        variances = s1 * self.rates[test, test] + s2 * self.local[test, test]
        return self.mean[test], variances, s1 * self.rates[block] + s2 * self.local[block]


class _Process:
    """The posterior given the latencies of some networks, its scales chosen by them alone.

    Args:
        matrices: of all networks.
        rows: (M,) indices of those that are given.
        y: (M,) their latencies.
        rng: draws those by which the scales are chosen.
    """

    def __init__(self, matrices: _Matrices, rows: npt.NDArray[np.intp], y: Floats, rng: np.random.Generator) -> None:
        self._scale = float(y.mean())  # the prior mean of an average network is 1
        y = y / self._scale
        few = np.sort(rng.permutation(len(rows))[:_CHOOSING])
        self.scales = _choose(matrices, rows[few], y[few])
        _, _, covariances = matrices.of(rows, rows, self.scales)
        noise = float(np.exp(2 * self.scales[2]))
        # Relative to what was measured: then errors are shares, and the noise is the same for all.
        self._inverse = np.linalg.inv(covariances / np.outer(y, y) + noise * np.eye(len(y)))
        self._coefficients = self._inverse @ (1 - matrices.mean[rows] / y) / y
        self._y = y
        self._noise = noise

    def predict(self, mean: Floats, variance: Floats, covariances: Floats) -> tuple[Floats, Floats]:
        """Posterior means (T,) and relative deviations (T,), those of the noise included.

        Args:
            mean: (T,) prior means of the networks.
            variance: (T,) prior variances.
            covariances: (T, M) with the given networks.
        """
        # Far from all that was seen a sum may fall below 0, which no time does.
        predicted = np.maximum(mean + covariances @ self._coefficients, 0.05 * mean)
        scaled = covariances / self._y
        left = np.maximum(variance - ((scaled @ self._inverse) * scaled).sum(axis=1), 0.0)
        return self._scale * predicted, np.sqrt(left / predicted**2 + self._noise)


def _choose(matrices: _Matrices, rows: npt.NDArray[np.intp], y: Floats) -> Floats:
    """(3,) logarithms of s1, s2 and the noise at the highest posterior, by steps along one axis at a time."""
    outer, block = np.outer(y, y), np.ix_(rows, rows)
    rates, local, target = matrices.rates[block] / outer, matrices.local[block] / outer, 1 - matrices.mean[rows] / y
    scales, step = _PRIOR, 0.7
    best = _loss(rates, local, target, scales)
    while step > 0.1:
        improved = False
        for move in (*np.eye(3) * step, *np.eye(3) * -step):
            moved = np.maximum(scales + move, _SMALLEST)
            value = _loss(rates, local, target, moved)
            if value < best - 1e-3:
                scales, best, improved = moved, value, True
        step = step if improved else step / 2
    return scales


def _loss(rates: Floats, local: Floats, target: Floats, scales: Floats) -> float:
    """Minus the log posterior of the scales, up to a constant (Rasmussen & Williams 2006, eq. 5.8)."""
    s1, s2, noise = np.exp(2 * scales)
    n = len(target)
    # One more row: its factor is the whitened target, and the other triangle is never read. Its corner only has to be
    # large enough for a positive definite matrix, and is, as the covariance exceeds the noise.
    bordered = np.empty((n + 1, n + 1))
    bordered[:n, :n] = s1 * rates + s2 * local
    bordered[range(n), range(n)] += noise
    bordered[n, :n] = target
    bordered[n, n] = 1 + target @ target / noise
    factor = np.linalg.cholesky(bordered)
    whitened = factor[n, :n]
    prior = ((scales - _PRIOR) / _PRIOR_SPREAD) ** 2
    return float(0.5 * whitened @ whitened + np.log(np.diag(factor)[:n]).sum() + 0.5 * prior.sum())


def _likeness(a: Floats, b: Floats) -> Floats:
    """(A, B) mean over the reaches of exp(-1/2 d^2), for places (A, 5) and (B, 5)."""
    total = np.zeros((len(a), len(b)))
    for reach in _REACHES:
        one, other = a / reach, b / reach
        total += np.exp(one @ other.T - 0.5 * (one**2).sum(axis=1)[:, None] - 0.5 * (other**2).sum(axis=1))
    return total / len(_REACHES)


def _octaves(a: Floats, b: Floats) -> Floats:
    """(A, B) largest difference of places (A, 5) and (B, 5) in any direction."""
    return functools.reduce(np.maximum, (np.abs(a[:, None, i] - b[:, i]) for i in range(a.shape[1])))


def _upper(values: Floats, share: float) -> float:
    """The value that so large a share of further ones stays below: the quantile, one rank up as n is finite."""
    return float(np.quantile(values, min(1.0, share * (len(values) + 1) / len(values)), method="higher"))
