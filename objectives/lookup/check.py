"""Checking a lookup table against whole networks, and the correction that its sums need.

An intercept, a cost for each part, and a slope for the sum over the parts of each operation are fitted to random
networks of the space, by least squares of the relative error, since the share "within 10 %" is reported; a ridge
penalty (Hoerl & Kennard 1970) draws the slopes towards a common one. Each network's reported prediction is that of a
fit to all the others (leave-one-out; Stone 1974). The correction that is stored is fitted to all.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mnas_moo.objectives.lookup.build import VISITS, same_device
from mnas_moo.objectives.lookup.lookup_table import Correction, LookupTable, Sums, now
from mnas_moo.objectives.lookup.visits import LEAST, finished, visit
from mnas_moo.objectives.objective import JSON, Latency, Measurement
from mnas_moo.objectives.statistics import Floats, kendall_tau
from mnas_moo.spaces.space import Space
from mnas_moo.spaces.spec import NetworkSpec

WITHIN = 0.1
"""Largest relative error that counts as accurate."""

MINIMUM_NETWORKS = 5

RIDGE = 0.03
"""Weight of the penalty on slopes that differ from the common one: (0.03 / 0.17)², for errors of 3 % and slopes that
differ by 17 %."""


@dataclass(frozen=True)
class CheckReport:
    """The result of a check with N networks.

    Attributes:
        sum_ms: (N,) sums over the layers, uncorrected.
        measured_ms: (N,) end-to-end times.
        predicted_ms: (N,) corrected sums, each by a correction fitted to the other networks.
        correction: the correction fitted to all networks.
        failures: reasons why networks could not be priced or measured; these are not among the N.
    """

    sum_ms: Floats
    measured_ms: Floats
    predicted_ms: Floats
    correction: Correction
    failures: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, JSON]:
        """The figures that are stored in the table; shares and relative errors are fractions."""
        errors, raw, tau = self._errors(self.predicted_ms), self._errors(self.sum_ms), self._tau
        return {
            "networks": len(self.measured_ms),
            "failures": len(self.failures),
            "share_within_10_percent": _within(errors),
            "median_error": float(np.median(errors)),
            "maximum_error": float(errors.max()),
            "kendall_tau": None if np.isnan(tau) else tau,
            "uncorrected_share_within_10_percent": _within(raw),
            "uncorrected_median_error": float(np.median(raw)),
            "measured_ms": [float(self.measured_ms.min()), float(self.measured_ms.max())],
        }

    @property
    def lines(self) -> list[str]:
        """The figures for printing, one in each line."""
        errors, raw, tau = self._errors(self.predicted_ms), self._errors(self.sum_ms), self._tau
        lines = [
            f"{len(errors)} random networks of {self.measured_ms.min():.4g} to {self.measured_ms.max():.4g} ms, each "
            "predicted by a correction fitted to the others",
            f"within 10 %    {_within(errors):.0%} (plain sums: {_within(raw):.0%})",
            f"median error   {np.median(errors):.1%} (plain sums: {np.median(raw):.1%})",
            f"largest error  {errors.max():.1%}",
            f"Kendall's tau  {'none: all alike' if np.isnan(tau) else f'{tau:.3f}'}",
            f"correction     {self.correction.intercept_ms:.3g} ms {self.correction.part_ms:+.3g} ms a part + "
            + " + ".join(f"{slope:.3g} {name}" for name, slope in self.correction.slopes.items()),
        ]
        if self.failures:
            lines.append(f"left out       {len(self.failures)} networks, the first: {self.failures[0]}")
        return lines

    def _errors(self, predicted_ms: Floats) -> Floats:
        return np.abs(predicted_ms / self.measured_ms - 1)

    @property
    def _tau(self) -> float:
        return kendall_tau(self.predicted_ms, self.measured_ms)


def _within(errors: Floats) -> float:
    return float(np.mean(errors <= WITHIN))


def check(
    file: str | os.PathLike[str],
    space: Space,
    latency: Latency,
    networks: int = 100,
    seed: int = 0,
    *,
    visits: int = VISITS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CheckReport:
    """Compares a table with random networks timed whole, and stores the correction and the figures in it.

    Args:
        file: the table's file.
        space: space that the networks are drawn from; ``LookupTable.the_space`` is that of the table.
        latency: source of latency that times them, on the table's device.
        networks: number of networks.
        seed: seed of the networks and of the order.
        visits: largest number of visits to each network, of which the shortest time counts (``visits.finished``).
        progress: called at first and after each chunk with two numbers of visits: those made and those needed at
            least for all networks.

    Raises:
        ValueError: the file is no table, belongs to another device, or prices too few of the networks.
        DeviceError: no device is left that could measure.
    """
    if networks < MINIMUM_NETWORKS:
        raise ValueError(
            f"networks is {networks}; it must be at least {MINIMUM_NETWORKS} to fit a correction and judge it"
        )
    table = LookupTable.load(file)
    same_device(file, table, latency.device)
    rng = np.random.default_rng(seed)
    failures: list[str] = []
    priced: dict[NetworkSpec, Sums] = {}
    for _ in range(networks):
        spec = space.random(rng).canonical()
        try:
            priced[spec] = table.sums(spec)
        except ValueError as error:
            failures.append(str(error))
    specs = list(priced)
    times: list[list[float]] = [[] for _ in specs]
    broken: set[int] = set()

    def open_at(number: int) -> list[int]:
        del number
        return [i for i, own in enumerate(times) if i not in broken and not finished(own, visits)]

    def done(results: list[tuple[int, Measurement | ValueError]]) -> None:
        for i, result in results:
            if isinstance(result, ValueError):
                failures.append(str(result))
                broken.add(i)
            else:
                times[i].append(result.value)
        tell()

    def tell() -> None:
        least, still = min(LEAST, visits), set(open_at(0))
        made = sum(min(len(own), least - 1) if i in still else least for i, own in enumerate(times))
        progress(made, least * len(specs))

    if len(specs) >= MINIMUM_NETWORKS:
        tell()
        visit(latency, specs, open_at, visits, rng, done)
    good = [i for i, own in enumerate(times) if own and i not in broken]
    if len(good) < MINIMUM_NETWORKS:
        why = f" ({failures[0]})" if failures else ""
        raise ValueError(
            f"{file}: only {len(good)} of {networks} random networks could be compared{why}; it takes at least "
            f"{MINIMUM_NETWORKS}: finish the table, or draw more networks"
        )
    report = judge([priced[specs[i]] for i in good], np.array([min(times[i]) for i in good]), tuple(failures))
    stored = {"date": now(), "seed": seed, "visits": visits, **report.figures}
    # Read again, since a build may have continued meanwhile.
    dataclasses.replace(LookupTable.load(file), correction=report.correction, check=stored).save(file)
    return report


def judge(sums: Sequence[Sums], measured_ms: Floats, failures: tuple[str, ...] = ()) -> CheckReport:
    """Fits the correction, and predicts each network without it.

    Args:
        sums: the sums over the parts of N networks.
        measured_ms: (N,) end-to-end times, above 0.
        failures: reasons of networks that were left out, for the report.
    """
    operations = sorted({name for own in sums for name in own.ms})
    by_operation = np.array([[own.ms.get(name, 0.0) for name in operations] for own in sums])
    total = by_operation.sum(axis=1)
    parts = [own.parts for own in sums]
    # Columns: intercept, parts, common slope, each operation's difference from it; all relative to the measured time.
    design = np.column_stack([np.ones(len(total)), parts, total, by_operation]) / measured_ms[:, None]
    weights = np.diag([0.0, 0.0, 0.0, *[RIDGE] * len(operations)])
    solve = np.linalg.pinv(design.T @ design + weights, hermitian=True) @ design.T
    target = 1 - design[:, 2]  # the fit starts from a slope of 1, which stays where the networks do not determine it
    intercept, part, extra, *own_slopes = (solve @ target).tolist()
    # Leaving one out of a linear fit needs no second fit: its residual grows by 1 / (1 - leverage).
    leverage = np.einsum("ij,ji->i", design, solve)
    error = (target - design @ solve @ target) / np.maximum(1 - leverage, 1e-9)
    slopes = {name: 1 + extra + more for name, more in zip(operations, own_slopes, strict=True)}
    return CheckReport(
        total, measured_ms, (1 - error) * measured_ms, Correction(intercept, part, 1 + extra, slopes), failures
    )
