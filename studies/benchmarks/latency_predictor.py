"""The latency predictor beside plainer ones, on networks of a space that are measured here: errors, ranks, intervals.

    python studies/benchmarks/latency_predictor.py [--space mnasnet] [--preset digits] [--networks 220] [--rounds 3]
        [--json latency_predictor.json] [--measured latency_predictor.json]

Random networks are timed on this machine in several rounds, each in another order and with a fresh process; a
network's latency is its fastest round, as other work only ever slows one. How far a single round is from it is
the noise that a study lives with. All predictors are fitted to the same four fifths and asked about the last,
five times; then ours to more and more networks, and asked about those it has not seen. At last the check on
a real phone: the 25 published latencies of MnasNet-A1 on a Pixel 1, each predicted from the 24 others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls  # type: ignore[import-untyped]
from scipy.stats import kendalltau  # type: ignore[import-untyped]
from sklearn.ensemble import GradientBoostingRegressor  # type: ignore[import-untyped]

from mnas_moo.objectives.host.latency import HostLatency
from mnas_moo.objectives.predictor.predictor import LatencyPredictor
from mnas_moo.spaces import NetworkSpec, get, network
from mnas_moo.studies.benchmarks import harness

Floats = npt.NDArray[np.float64]

SIZES = (25, 50, 100, 200)
FOLDS = 5

PIXEL_1_MS = {
    224: (135.0, 78.0, 61.0, 32.0, 22.0),
    192: (99.0, 57.0, 45.0, 24.0, 17.0),
    160: (72.0, 41.0, 33.0, 18.0, 13.0),
    128: (49.0, 29.0, 23.0, 12.0, 8.5),
    96: (32.0, 18.0, 17.0, 7.4, 5.4),
}
"""MnasNet-A1 on a Pixel 1 by resolution and ``WIDTHS``: README of tensorflow/tpu models/official/mnasnet."""

WIDTHS = (1.4, 1.0, 0.75, 0.5, 0.35)


def measure(specs: Sequence[NetworkSpec], rounds: int) -> Floats:
    """(rounds, N) milliseconds."""
    times = np.empty((rounds, len(specs)))
    for i in range(rounds):
        host = HostLatency(maximum_seconds=1.0)
        for j in np.random.default_rng(i).permutation(len(specs)):
            times[i, j] = host.measure(specs[j], 0).value
        host.close()
        print(f"round {i + 1} of {rounds} is measured", flush=True)
    return times


def sums(spec: NetworkSpec, by_kind: bool) -> dict[str, float]:
    """Multiply-adds, elements and number of operations, of all or by class of operation, kernel, stride, depthwise."""
    found: dict[str, float] = {}
    for node in spec.nodes:
        operation = node.operation
        parts = (type(operation).__name__, getattr(operation, "kernel", 1), getattr(operation, "stride", 1))
        kind = f"{parts} {getattr(operation, 'groups', 1) > 1} {node.shape[1] > 1}" if by_kind else "all"
        elements = sum(int(np.prod(shape)) for shape in (*node.input_shapes, node.shape))
        for name, value in (("m", operation.multiply_adds(*node.input_shapes)), ("e", elements), ("n", 1)):
            found[f"{kind} {name}"] = found.get(f"{kind} {name}", 0) + value
    return found


def table(specs: Sequence[NetworkSpec], by_kind: bool) -> Floats:
    """(N, features) sums."""
    rows = [sums(spec, by_kind) for spec in specs]
    names = sorted({name for row in rows for name in row})
    return np.array([[row.get(name, 0.0) for name in names] for row in rows])


def least_squares(x: Floats, y: Floats, asked: Floats) -> Floats:
    """Non-negative least squares of relative errors."""
    scale = x.max(axis=0) + 1e-12
    weights, _ = nnls(x / scale / y[:, None], np.ones(len(y)), maxiter=100 * x.shape[1])
    return np.asarray(asked / scale @ weights)


def boosting(x: Floats, y: Floats, asked: Floats) -> Floats:
    """Boosted trees for what the logarithm of least squares leaves."""
    trees = GradientBoostingRegressor(n_estimators=200, max_depth=3, learning_rate=0.05, subsample=0.7, random_state=0)
    trees.fit(np.log1p(x), np.log(y / least_squares(x, y, x)))
    return np.asarray(least_squares(x, y, asked) * np.exp(trees.predict(np.log1p(asked))))


def errors(measured: Floats, predicted: Floats) -> dict[str, float]:
    """Median and 90th percentile of the relative error, and Kendall's tau."""
    relative = np.abs(predicted / measured - 1)
    return {
        "median": float(np.median(relative)),
        "p90": float(np.quantile(relative, 0.9)),
        "kendall_tau": float(kendalltau(measured, predicted).statistic),
    }


def held_out(y: Floats, predict: Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], Floats]) -> dict[str, float]:
    """Errors of ``predict(fitted, asked)`` over five folds."""
    folds = np.random.default_rng(0).permutation(len(y)) % FOLDS
    predicted = np.empty(len(y))
    for fold in range(FOLDS):
        asked = np.flatnonzero(folds == fold)
        predicted[asked] = predict(np.flatnonzero(folds != fold), asked)
    return errors(y, predicted)


def ours(specs: Sequence[NetworkSpec], y: Floats) -> Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], Floats]:
    """The predictor as ``held_out`` wants one."""

    def predict(fitted: npt.NDArray[np.intp], asked: npt.NDArray[np.intp]) -> Floats:
        predictor = LatencyPredictor.fit([specs[i] for i in fitted], y[fitted].tolist())
        return np.array([predictor.predict(specs[i]).ms for i in asked])

    return predict


def compare(specs: Sequence[NetworkSpec], y: Floats) -> dict[str, dict[str, float]]:
    """Held-out errors of all predictors."""
    total, kinds = table(specs, by_kind=False), table(specs, by_kind=True)
    contenders = {
        "sums over all operations": lambda a, b: least_squares(total[a], y[a], total[b]),
        "sums by kind": lambda a, b: least_squares(kinds[a], y[a], kinds[b]),
        "sums by kind + boosted trees": lambda a, b: boosting(kinds[a], y[a], kinds[b]),
        "LatencyPredictor": ours(specs, y),
    }
    return {name: held_out(y, predict) for name, predict in contenders.items()}


def learning_curve(specs: Sequence[NetworkSpec], y: Floats) -> list[dict[str, Any]]:
    """Fitted to the first so many networks: what it says of itself, and how it does on the networks after them."""
    rows = []
    for size in (size for size in SIZES if size < len(specs)):
        fit_s, predictor = harness.seconds(LatencyPredictor.fit, specs[:size], y[:size].tolist())
        predict_s, predictions = harness.seconds(list, map(predictor.predict, specs[size:]))
        rest = y[size:]
        rows.append(
            {
                "fitted": size,
                "asked": len(rest),
                **errors(rest, np.array([p.ms for p in predictions])),
                "by_cross_validation": vars(predictor.quality),
                "coverage": sum(p.low_ms <= ms <= p.high_ms for p, ms in zip(predictions, rest, strict=True))
                / len(rest),
                "outside": sum(p.outside is not None for p in predictions) / len(rest),
                "fit_s": fit_s,
                "predict_ms": 1e3 * predict_s / len(rest),
            }
        )
    return rows


def strangers(specs: Sequence[NetworkSpec], y: Floats, space: str, preset: str) -> dict[str, float]:
    """Share of networks called outside: other ones of the space, and such as it does not hold."""
    predictor = LatencyPredictor.fit(specs, y.tolist())
    settings = get(space, preset=preset).settings  # type: ignore[attr-defined]
    width, resolution = settings.width, settings.resolution
    cases = {
        "of the space": {},
        "twice as wide": {"width": 2 * width},
        "half as wide": {"width": width / 2},
        "resolution x 0.5": {"resolution": resolution // 2},
        "resolution x 0.86": {"resolution": resolution * 6 // 7},
        "resolution x 2": {"resolution": 2 * resolution},
    }
    found = {}
    for name, changes in cases.items():
        other, rng = get(space, preset=preset, **changes), np.random.default_rng(1)
        found[name] = sum(predictor.predict(other.random(rng)).outside is not None for _ in range(100)) / 100
    return found


def pixel_1() -> dict[str, float]:
    """Each published latency of MnasNet-A1 from the others."""
    specs = [network("mnasnet-a1", width, resolution) for resolution in PIXEL_1_MS for width in WIDTHS]
    y = np.array([ms for row in PIXEL_1_MS.values() for ms in row])
    predict = ours(specs, y)
    everyone = np.arange(len(y))
    return errors(y, np.concatenate([predict(np.delete(everyone, i), everyone[i : i + 1]) for i in everyone]))


def main() -> None:
    """Prints the tables."""
    parser = harness.options(__doc__)
    parser.add_argument("--space", default="mnasnet", help="space of the networks (default: %(default)s)")
    parser.add_argument("--preset", default="digits", help="digits, cifar or imagenet (default: %(default)s)")
    parser.add_argument("--networks", type=int, default=220, help="networks to measure (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each network (default: %(default)s)")
    parser.add_argument("--measured", type=Path, metavar="PATH", help="JSON whose measurements are taken instead")
    arguments = parser.parse_args()

    if arguments.measured:
        saved = json.loads(arguments.measured.read_text(encoding="utf-8"))
        arguments.space, arguments.preset, genomes = saved["space"], saved["preset"], saved["genomes"]
        space, times = get(arguments.space, preset=arguments.preset), np.array(saved["rounds_ms"])
        specs = [space.spec(genome) for genome in genomes]
    else:
        space, rng = get(arguments.space, preset=arguments.preset), np.random.default_rng(0)
        specs = [space.random(rng) for _ in range(arguments.networks)]
        genomes = [space.params(spec) for spec in specs]
        times = measure(specs, arguments.rounds)
    y = times.min(axis=0)

    print(f"\n{len(specs)} networks of {arguments.space} ({arguments.preset}), {y.min():.3g} to {y.max():.3g} ms")
    line = "{:<36}{:>9}{:>9}{:>9}"
    print(line.format("held-out networks", "median", "p90", "tau"))
    result = {"noise: round 1 against the fastest": errors(y, times[0]), **compare(specs, y)}
    for name, row in result.items():
        print(line.format(name, f"{row['median']:.1%}", f"{row['p90']:.1%}", f"{row['kendall_tau']:.3f}"))
    curve = learning_curve(specs, y)
    print("\nfitted  asked   median      p90     tau  in interval  outside   fit s  predict ms")
    for row in curve:
        print(
            f"{row['fitted']:>6}{row['asked']:>7}{row['median']:>9.1%}{row['p90']:>9.1%}{row['kendall_tau']:>8.3f}"
            f"{row['coverage']:>13.0%}{row['outside']:>9.0%}{row['fit_s']:>8.2f}{row['predict_ms']:>12.1f}"
        )
    outside = strangers(specs, y, arguments.space, arguments.preset)
    print("\ncalled outside: " + ", ".join(f"{name} {share:.0%}" for name, share in outside.items()))
    phone = pixel_1()
    print(
        f"MnasNet-A1 on a Pixel 1, each of 25 from the others: median {phone['median']:.1%}, p90 {phone['p90']:.1%}, "
        f"tau {phone['kendall_tau']:.3f}"
    )
    figures = {
        "space": arguments.space,
        "preset": arguments.preset,
        "held_out": result,
        "learning_curve": curve,
        "outside": outside,
        "pixel_1": phone,
        "genomes": genomes,
        "rounds_ms": times.tolist(),
    }
    harness.write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
