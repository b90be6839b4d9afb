"""How good a lookup table is on this machine: one is built for a space and checked on random networks.

Every distinct layer of the space is timed alone in LiteRT, in short visits spread over the whole build; then random
networks are timed whole, in as many visits, and compared with the corrected sums of their layers. A build that was
stopped goes on where it ended. The goal for the space "mnasnet" at 224 pixels on two cores: built in 30 minutes, 90 of
100 networks within 10 %, Kendall's tau at least 0.95.

    python studies/benchmarks/lut_host.py [lut.json] [--space mnasnet] [--preset imagenet] [--resolution 224]
        [--blocks 7] [--networks 100] [--visits 20] [--plot lut.png] [--json figures.json]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mnas_moo import spaces
from mnas_moo.objectives.host.latency import HostLatency
from mnas_moo.objectives.lookup.build import VISIT_SECONDS, VISITS, build
from mnas_moo.objectives.lookup.check import check
from mnas_moo.objectives.lookup.plot import save_plot
from mnas_moo.studies.benchmarks import harness


def main() -> None:
    """Builds, checks and prints."""
    parser = harness.options(__doc__)
    parser.add_argument(
        "table", nargs="?", type=Path, default=Path("lut.json"), help="file of the table (default: %(default)s)"
    )
    parser.add_argument("--space", choices=spaces.SPACES, default="mnasnet", help="space whose layers are timed")
    parser.add_argument("--preset", help="preset of the space")
    parser.add_argument("--resolution", type=int, help="resolution of the space in pixels")
    parser.add_argument("--blocks", type=int, help="number of the space's first blocks to take, for a small run")
    parser.add_argument("--networks", type=int, default=100, help="random networks of the check")
    parser.add_argument("--visits", type=int, default=VISITS, help="most visits to each layer and each network")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random networks")
    parser.add_argument("--plot", type=Path, help="predicted against measured: .png, .svg, .pdf or .html")
    arguments = parser.parse_args()
    settings = {name: getattr(arguments, name) for name in ("preset", "resolution", "blocks")}
    space = spaces.get(arguments.space, **{name: value for name, value in settings.items() if value is not None})
    latency = HostLatency(maximum_seconds=VISIT_SECONDS)
    build_s, table = harness.seconds(
        build, space, latency, arguments.table, visits=arguments.visits, progress=_Progress("layers")
    )
    check_s, report = harness.seconds(
        check,
        arguments.table,
        space,
        latency,
        arguments.networks,
        arguments.seed,
        visits=arguments.visits,
        progress=_Progress("networks"),
    )
    latency.close()
    figures = {
        "device": dict(table.device),
        "layers": len(table.entries),
        "failed_layers": len(table.failures),
        "visits": arguments.visits,
        "build_minutes": build_s / 60,
        "check_minutes": check_s / 60,
        "intercept_ms": report.correction.intercept_ms,
        "part_ms": report.correction.part_ms,
        "slopes": dict(report.correction.slopes),
        **report.figures,
    }
    print(f"{figures['layers']} layers built in {figures['build_minutes']:.1f} minutes on {table.device}")
    print("\n".join(report.lines))
    if arguments.plot:
        save_plot(report, f"{space.name} on {table.device['model']}", arguments.plot)
    networks = {
        "sum_ms": report.sum_ms.tolist(),
        "predicted_ms": report.predicted_ms.tolist(),
        "measured_ms": report.measured_ms.tolist(),
    }
    harness.write_json(arguments.json, {**figures, "each": networks})


class _Progress:
    """Prints a line on the error output at every step."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.start: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if self.start is None:
            self.start = now, done
        began, before = self.start
        left = (now - began) / (done - before) * (total - done) if done > before else float("nan")
        print(f"{self.what}: {done} of {total}, {left / 60:.1f} minutes left", file=sys.stderr)


if __name__ == "__main__":
    main()
