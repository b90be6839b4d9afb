"""What a measurement on a phone takes besides benchmark_model itself, on a virtual phone on loopback. Prints Markdown.

    python studies/benchmarks/phone_overhead.py [--json phone_overhead.json]

Networks are measured one by one, as trials of a study ask for them; each with its reference checks. The benchmark's own
time is that of its processes, from before the start of each to its end, taken by a wrapper around the stand-in on the
phone; the runs alone, without the start of the stand-in (a Python program, some 40 ms), are in the phone's log.
The rest is ours: writing the model, adb's server, the phone's shell, the lock, the temperatures.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from mnas_moo.objectives.phone.latency import AdbLatency
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from mnas_moo.spaces import network
from mnas_moo.studies.benchmarks import harness

NETWORKS = ("mnasnet-small", "mobilenetv2", "mnasnet-a1")
TURNS = 5  # measurements of each, by networks that differ in their number of classes

# Its times lie beside it (bash has a clock of its own); the stand-in is found by its name, as any program there.
WRAPPER = """\
#!/bin/bash
start=$EPOCHREALTIME
benchmark_model_of_virtual_phone "$0" "$@"
code=$?
echo "$start $EPOCHREALTIME" >> "$0.times"
exit $code
"""


@dataclass(frozen=True)
class Row:
    """One measurement; times in seconds.

    Attributes:
        network: name of the network.
        wall: time from asking to the result.
        processes: part of it in which benchmark_model existed.
        runs: part of that in which it ran the model.
        invocations: number of starts of benchmark_model.
    """

    network: str
    wall: float
    processes: float
    runs: float
    invocations: int

    @property
    def overhead(self) -> float:
        """Time besides benchmark_model."""
        return self.wall - self.processes


def main() -> None:
    """Measures, prints the table, writes the JSON."""
    arguments = harness.options(__doc__).parse_args()
    with VirtualPhones(1) as phones, tempfile.TemporaryDirectory() as folder:
        os.environ.update(phones.environment)
        program = Path(folder) / "benchmark_model"
        program.write_text(WRAPPER, encoding="utf-8")
        # This machine's noise is not what is measured: wide bounds, so that nothing is timed twice for it.
        latency = AdbLatency(benchmark_model=program, precision=0.5, drift=0.5)
        latency.measure(network(NETWORKS[0], classes=10), 0)  # brings program and reference
        rows = [measure(phones, latency, name, 1000 - turn) for turn in range(TURNS) for name in NETWORKS]
        latency.close()
    lines = []
    for name in NETWORKS:
        own = [row for row in rows if row.network == name]
        times = [{"wall": row.wall, "processes": row.processes, "runs": row.runs} for row in own]
        overheads = [row.overhead for row in own]
        figures = [f"{median:.2f}" for median in harness.medians(times).values()]
        figures += [f"{statistics.median(overheads):.3f}", f"{max(overheads):.3f}"]
        lines.append([name, str(own[0].invocations), *figures])
    head = ("network", "invocations", "wall s", "benchmark_model s", "its runs s", "overhead s: median", "most")
    print(harness.markdown(head, lines))
    harness.write_json(arguments.json, [{**asdict(row), "overhead": row.overhead} for row in rows])


def measure(phones: VirtualPhones, latency: AdbLatency, name: str, classes: int) -> Row:
    """Measures one network."""
    spec = network(name, classes=classes)
    (times,) = phones[0].root.glob("data/local/tmp/mnas_moo/*/benchmark_model.times")
    times.unlink()
    first = len(phones[0].log)
    wall, _ = harness.seconds(latency.measure, spec, 0)
    spans = [[float(word) for word in line.split()] for line in times.read_text(encoding="ascii").splitlines()]
    runs = [event for event in phones[0].log[first:] if event.kind == "benchmark" and event.end is not None]
    return Row(
        name,
        wall,
        sum(end - begin for begin, end in spans),
        sum(event.end - event.start for event in runs if event.end is not None),
        len(spans),
    )


if __name__ == "__main__":
    main()
