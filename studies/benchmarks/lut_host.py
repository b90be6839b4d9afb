"""How good a lookup table is on this machine: one is built for a space and checked on random networks.

Every distinct layer of the space is timed alone in LiteRT, in short visits spread over the whole build; then random
networks are timed whole, in as many visits, and compared with the corrected sums of their layers. A build that was
stopped goes on where it ended. The goal for the space "mnasnet" at 224 pixels on two cores: built in 30 minutes, 90 of
100 networks within 10 %, Kendall's tau at least 0.95.

    python studies/benchmarks/lut_host.py lut.json [--space mnasnet] [--preset imagenet] [--resolution 224]
        [--blocks 7] [--networks 100] [--visits 20] [--plot lut.png] [--json figures.json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from mnas_moo import spaces
from mnas_moo.objectives.host.latency import HostLatency
from mnas_moo.objectives.lookup.build import VISIT_SECONDS, VISITS, build
from mnas_moo.objectives.lookup.check import check
from mnas_moo.objectives.lookup.plot import save_plot


def main() -> None:
    """Builds, checks and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="the table's file; one that is there is gone on with")
    parser.add_argument("--space", choices=spaces.SPACES, default="mnasnet", help="whose layers")
    parser.add_argument("--preset", help="of the space")
    parser.add_argument("--resolution", type=int, help="of the space, in pixels")
    parser.add_argument("--blocks", type=int, help="of the space: its first so many, for a small run")
    parser.add_argument("--networks", type=int, default=100, help="random networks of the check")
    parser.add_argument("--visits", type=int, default=VISITS, help="to each layer and each network, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the networks")
    parser.add_argument("--plot", type=Path, help="predicted against measured: .png, .svg, .pdf or .html")
    parser.add_argument("--json", type=Path, help="the figures")
    arguments = parser.parse_args()
    settings = {name: getattr(arguments, name) for name in ("preset", "resolution", "blocks")}
    space = spaces.get(arguments.space, **{name: value for name, value in settings.items() if value is not None})
    latency = HostLatency(maximum_seconds=VISIT_SECONDS)
    started = time.perf_counter()
    table = build(space, latency, arguments.table, visits=arguments.visits, progress=_Progress("layers"))
    built = time.perf_counter()
    report = check(
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
        "build_minutes": (built - started) / 60,
        "check_minutes": (time.perf_counter() - built) / 60,
        "intercept_ms": report.correction.intercept_ms,
        "part_ms": report.correction.part_ms,
        "slopes": dict(report.correction.slopes),
        **report.figures,
    }
    print(f"{figures['layers']} layers built in {figures['build_minutes']:.1f} minutes on {table.device}")
    print("\n".join(report.lines))
    if arguments.plot:
        save_plot(report, f"{space.name} on {table.device['model']}", arguments.plot)
    if arguments.json:
        networks = {
            "sum_ms": report.sum_ms.tolist(),
            "predicted_ms": report.predicted_ms.tolist(),
            "measured_ms": report.measured_ms.tolist(),
        }
        arguments.json.write_text(json.dumps({**figures, "each": networks}, indent=1) + "\n", encoding="utf-8")


class _Progress:
    """A line on the error output now and then."""

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
