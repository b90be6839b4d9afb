"""What it costs to continue a study of many trials: CPU seconds and memory of a process that adds one trial to it.

    MNAS_MOO_POSTGRES=postgresql+psycopg2://… python studies/benchmarks/reopening.py [--trials 3000 10000]

A study of networks (two counts, so that a trial itself costs nothing) and one of a table, each on SQLite and, where the
environment names a server, on PostgreSQL, in a database that is made for it. The command `mnas-moo run` creates each
study; its trials are then written in bulk, random ones with the note of the default sampler; and `mnas-moo run` adds
one trial. CPU seconds are user and system time of that process, from its start to its end; the server's are not in
them. Memory is the peak of its resident set, beyond the peak of a process that imports torch and nothing else.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.distributions import CategoricalDistribution

from mnas_moo.genomes.history import ATTRIBUTE, key_of
from mnas_moo.genomes.notes import FORMAT
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.run import subject_of
from mnas_moo.running.trials import MEASUREMENTS, NETWORK
from mnas_moo.spaces.text import to_text
from mnas_moo.studies.benchmarks import harness
from mnas_moo.study_file.load import load_study_file

SERVER = "MNAS_MOO_POSTGRES"
"""Environment variable: URL of a database on a PostgreSQL server."""

KINDS = {
    "networks": "space: {mnasnet: {preset: digits}}\ndata: digits\n"
    "objectives: {parameters_m: , multiply_adds_m: }\nsampler: {SAMPLER: {seed: 0}}\n",
    "table": "table: {file: past.csv, parameters: [PARAMETERS], "
    "objectives: {accuracy: maximize, latency_ms: minimize}}\nsampler: {SAMPLER: {seed: 0}}\n",
}
PARAMETERS = [f"p{i}" for i in range(20)]
ROWS = 500


# Linux hands the peak of a process on to the program that it starts, so that the process in between must be small.
METER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=sys.stderr)
wall = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
print(json.dumps({"cpu_seconds": used.ru_utime + used.ru_stime, "wall_seconds": wall, "peak_mb": peak}))
sys.exit(done.returncode)
"""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Attributes:
        cpu_seconds: user and system time.
        wall_seconds: time from its start to its end.
        peak_mb: peak of its resident set, in 10^6 bytes.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def cost(*arguments: str, folder: Path) -> Cost:
    """Runs Python with these arguments in a folder.

    Raises:
        RuntimeError: it fails; the message has what it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-c", METER, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return Cost(**json.loads(done.stdout))


def write_study(folder: Path, kind: str, sampler: str, storage: str) -> Path:
    """Writes a study file, and the table it may need."""
    text = KINDS[kind].replace("PARAMETERS", ", ".join(PARAMETERS)).replace("SAMPLER", sampler)
    path = folder / f"{kind}.yaml"
    path.write_text(f"name: {kind}\nstorage: {storage}\ntrials: 1\n{text}", encoding="utf-8")
    rng = np.random.default_rng(0)
    with (folder / "past.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*PARAMETERS, "accuracy", "latency_ms"])
        for row in rng.integers(0, 3, (ROWS, len(PARAMETERS))):
            writer.writerow([*row, row.mean() / 3, 10.0 + (row**2).sum()])
    return path


def fill(study_file: Path, trials: int, seed: int = 0) -> None:
    """Adds completed trials to a study in a database, as many as are missing.

    Args:
        study_file: file of a study that has been run for one trial.
        trials: number of trials that the study has afterwards.
        seed: seed of their parameters.
    """
    file = load_study_file(study_file)
    subject = subject_of(file)
    engine = sqlalchemy.create_engine(file.storage)
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    of_trials = tables.tables["trials"]
    with engine.begin() as connection:
        studies = tables.tables["studies"]
        study = connection.scalar(sqlalchemy.select(studies.c.study_id).where(studies.c.study_name == file.name))
        of_study = of_trials.c.study_id == study
        there = connection.scalar(sqlalchemy.select(sqlalchemy.func.count()).where(of_study)) or 0
        moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        rows: list[Mapping[str, Any]] = [
            {"number": n, "study_id": study, "state": "COMPLETE", "datetime_start": moment, "datetime_complete": moment}
            for n in range(there, trials)
        ]
        connection.execute(of_trials.insert(), rows)
        ids = connection.scalars(
            sqlalchemy.select(of_trials.c.trial_id)
            .where(of_study, of_trials.c.number >= there)
            .order_by(of_trials.c.number)
        ).all()
        for table, inserted in _contents(subject, ids, np.random.default_rng(seed)).items():
            connection.execute(tables.tables[table].insert(), inserted)
    engine.dispose()


def _contents(subject: Any, ids: Sequence[int], rng: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """Rows of the tables that hold what trials consist of, for random trials with these keys."""
    spelt = {name: optuna.distributions.distribution_to_json(each) for name, each in subject.distributions.items()}
    rows: dict[str, list[dict[str, Any]]] = {
        f"trial_{table}": [] for table in ("params", "values", "user_attributes", "system_attributes")
    }
    for trial in ids:
        params: dict[str, Any] = {}
        for name, each in subject.distributions.items():
            values = each.choices if isinstance(each, CategoricalDistribution) else range(each.low, each.high + 1)
            params[name] = values[int(rng.integers(len(values)))]
            row = {"trial_id": trial, "param_name": name, "param_value": each.to_internal_repr(params[name])}
            rows["trial_params"].append({**row, "distribution_json": spelt[name]})
        numbers = rng.random(2).tolist()
        measurements = {name: {"value": value} for name, value in zip("ab", numbers, strict=True)}
        user: dict[str, Any] = {MEASUREMENTS: measurements}
        if isinstance(subject, NetworkTrials):
            user[NETWORK] = to_text(subject.space.spec(params).canonical())
        canonical = subject.canonical(params) if subject.canonical else params
        note = {"format": FORMAT, "claim": key_of(canonical), "source": "policy"}
        for place, value in enumerate(numbers):
            rows["trial_values"].append({"trial_id": trial, "objective": place, "value": value, "value_type": "FINITE"})
        for table, attributes in (("user", user), ("system", {ATTRIBUTE: note})):
            rows[f"trial_{table}_attributes"] += [
                {"trial_id": trial, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()
            ]
    return rows


@contextlib.contextmanager
def database(server: str) -> Iterator[str]:
    """URL of a new database on a PostgreSQL server, which is removed at the end."""
    url = sqlalchemy.make_url(server)
    name = f"reopening_{secrets.token_hex(4)}"
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def costs_of(kind: str, sampler: str, storage: str, sizes: Sequence[int], folder: Path, repeats: int) -> list[Cost]:
    """The cost of adding a trial to a study that has so many; the medians of the repeats.

    Args:
        kind: one of ``KINDS``.
        sampler: name of the sampler.
        storage: URL of the storage.
        sizes: numbers of trials, ascending.
        folder: folder of the study file and the working folder of its runs.
        repeats: how often a trial is added to a study of each size.
    """
    file = write_study(folder, kind, sampler, storage)
    run = ("-m", "mnas_moo.cli.main", "run", file.name, "--trials")
    cost(*run, "1", folder=folder)
    found = []
    for size in sizes:
        before = Path.cwd()
        os.chdir(folder)
        fill(file, size)
        os.chdir(before)
        each = [vars(cost(*run, str(size + 1 + turn), folder=folder)) for turn in range(repeats)]
        found.append(Cost(**harness.medians(each)))
    return found


def main() -> None:
    """Prints a table of CPU seconds and memory."""
    parser = harness.options(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[3000, 10_000], help="sizes (default: %(default)s)")
    parser.add_argument("--samplers", nargs="+", default=["mnas", "random"], help="samplers (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of study (default: all)")
    parser.add_argument("--repeats", type=int, default=3, help="trials added to each study (default: %(default)s)")
    arguments = parser.parse_args()
    sizes = sorted(arguments.trials)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch = cost("-c", "import torch", folder=folder)
        print(f"import torch: {torch.cpu_seconds:.2f} s of CPU, {torch.peak_mb:.0f} MB\n", flush=True)
        for kind in arguments.kinds:
            for sampler in arguments.samplers:
                with contextlib.ExitStack() as stack:
                    storages = {"SQLite": f"sqlite:///{kind}-{sampler}.db"}
                    if SERVER in os.environ:
                        storages["PostgreSQL"] = stack.enter_context(database(os.environ[SERVER]))
                    for label, storage in storages.items():
                        found = costs_of(kind, sampler, storage, sizes, folder, arguments.repeats)
                        for size, each in zip(sizes, found, strict=True):
                            beyond = each.peak_mb - torch.peak_mb
                            rows.append({"kind": kind, "sampler": sampler, "storage": label, "trials": size})
                            rows[-1] |= {**vars(each), "beyond_torch_mb": beyond}
    head = ("kind", "sampler", "storage", "trials", "CPU s", "wall s", "MB beyond torch")
    keys = ("cpu_seconds", "wall_seconds")
    cells = [
        [str(row[key]) for key in head[:4]] + [f"{row[key]:.2f}" for key in keys] + [f"{row['beyond_torch_mb']:.0f}"]
        for row in rows
    ]
    print(harness.markdown(head, cells, numbers=range(3, 7)))
    harness.write_json(arguments.json, {"import_torch": vars(torch), "reopening": rows})


if __name__ == "__main__":
    main()
