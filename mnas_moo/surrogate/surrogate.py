"""What a history lets one believe of networks not yet tried: one Gaussian process a quantity.

Quantities are the objectives, on the scale of ``Scale`` and minimised; the constraints, once any was broken; and
failure, once any trial failed: a trial that failed counts as one that broke a constraint, so that the search keeps
away from where trials fail without ever taking a failure for a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from mnas_moo.genomes.encoding import Encoding
from mnas_moo.genomes.history import Record
from mnas_moo.objectives.front import pareto_mask
from mnas_moo.surrogate.gaussian_process import GaussianProcess, Kernel, fit
from mnas_moo.surrogate.scale import Scale

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

FITTED = 256  # trials that hyperparameters are fitted to at most
FIT_STEPS = 40
CLOSE = 0.5  # of the trials a model is limited to, the share that is taken for being good


@dataclass(frozen=True)
class Transfer:
    """Trials of another study on the same space, some of whose objectives are the same here.

    Attributes:
        records: the completed trials.
        objectives: position here -> position there.
    """

    records: Sequence[Record] = ()
    objectives: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Quantity:
    """One thing that is predicted.

    Attributes:
        process: the model.
        scale: of its values.
        limit: on that scale, what it must not exceed; None: an objective.
        constraint: position of the constraint it is; None: none.
    """

    process: GaussianProcess
    scale: Scale
    limit: float | None = None
    constraint: int | None = None


class Beliefs:
    """The model of a study.

    Args:
        records: its trials, at least two of them completed, failed ones among them.
        signs: (M,) 1 where an objective is minimised, -1 where it is maximised.
        fits: fitted hyperparameters by quantity; filled where missing.
        transfer: of another study.
        limit: completed trials that are modelled at most.
        rng: of which trials are left out beyond that.
    """

    def __init__(
        self,
        records: Sequence[Record],
        signs: Floats,
        fits: dict[str, Kernel],
        transfer: Transfer,
        limit: int,
        rng: np.random.Generator,
    ) -> None:
        self.signs = signs
        done = [record for record in records if record.values is not None]
        self.numbers = frozenset(record.number for record in done)
        """Trials that are believed in already."""
        self.encoding = Encoding(done)
        results = np.array([record.values for record in done])
        values = results * signs
        feasible = np.array([record.violation <= 0 for record in done])
        foreign = [record for record in transfer.records if record.values is not None][:limit]
        columns = [
            np.array([record.values[transfer.objectives[m]] * sign for record in foreign if record.values])
            if m in transfer.objectives
            else np.empty(0)
            for m, sign in enumerate(signs)
        ]
        self.scales = [Scale.of(np.concatenate([values[:, m], columns[m]])) for m in range(len(signs))]
        scaled = self.scaled(results)
        kept = _kept(scaled, feasible, limit, rng)
        self.rows, self.feasible, self.values = self.encoding.rows[kept], feasible[kept], scaled[kept]
        x = self._features(self.rows)
        outside = self._features(self.encoding.encode(foreign))

        self.quantities: list[Quantity] = []
        fitted = []
        for m, scale in enumerate(self.scales):
            more = columns[m]
            process = self._process(
                f"objective {m}",
                torch.cat([x, outside[: len(more)]]),
                np.concatenate([self.values[:, m], scale(more)]),
                fits,
                rng,
            )
            fitted.append(process.fitted[: len(x)])
            self.quantities.append(Quantity(process, scale))
        self.fitted: Floats = np.stack(fitted, axis=1)
        """(N, M) what is believed of the trials themselves: a lucky result among poor ones is not taken at its word."""
        self._add_constraints([done[i] for i in kept], x, fits, rng)
        self._add_failures(records, fits, rng)
        self.trust = float(np.mean([quantity.process.trust for quantity in self.quantities[: len(signs)]]))
        """In [0, 1]: how well each trial's objectives are predicted from the others."""

    @property
    def front(self) -> Booleans:
        """(N,) which trials are believed to be on the feasible front."""
        mask = self.feasible.copy()
        mask[mask] = pareto_mask(self.fitted[mask])
        return mask

    def scaled(self, values: npt.ArrayLike) -> Floats:
        """(..., M) objective values of the study on the scales of the model, minimised."""
        minimised = np.asarray(values, dtype=float) * self.signs
        return np.stack([scale(minimised[..., m]) for m, scale in enumerate(self.scales)], axis=-1)

    def expected(self, rows: Floats) -> Floats:
        """(N, M) objectives expected of rows (N, D), worse by how far a constraint is expected to be broken."""
        x = self._features(rows)
        objectives = [q.process.mean(x) for q in self.quantities if q.limit is None]
        broken = sum(np.maximum(q.process.mean(x) - q.limit, 0.0) for q in self.quantities if q.limit is not None)
        return np.stack(objectives, axis=1) + np.reshape(broken, (-1, 1)) * 3.0

    def posterior(self, rows: Floats) -> list[tuple[Floats, Floats]]:
        """Mean (P,) and covariance (P, P) of each quantity at rows (P, D)."""
        x = self._features(rows)
        return [quantity.process.posterior(x) for quantity in self.quantities]

    def _features(self, rows: Floats) -> torch.Tensor:
        return torch.from_numpy(self.encoding.features(rows))

    def _process(
        self, name: str, x: torch.Tensor, y: Floats, fits: dict[str, Kernel], rng: np.random.Generator
    ) -> GaussianProcess:
        target = torch.from_numpy(y)
        kernel = fits.get(name)
        if kernel is None or len(kernel.additive) != x.shape[1]:  # new, or a parameter was met since
            some = torch.from_numpy(rng.permutation(len(x))[:FITTED])
            kernel = fits[name] = fit(x[some], target[some], len(self.encoding.decisions), FIT_STEPS)
        return GaussianProcess(kernel, x, target)

    def _add_constraints(
        self, records: Sequence[Record], x: torch.Tensor, fits: dict[str, Kernel], rng: np.random.Generator
    ) -> None:
        count = max(len(record.constraints) for record in records)  # trials of another sampler may have none
        have = [i for i, record in enumerate(records) if len(record.constraints) == count]
        values = np.array([records[i].constraints for i in have])
        for k in np.flatnonzero((values > 0).any(axis=0)):
            scale = Scale.of(values[:, k])
            process = self._process(f"constraint {k}", x[have], scale(values[:, k]), fits, rng)
            self.quantities.append(Quantity(process, scale, float(scale(0.0)), int(k)))

    def _add_failures(self, records: Sequence[Record], fits: dict[str, Kernel], rng: np.random.Generator) -> None:
        failed = [record for record in records if record.failed and record.whole]
        if failed:
            rows = np.concatenate([self.rows, self.encoding.encode(failed)])
            y = np.repeat([-1.0, 1.0], [len(self.rows), len(failed)])
            process = self._process("failure", self._features(rows), y, fits, rng)
            self.quantities.append(Quantity(process, Scale(0.0, 1.0), 0.0))


def _kept(values: Floats, feasible: Booleans, limit: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Which trials are modelled, ascending: all, or the best by the sum of their ranks and some of the others."""
    if len(values) <= limit:
        return np.arange(len(values))
    ranks = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")
    front = feasible.copy()
    front[front] = pareto_mask(values[front])
    order = np.lexsort((ranks.sum(axis=1), ~feasible, ~front))
    close = int(limit * CLOSE)
    others = order[close:][rng.permutation(len(order) - close)[: limit - close]]
    return np.sort(np.concatenate([order[:close], others]))
