"""Latency predicted from past measurements of whole networks on one device, as a sum over their operations.

A network's time is nearly the sum of its operations' times (Cai et al. 2019, ProxylessNAS, sec. 3.3; Wu et al. 2019,
FBNet, sec. 3.2), but a study times whole networks only. So each operation's time is a Gaussian process of which sums
are observed. Read ``parts`` (what matters of an operation), ``design`` (the fitted networks), ``process`` (the
formulas), then this module: cross-validation, the interval, and which networks are unlike the fitted ones.

Median relative error on held-out networks, 176 of 220 fitted, each timed in 7 rounds by ``HostLatency``, of which the
fastest counts (``studies/benchmarks/latency_predictor.py``):

    predicted by                                              mnasnet at 224 pixels    digits preset
    non-negative least squares of total work                                  6.7 %            3.7 %
    the same by kind of operation, kernel and stride                          5.0 %            2.4 %
    the same, and boosted trees for its residuals                             4.6 %            2.4 %
    this process with one reach of likeness, 0.7 octaves                      3.0 %            2.2 %
    this process: 0.35 and 1.5 octaves                                        2.7 %            0.9 %

One round alone was 12 to 15 % off the fastest on that (shared) machine. Each of the 25 published latencies of
MnasNet-A1 on a Pixel 1 is predicted from the 24 others with a median error of 2.1 %.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from mnas_moo.objectives.objective import Graph
from mnas_moo.objectives.predictor.design import Design
from mnas_moo.objectives.predictor.parts import Parts, part_of, parts_of
from mnas_moo.objectives.predictor.process import Matrices, Process
from mnas_moo.objectives.statistics import Floats, kendall_tau

FEWEST, MOST = 20, 1000
"""How many different networks a fit needs, and how many it uses; where there are more, it draws so many."""
FOLDS = 5
COVERED = 0.9
"""Share of the networks whose measurement is to lie in the interval."""
STRANGE = 0.1
"""Mean distance in octaves of a network's layers from the nearest fitted ones, up to which it is never "outside"."""
COMMON = 0.98
"""Quantile of that distance among held-out networks: a network is not "outside" below it either."""


@dataclass(frozen=True)
class Prediction:
    """The predicted latency of a network.

    Attributes:
        ms: milliseconds, above 0.
        low_ms: lower end of an interval that holds a measurement for 90 % of the networks like the fitted ones; for
            others it is wider, and its coverage is not known.
        high_ms: upper end of the interval.
        outside: a sentence that says what is unlike the fitted networks; None: nothing.
    """

    ms: float
    low_ms: float
    high_ms: float
    outside: str | None


@dataclass(frozen=True)
class Quality:
    """How well networks are predicted that the fit, the choice of its scales included, did not see (5 folds).

    The errors include the noise of the measurements: a prediction can be no nearer to a measurement than another
    measurement is.

    Attributes:
        median: median of the relative errors |predicted / measured - 1|.
        p90: their 90th percentile.
        kendall_tau: rank correlation of predicted and measured latencies.
        coverage: share of the networks that lie in their interval; its width was found on the other folds.
        outside: share of the networks that were called outside; the bound was found on the other folds.
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

    >>> import numpy as np
    >>> from mnas_moo.objectives import LatencyPredictor
    >>> from mnas_moo.spaces import get
    >>> space, rng = get("mnasnet", preset="digits"), np.random.default_rng(0)
    >>> specs = [space.random(rng) for _ in range(40)]
    >>> predictor = LatencyPredictor.fit(specs, [spec.multiply_adds / 1e6 for spec in specs])
    >>> abs(predictor.predict(specs[0]).ms * 1e6 / specs[0].multiply_adds - 1) < 0.05
    True

    Attributes:
        networks: how many different networks it is fitted to.
        quality: errors found by cross-validation during the fit; ``str(quality)`` is one readable line.
    """

    networks: int
    quality: Quality

    def __init__(self, networks: Sequence[Parts], latencies_ms: Floats, seed: int) -> None:
        # Use ``fit``: it checks, and merges networks that are alike.
        self.networks = len(networks)
        self._unit = float(latencies_ms.mean())
        y = latencies_ms / self._unit
        self._design = Design(networks)
        matrices = Matrices(self._design)
        rng = np.random.default_rng(seed)
        folds = rng.permutation(len(y)) % FOLDS
        predicted, deviation, distance = np.empty((3, len(y)))
        for fold in range(FOLDS):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            process = Process(matrices, train, y[train], rng)
            predicted[test], deviation[test] = process.predict(*matrices.among(test, train, process.scales))
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
        self._process = Process(matrices, np.arange(len(y)), y, rng)

    @classmethod
    def fit(cls, specs: Sequence[Graph], latencies_ms: Sequence[float], *, seed: int = 0) -> LatencyPredictor:
        """Fits a predictor to measured networks.

        Networks that differ in nothing that takes time count as one, with the median of their latencies.

        Args:
            specs: the networks, in any order.
            latencies_ms: their latencies in milliseconds, all measured alike on one device.
            seed: seed of the folds, and of the choice of networks where there are more than 1,000.

        Raises:
            ValueError: a latency is not a number above 0, there are not as many as networks, or fewer than 20
                different networks.
        """
        if len(specs) != len(latencies_ms):
            raise ValueError(f"got {len(specs)} networks and {len(latencies_ms)} latencies; each network needs its own")
        measured: dict[Hashable, tuple[Parts, list[float]]] = {}
        for i, (spec, latency) in enumerate(zip(specs, latencies_ms, strict=True)):
            if not 0 < latency < math.inf:
                raise ValueError(f"the latency of network {i + 1} is {latency}; it must be milliseconds above 0")
            parts = parts_of(spec)
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
        parts = parts_of(spec)
        mean, deviation = self._process.predict(*self._design.cross(parts, self._process.scales))
        ms, factor = self._unit * float(mean[0]), math.exp(self._width * float(deviation[0]))
        return Prediction(ms, ms / factor, ms * factor, self._outside(spec, parts))

    def _outside(self, spec: Graph, parts: Parts) -> str | None:
        """What is unlike the fitted networks, if they are far enough."""
        compared = {part: self._design.compare(part) for part in parts}
        work = {part: count * float(compared[part].work.sum()) for part, count in parts.items()}
        mean = sum(work[part] * compared[part].distance for part in parts) / sum(work.values())
        if mean <= self._bound:
            return None
        worst = max(parts, key=lambda part: work[part] * compared[part].distance)
        name = next(node.name for node in spec.nodes if part_of(node.operation, node.input_shapes) == worst)
        nearest = compared[worst].nearest
        seen = "they have none" if nearest is None else f"the nearest they have: {nearest.shapes}"
        return (
            f"its layers differ from those of the {self.networks} fitted networks by a factor of {2**mean:.2f} on "
            f"average (up to {2**self._bound:.2f} is usual), most of all {name}, a {worst.kind}, {worst.shapes}; {seen}"
        )


def _upper(values: Floats, share: float) -> float:
    """The value that so large a share of further ones stays below: the quantile, one rank up as n is finite."""
    return float(np.quantile(values, min(1.0, share * (len(values) + 1) / len(values)), method="higher"))
