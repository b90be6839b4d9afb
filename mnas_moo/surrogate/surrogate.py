"""The surrogate: what the objectives of networks not yet tried are expected to be, one Gaussian process a quantity.

Quantities are the objectives, on the scale of ``Scale`` and minimised; the constraints, once any was broken; and
failure, once any trial failed: a trial that failed counts as one that broke a constraint, so that the search keeps
away from where trials fail without ever taking a failure for a result. An objective's noise is what is known of each
trial (``Record.errors``), and beyond that what the process finds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from mnas_moo.genomes.encoding import Encoding
from mnas_moo.genomes.history import Record
from mnas_moo.objectives.front import pareto_mask
from mnas_moo.objectives.statistics import kendall_tau
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate.gaussian_process import GaussianProcess, Kernel, Posterior, evidence, fit
from mnas_moo.surrogate.scale import Scale
from mnas_moo.surrogate.view import Reader, View

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

BENDS = (1.0, 2.0, 4.0, 16.0)
"""How far the scale of an objective may be bent."""


@dataclass(frozen=True)
class Transfer:
    """Trials of another study on the same space, some of whose objectives are the same here.

    Attributes:
        records: its completed trials.
        objectives: shared objectives, position in this study -> position in the other.
    """

    records: Sequence[Record] = ()
    objectives: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """What is fitted to the results of one quantity.

    Attributes:
        kernel: hyperparameters.
        scale: position of its scale among those that it may have.
    """

    kernel: Kernel
    scale: int


@dataclass(frozen=True)
class Quantity:
    """One thing that is predicted.

    Attributes:
        process: model of its values on the scale.
        scale: scale of its values.
        limit: largest allowed value on that scale; None: it is an objective.
        constraint: position among the constraints; None: it is an objective, or failure.
    """

    process: GaussianProcess
    scale: Scale
    limit: float | None = None
    constraint: int | None = None


@dataclass(frozen=True)
class Quality:
    """How well each of an objective's last results is predicted from all others.

    Attributes:
        r2: leave-one-out R²: share of the variance on the model's scale that is explained, at most 1.
        error: median absolute difference between prediction and result, in the objective's unit.
        tau: Kendall's rank correlation between predictions and results; None where all are equal.
        calibration: root mean square of the errors in units of the deviations that the model expected, at least 1.
    """

    r2: float
    error: float
    tau: float | None
    calibration: float


class Surrogate:
    """The model of a study.

    Args:
        records: finished trials of the study, also failed ones; at least two completed.
        signs: (M,) 1 where an objective is minimised, -1 where it is maximised.
        fits: fitted hyperparameters by name of the quantity; those that are missing are fitted and added.
        transfer: trials of another study.
        settings: settings of the search; the model reads its size and how it is fitted.
        rng: random generator that chooses which trials are left out of a model of bounded size.
        reader: reads genomes.

    Attributes:
        numbers: numbers of the completed trials that it was given.
        rows: (N, D) the modelled trials, as rows of ``encoding``.
        values: (N, M) their objective values on the scales of the model, minimised.
        feasible: (N,) whether each broke no constraint.
        fitted: (N, M) values expected of them, without noise, so that a lucky result among poor ones counts for less.
        r2: mean leave-one-out R² of the objectives, in [0, 1].
    """

    def __init__(
        self,
        records: Sequence[Record],
        signs: Floats,
        fits: dict[str, Fit],
        transfer: Transfer,
        settings: SearchSettings,
        rng: np.random.Generator,
        reader: Reader,
    ) -> None:
        self.signs, self.settings = signs, settings
        done = [record for record in records if record.values is not None]
        self.numbers = frozenset(record.number for record in done)
        self.encoding = Encoding(done)
        results = np.array([record.values for record in done])  # (N, M)
        values = results * signs  # (N, M), minimised
        feasible = np.array([record.violation <= 0 for record in done])  # (N,)
        foreign = [record for record in transfer.records if record.values is not None][: settings.model_trials]
        columns = [
            np.array([record.values[transfer.objectives[m]] * sign for record in foreign if record.values])
            if m in transfer.objectives
            else np.empty(0)
            for m, sign in enumerate(signs)
        ]
        # columns: M times (F,), minimised; F is 0 where an objective is not shared
        kept = _kept(values, feasible, settings, rng)
        self.rows, self.feasible = self.encoding.rows[kept], feasible[kept]
        self._view = View(self.encoding, reader, self.rows)
        x = self._features(self.rows)  # (N, S)
        outside = self._features(self.encoding.encode(foreign))  # (F, S)

        errors = np.array([record.errors or (0.0,) * len(signs) for record in done])[kept]  # (N, M)
        self.quantities: list[Quantity] = []
        self.scales: list[Scale] = []
        for m in range(len(signs)):
            more, k = columns[m], transfer.objectives.get(m, 0)
            theirs = [record.errors[k] if record.errors else 0.0 for record in foreign[: len(more)]]  # (F,)
            history = np.concatenate([values[:, m], more])  # all, also those that are not modelled
            process, scale = self._process(
                f"objective {m}",
                torch.cat([x, outside[: len(more)]]),
                np.concatenate([values[kept, m], more]),
                np.concatenate([errors[:, m], theirs]),
                [Scale.of(history, bend) for bend in BENDS],
                fits,
                rng,
            )
            self.quantities.append(Quantity(process, scale))
            self.scales.append(scale)
        self.values: Floats = self.scaled(results[kept])  # (N, M)
        fitted = [quantity.process.fitted[: len(x)] for quantity in self.quantities]
        self.fitted: Floats = np.stack(fitted, axis=1)  # (N, M)
        self._add_constraints([done[i] for i in kept], x, fits, rng)
        self._add_failures(records, fits, rng)
        self.r2 = float(np.mean([quantity.process.r2 for quantity in self.objectives]))

    @property
    def objectives(self) -> list[Quantity]:
        """The quantities that are objectives, M of them, in the order of the study; they are the first ones."""
        return self.quantities[: len(self.signs)]

    def quality(self) -> list[Quality]:
        """How well each objective is predicted, M of them."""
        found = []
        for quantity in self.objectives:
            process = quantity.process
            results = process.y.numpy()[len(process.y) - len(process.left_out) :]  # (K,)
            predicted = results - process.left_out  # (K,), e = y - prediction
            spread = float(np.square(results - results.mean()).mean())
            tau = kendall_tau(predicted, results)
            found.append(
                Quality(
                    # R² = 1 - mean e^2 / Var[y], over the same K
                    r2=1.0 - float(np.square(process.left_out).mean()) / max(spread, 1e-12),
                    error=float(np.median(np.abs(quantity.scale.inverse(predicted) - quantity.scale.inverse(results)))),
                    tau=None if np.isnan(tau) else tau,
                    calibration=process.calibration,
                )
            )
        return found

    @property
    def front(self) -> Booleans:
        """(N,) which trials are expected to be on the feasible front."""
        mask = self.feasible.copy()
        mask[mask] = pareto_mask(self.fitted[mask])
        return mask

    def scaled(self, values: npt.ArrayLike) -> Floats:
        """(..., M) objective values of the study on the scales of the model, minimised."""
        minimised = np.asarray(values, dtype=float) * self.signs
        return np.stack([scale(minimised[..., m]) for m, scale in enumerate(self.scales)], axis=-1)

    def variances(self, records: Sequence[Record]) -> Floats:
        """(N, M) known variances of completed trials' values on the scales of the model, 0 where none is known."""
        m = len(self.signs)
        values = np.array([record.values for record in records], dtype=float).reshape(-1, m) * self.signs  # (N, M)
        errors = np.array([record.errors or (0.0,) * m for record in records]).reshape(-1, m)  # (N, M)
        return np.stack([scale.variance(values[:, m], errors[:, m]) for m, scale in enumerate(self.scales)], axis=1)

    def expected(self, rows: Floats) -> Floats:
        """(N, M) objectives expected of rows (N, D), increased where a constraint is expected to be broken."""
        x = self._features(rows)  # (N, S)
        objectives = [q.process.mean(x) for q in self.quantities if q.limit is None]  # M times (N,)
        # (N,), sum_c max(0, mean_c(x) - limit_c)
        broken = sum(np.maximum(q.process.mean(x) - q.limit, 0.0) for q in self.quantities if q.limit is not None)
        # mean_m(x) + violation_weight sum_c max(0, mean_c(x) - limit_c)
        return np.stack(objectives, axis=1) + np.reshape(broken, (-1, 1)) * self.settings.violation_weight

    def posterior(self, rows: Floats) -> list[Posterior]:
        """What is known of each quantity at rows (P, D)."""
        x = self._features(rows)
        return [quantity.process.posterior(x) for quantity in self.quantities]

    def _features(self, rows: Floats) -> torch.Tensor:
        return torch.from_numpy(self._view(rows))

    def _process(
        self,
        name: str,
        x: torch.Tensor,
        y: Floats,
        errors: Floats,
        scales: Sequence[Scale],
        fits: dict[str, Fit],
        rng: np.random.Generator,
    ) -> tuple[GaussianProcess, Scale]:
        """The model of a quantity, on the scale under which its values are most likely.

        Args:
            name: name of the quantity.
            x: (N, S) features.
            y: (N,) values.
            errors: (N,) standard errors of the values, 0 where none is known.
            scales: scales that its values may have; of equally good ones the first is taken.
            fits: what was fitted before, by name.
            rng: chooses the trials that it is fitted to.
        """
        found = fits.get(name)
        if found is None or len(found.kernel.additive) != x.shape[1]:  # new, or a parameter was met since
            some = rng.permutation(len(x))[: self.settings.fitted_trials]
            best = -math.inf
            for choice, scale in enumerate(scales):
                if scale in scales[:choice]:  # it needs no more bending
                    continue
                target, known = _on(scale, y[some], errors[some])
                kernel = self._fit(x[some], target, known)
                # log p(v) = log p(S(v)) + sum log S'(v)  (Snelson et al. 2004, eq. 6)
                likely = evidence(kernel, x[some], target, known) + float(np.log(scale.slope(y[some])).sum())
                if likely > best:
                    best, fits[name] = likely, Fit(kernel, choice)
            found = fits[name]
        scale = scales[found.scale]
        return GaussianProcess(found.kernel, x, *_on(scale, y, errors), self.settings), scale

    def _fit(self, x: torch.Tensor, y: torch.Tensor, known: torch.Tensor) -> Kernel:
        s = self.settings
        return fit(x, y, known, self._view.ties, len(self.encoding.decisions), s.fit_steps, s.interaction)

    def _add_constraints(
        self, records: Sequence[Record], x: torch.Tensor, fits: dict[str, Fit], rng: np.random.Generator
    ) -> None:
        count = max(len(record.constraints) for record in records)  # trials of another sampler may have none
        complete = [i for i, record in enumerate(records) if len(record.constraints) == count]
        values = np.array([records[i].constraints for i in complete])  # (N', C)
        for k in np.flatnonzero((values > 0).any(axis=0)):
            y = values[:, k]
            process, scale = self._process(
                f"constraint {k}", x[complete], y, np.zeros(len(y)), [Scale.linear(y)], fits, rng
            )
            self.quantities.append(Quantity(process, scale, float(scale(0.0)), int(k)))

    def _add_failures(self, records: Sequence[Record], fits: dict[str, Fit], rng: np.random.Generator) -> None:
        failed = [record for record in records if record.failed and record.whole]
        if failed:
            rows = np.concatenate([self.rows, self.encoding.encode(failed)])
            y = np.repeat([-1.0, 1.0], [len(self.rows), len(failed)])  # 1: failed; the limit 0 lies halfway
            x = self._features(rows)
            process, scale = self._process("failure", x, y, np.zeros(len(y)), [Scale(0.0, 1.0)], fits, rng)
            self.quantities.append(Quantity(process, scale, 0.0))


def _on(scale: Scale, y: Floats, errors: Floats) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and variances on a scale, both (N,)."""
    return torch.from_numpy(scale(y)), torch.from_numpy(scale.variance(y, errors))


def _kept(
    values: Floats, feasible: Booleans, settings: SearchSettings, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Indices of the modelled trials, ascending: all if they are few, else the best and a random part of the others.

    The best are those of the front, then other feasible ones, then infeasible ones, each by the sum of their ranks.
    """
    limit = settings.model_trials
    if len(values) <= limit:
        return np.arange(len(values))
    ranks = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")  # (N, M)
    front = feasible.copy()
    front[front] = pareto_mask(values[front])
    order = np.lexsort((ranks.sum(axis=1), ~feasible, ~front))  # the last key comes first
    good = int(limit * settings.good_share)
    others = order[good:][rng.permutation(len(order) - good)[: limit - good]]
    return np.sort(np.concatenate([order[:good], others]))
