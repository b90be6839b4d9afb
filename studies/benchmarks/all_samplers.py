"""All samplers on all published tables, at equal budgets and with the same seeds: see docs/sampler.md.

Six tables of two objectives, and one problem of each other kind: three and four objectives, a limit that most networks
exceed, noise, and conditional parameters. Each is a `mnas-moo compare` in a folder of its own; what is there already is
not made again, so that a stop costs nothing and a sampler can be added later. The page is made of their results alone.

    python studies/benchmarks/all_samplers.py --tables DIR --output build/evidence [--problems …] [--samplers …]
        [--seeds 20] [--trials 400] [--jobs 2] [--json evidence.json]

One table in some minutes, with plots: `mnas-moo compare TABLE.yaml` (docs/compare.md).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mnas_moo.compare.comparison import Lines, Order, compare
from mnas_moo.studies.benchmarks import harness
from mnas_moo.study_file.load import load_study_file

PROBLEMS: Mapping[str, str] = {
    "macro": "table: macro",
    "nb201-cifar10-pixel3": "table: nb201-cifar10-pixel3",
    "nb201-cifar100-raspi4": "table: nb201-cifar100-raspi4",
    "nb201-imagenet16-a50": "table: nb201-imagenet16-a50",
    "anb-zcu102": "table: anb-zcu102",
    "anb-a100": "table: anb-a100",
    "three objectives": "table: anb-zcu102-a100",
    "four objectives": "table: anb-zcu102-a100-macs",
    "limit": "table: anb-zcu102\nconstraints: {parameters_m: {max: 2.7}}",  # four of five random networks exceed it
    "noise": "table: macro-noisy",
    "conditional": "table: anb-zcu102-conditional",
}
"""Name of a problem -> the sections of its study file that say what is searched."""
SAMPLERS = ("mnas", "local", "gp", "botorch", "auto", "tpe", "nsga2", "pymoo-nsga2", "random")
MARKS = (100, 200, 400)
SURE = 0.01
"""Corrected p-value of a paired test below which a difference to the first sampler has a star."""


def result_of(name: str, folder: Path, tables: Path, order: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the missing runs of one problem, and judges all."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "study.yaml"
    file.write_text(
        f"name: {name.replace(' ', '-')}\nstorage: sqlite:///unused.db\n{PROBLEMS[name]}\nsampler: mnas\n"
        f"trials: {order['trials']}\n",
        encoding="utf-8",
    )
    study_file = load_study_file(file, tables=str(tables))
    return compare(Order(study_file, folder=folder / "runs", **order), Lines(sys.stderr))


def page(results: Mapping[str, Mapping[str, Any]], samplers: Sequence[str]) -> str:
    """The mean regrets of all, and how sure the differences to the first sampler are, in Markdown."""
    rows = []
    for name, result in results.items():
        p = {(test["versus"], test["trials"]): test["p_holm"] for test in result["tests"]}
        for sampler in samplers:
            if sampler not in result["samplers"]:
                continue
            found = result["samplers"][sampler]
            regret = dict(zip(found["at_marks"]["trials"], found["at_marks"]["regret"]["mean"], strict=True))
            cells = [name if sampler == samplers[0] else "", sampler]
            for mark in MARKS:
                sure = " *" if p.get((sampler, mark), 1.0) < SURE else ""
                cells.append(f"{regret[mark]:.4f}{sure}" if mark in regret else "-")
            rows.append([*cells, f"{found['sampler_ms']['mean']:.3g}"])
    head = ["problem", "sampler", *(f"{mark}" for mark in MARKS), "ms a trial"]
    return harness.markdown(head, rows, numbers=range(2, len(head)))


def main() -> None:
    """Runs all that is missing and prints the page."""
    parser = harness.options(__doc__, tables="needed", seeds=20, trials=400, jobs=2)
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=PROBLEMS)
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS, metavar="NAME")
    parser.add_argument("--output", type=Path, default=Path("build/evidence"), metavar="DIR")
    arguments = parser.parse_args()
    order = {
        "samplers": arguments.samplers,
        "seeds": arguments.seeds,
        "trials": arguments.trials,
        "jobs": arguments.jobs,
    }
    results = {}
    for name in arguments.problems:
        results[name] = result_of(name, arguments.output / name.replace(" ", "-"), arguments.tables, order)
        harness.write_json(arguments.json, results)
        print(page(results, arguments.samplers), flush=True)


if __name__ == "__main__":
    main()
