"""Makes the table of all cells of four layers of the space dppnet, and of all shorter ones, trained on real images.

The images are scikit-learn's 1,797 handwritten digits at their own 8 x 8 pixels. Each of the 324 cells of four layers,
and of the 36 + 18 shorter ones (a last norm that is none is no layer), is trained three times, with another seed and
another part held out each time, on one core: about a second a training. Latencies are those of LiteRT on this machine,
float32 and int8, one thread: each the least of several visits in random order, since other work only adds time.

    nice python -m mnas_moo.studies.tables.dppnet324       trains: 20 minutes; interrupted, the same command goes on
    python -m mnas_moo.studies.tables.dppnet324 --latency  measures the latencies, on an idle machine

The file is objectives/tabular/dppnet324.json, which ``mnas_moo.objectives.tabular.dppnet`` reads as a problem.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mnas_moo.objectives.host.latency import HostLatency, ProcessLatency
from mnas_moo.objectives.host.process import cpu_name
from mnas_moo.objectives.training.accuracy import Accuracy
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.spaces.dppnet import DppNetSpace
from mnas_moo.spaces.spec import NetworkSpec

FILE = Path(__file__).resolve().parents[2] / "objectives" / "tabular" / "dppnet324.json"
SPACE: dict[str, Any] = {"preset": "digits", "resolution": 8, "stem_stride": 1}
TRAINING: dict[str, Any] = {"epochs": 5, "batch_size": 128, "threads": 1, "device": "cpu"}
SEEDS = 3
VISITS = 4
VISIT_SECONDS = 0.05


def main() -> None:
    """Trains what is not trained yet, or measures latencies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", action="store_true", help="measure the latencies in place of training")
    arguments = parser.parse_args()
    space = DppNetSpace(**SPACE)
    table = json.loads(FILE.read_text()) if FILE.exists() else {"space": SPACE, "training": TRAINING, "cells": {}}
    if (table["space"], table["training"]) != (SPACE, TRAINING):
        raise SystemExit(f"{FILE} was made with other settings; move it away to begin anew")
    for cell in cells(space):
        spec = space.spec(space.genome(cell))
        counts = {"parameters": spec.parameters, "multiply_adds": spec.multiply_adds}
        table["cells"].setdefault("-".join(cell), {**counts, "peak_memory_bytes": spec.peak_memory_bytes})
    (measure if arguments.latency else train)(table, space)


def cells(space: DppNetSpace) -> list[tuple[str, ...]]:
    """All cells, those of four layers first."""
    return sorted((spec.layers[0].cell for spec in space.covering()), key=len, reverse=True)


def train(table: dict[str, Any], space: DppNetSpace) -> None:
    """Trains each cell so often as it is not trained yet."""
    accuracy = Accuracy(load_data("digits", resolution=SPACE["resolution"]), **TRAINING)
    began = written = time.monotonic()
    groups = [
        [cell for cell in cells(space) if (len(cell) == space.settings.longest, "learned1x1" in cell) == group]
        for group in ((True, False), (True, True), (False, False), (False, True))
    ]
    missing = [
        (cell, seed)
        for group in groups
        for seed, cell in itertools.product(range(SEEDS), group)
        if len(table["cells"]["-".join(cell)].get("accuracy", ())) <= seed
    ]
    for i, (cell, seed) in enumerate(missing, start=1):
        row = table["cells"]["-".join(cell)]
        result = accuracy.train(space.spec(space.genome(cell)), seed=0, number=seed)
        row.setdefault("accuracy", []).append(round(float(result["accuracy"]), 5))  # type: ignore[arg-type]
        row.setdefault("train_seconds", []).append(round(float(result["seconds"]), 2))  # type: ignore[arg-type]
        if time.monotonic() - written > 10 or i == len(missing):
            written = time.monotonic()
            write(table)
            print(f"{i} of {len(missing)} trainings, {(written - began) / i:.2f} s each", flush=True)


def measure(table: dict[str, Any], space: DppNetSpace) -> None:
    """Times each cell ``VISITS`` times in float32 and in int8 and keeps the least of each."""
    with contextlib.ExitStack() as stack:
        runtimes = {
            name: stack.enter_context(
                contextlib.closing(HostLatency(data_type=data_type, maximum_seconds=VISIT_SECONDS))
            )
            for name, data_type in (("latency_ms_float32", "float32"), ("latency_ms_int8", "int8"))
        }
        table["device"] = {"cpu": cpu_name(), "runtime": runtimes["latency_ms_int8"].device["runtime"], "threads": 1}
        specs = {"-".join(cell): space.spec(space.genome(cell)) for cell in cells(space)}
        found = visited(specs, runtimes)
    for (text, name), value in found.items():
        table["cells"][text][name] = round(value, 5)
    write(table)


def visited(specs: Mapping[str, NetworkSpec], runtimes: Mapping[str, ProcessLatency]) -> dict[tuple[str, str], float]:
    """The least latency in ms of each network in each runtime, of ``VISITS`` visits in random order.

    Args:
        specs: networks by their names.
        runtimes: runtimes by their names.
    """
    rng = np.random.default_rng(0)
    found: dict[tuple[str, str], float] = {}
    pairs = list(itertools.product(specs, runtimes))
    for visit in range(VISITS):
        for i in rng.permutation(len(pairs)):
            text, name = pairs[i]
            value = runtimes[name]._measure(specs[text]).value  # each visit anew: a measurement would be kept
            found[text, name] = min(value, found.get((text, name), value))
        print(f"visit {visit + 1} of {VISITS}", file=sys.stderr, flush=True)
    return found


def write(table: dict[str, Any]) -> None:
    """Writes the table, a cell a line."""
    head = {key: each for key, each in table.items() if key != "cells"}
    lines = ",\n".join(f"{json.dumps(text)}: {json.dumps(row)}" for text, row in table["cells"].items())
    with whole_file(FILE) as part:
        part.write_text(json.dumps(head)[:-1] + ', "cells": {\n' + lines + "\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
