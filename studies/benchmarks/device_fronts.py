"""Different devices lead to different fronts: what is lost when the front of one runtime is used on another.

All 378 cells of the table dppnet324 (``mnas_moo.objectives.tabular.dppnet``): accuracy on the digits, the mean of three
trainings, against the latency in LiteRT, float32 and int8, as the table has them. With ``--onnx N``, N of these cells
drawn at random are timed here and now in LiteRT float32, LiteRT int8 and ONNX Runtime float32, the least of several
visits in random order; accuracies are the table's. For each pair of runtimes: how many networks are on the front of
the first, how many of them on that of the second too, how alike the two order all networks by latency (Kendall's tau),
and which share of the hypervolume of the second's front the first's networks lack when they run there. The reference
point is a tenth of the second front's extent beyond its worst values.

    python studies/benchmarks/device_fronts.py [--onnx 60] [--json fronts.json]
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mnas_moo.objectives.front import Floats, hypervolume, pareto_mask, reference_point
from mnas_moo.objectives.host.latency import HostLatency, OnnxLatency
from mnas_moo.objectives.statistics import kendall_tau
from mnas_moo.objectives.tabular.dppnet import Cells
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.spaces.dppnet import DppNetSpace
from mnas_moo.studies.benchmarks import harness
from mnas_moo.studies.tables.dppnet324 import SPACE, VISIT_SECONDS, visited

DIRECTIONS = ("maximize", "minimize")
TABLE = {"LiteRT float32": "latency_ms_float32", "LiteRT int8": "latency_ms_int8"}
"""Runtimes of the table -> their quantities."""


def compare(networks: Sequence[str], accuracy: Floats, latencies: Mapping[str, Floats]) -> dict[str, Any]:
    """The fronts of several runtimes, and each of them on the others.

    Args:
        networks: names of N networks.
        accuracy: (N,) their accuracies.
        latencies: runtime -> (N,) latencies in ms.

    Returns:
        "networks": their number; "fronts": runtime -> the front's [name, accuracy, ms], fastest first; "pairs": for
        each "front" and "used_on" the "size" of the front, the members that are "shared", Kendall's "tau" of the two
        latencies, and "lost", the share of the hypervolume of the second's own front, 0 to 1.
    """
    points = {name: np.stack([accuracy, latency], axis=1) for name, latency in latencies.items()}  # (N, 2)
    on_front = {name: np.flatnonzero(pareto_mask(each, DIRECTIONS)) for name, each in points.items()}
    pairs = []
    for one, other in itertools.permutations(latencies, 2):
        own = points[other][on_front[other]]
        reference = reference_point(own, DIRECTIONS)
        there = hypervolume(points[other][on_front[one]], reference, DIRECTIONS)
        pairs.append(
            {
                "front": one,
                "used_on": other,
                "size": len(on_front[one]),
                "shared": len(np.intersect1d(on_front[one], on_front[other])),
                "tau": kendall_tau(latencies[one], latencies[other]),
                "lost": 1 - there / hypervolume(own, reference, DIRECTIONS),
            }
        )
    fronts = {
        name: [
            [networks[int(i)], float(accuracy[i]), float(latency[i])] for i in sorted(on_front[name], key=latency.item)
        ]
        for name, latency in latencies.items()
    }
    return {"networks": len(networks), "fronts": fronts, "pairs": pairs}


def markdown(figures: Mapping[str, Any]) -> str:
    """The pairs as a table."""
    rows = [
        [
            pair["front"],
            pair["used_on"],
            str(pair["size"]),
            str(pair["shared"]),
            f"{pair['tau']:.2f}",
            f"{100 * pair['lost']:.2f} %",
        ]
        for pair in figures["pairs"]
    ]
    return harness.markdown(
        ["front of", "used on", "networks on it", "on both fronts", "Kendall's tau", "hypervolume lost"],
        rows,
        numbers=(2, 3, 4, 5),
    )


def timed(cells: Sequence[str]) -> tuple[dict[str, Floats], str]:
    """Latencies in ms of cells in each runtime of this machine, (N,) each, and what measured them, in words."""
    space = DppNetSpace(**SPACE)
    specs = {cell: space.spec(space.genome(cell.split("-"))) for cell in cells}
    with contextlib.ExitStack() as stack:
        runtimes = {
            "LiteRT float32": HostLatency(maximum_seconds=VISIT_SECONDS),
            "LiteRT int8": HostLatency(data_type="int8", maximum_seconds=VISIT_SECONDS),
            "ONNX Runtime float32": OnnxLatency(maximum_seconds=VISIT_SECONDS),
        }
        for runtime in runtimes.values():
            stack.callback(runtime.close)
        found = visited(specs, runtimes)
        devices = [runtime.device for runtime in runtimes.values()]
    words = f"{devices[0]['model']}, 1 thread; {', '.join(dict.fromkeys(str(each['runtime']) for each in devices))}"
    return {name: np.array([found[cell, name] for cell in cells]) for name in runtimes}, words


def main() -> None:
    """Prints the tables."""
    parser = harness.options(__doc__)
    parser.add_argument(
        "--onnx", type=int, default=0, metavar="N", help="also time N of the cells here, ONNX Runtime too"
    )
    arguments = parser.parse_args()
    answers = bench_table("dppnet324-growing", "").answers
    assert isinstance(answers, Cells)
    cells, accuracy = list(answers.rows), answers.means["accuracy"]
    if not 0 <= arguments.onnx <= len(cells) or arguments.onnx == 1:
        parser.error(f"--onnx is {arguments.onnx}; the table has {len(cells)} cells, and a front needs at least 2")
    figures = {"table": compare(cells, accuracy, {name: answers.means[each] for name, each in TABLE.items()})}
    print(f"all {len(cells)} cells, latencies of the table:\n\n{markdown(figures['table'])}")
    if arguments.onnx:
        drawn = np.sort(np.random.default_rng(0).choice(len(cells), arguments.onnx, replace=False))
        sample = [cells[i] for i in drawn]
        latencies, words = timed(sample)
        figures["sample"] = {**compare(sample, accuracy[drawn], latencies), "device": words}
        print(f"\n{len(sample)} cells timed here ({words}):\n\n{markdown(figures['sample'])}")
    harness.write_json(arguments.json, figures)


if __name__ == "__main__":
    main()
