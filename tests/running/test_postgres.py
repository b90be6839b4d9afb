"""Many processes on one PostgreSQL, the storage for many machines: also while they are killed and it is restarted."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from optuna.trial import TrialState

from mnas_moo.running.storage import create_storage, open_study
from mnas_moo.running.trials import MEASUREMENTS, NETWORK, SAME_AS
from mnas_moo.running.workers import WORKER
from mnas_moo.study_file.load import load_study_file
from tests.running.postgres import Server

NETWORKS = """\
name: shared
storage: {storage}
space: {{mnasnet: {{preset: digits, blocks: 1}}}}
data: digits
objectives: {{parameters_m: , multiply_adds_m: }}
sampler: {{mnas: {{seed: 0}}}}
trials: 16
"""
TABLE = """\
name: shared
storage: {storage}
table:
  file: {folder}/past.csv
  parameters: [a, b, c, d, e]
  objectives: {{accuracy: maximize, latency_ms: minimize}}
sampler: {sampler}
trials: {trials}
"""
CHOICES = range(1, 7)
CHANGES = """\
CREATE TABLE changes (
  change SERIAL, transaction BIGINT DEFAULT txid_current(), of_table TEXT, operation TEXT, row_now JSONB
);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO changes (of_table, operation, row_now) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(COALESCE(NEW, OLD)));
    RETURN NULL;
  END $$;
"""
"""A table of all that is ever written, in the order in which it is written."""
NOTED = ("trials", "trial_params", "trial_values", "trial_user_attributes", "trial_system_attributes")
STALLED_SECONDS = 300
"""No worker that works goes so long without a trial: the test ends, and says what they said."""


class Change(NamedTuple):
    """What was written to a row of a trial."""

    transaction: int
    table: str
    operation: str
    row: dict[str, Any]


def answers(params: dict[str, int]) -> list[float]:
    """What the table says of its point."""
    a, b, c, d, e = (params[name] for name in "abcde")
    return [0.5 + a / 20 + b * c / 200 - d / 500, a * b + c * d + e / 10]


def write_table(folder: Path, storage: str, sampler: str, trials: int) -> Path:
    """A study of a table with a row for each of its 7776 points."""
    rows = (dict(zip("abcde", point, strict=True)) for point in itertools.product(CHOICES, repeat=5))
    lines = [",".join(map(str, (*row.values(), *answers(row)))) for row in rows]
    (folder / "past.csv").write_text("\n".join(["a,b,c,d,e,accuracy,latency_ms", *lines]), encoding="utf-8")
    path = folder / "shared.yaml"
    text = TABLE.format(folder=folder, storage=storage, sampler=sampler, trials=trials)
    path.write_text(text, encoding="utf-8")
    return path


class Worker:
    """A process `mnas-moo run`."""

    def __init__(self, study: Path, number: int) -> None:
        self.err = study.parent / f"{number}.err"
        with self.err.open("w", encoding="utf-8") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mnas_moo.cli.main", "run", study.name],
                cwd=study.parent,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=err,
            )


def work_under_harm(study: Path, n_workers: int, harms: list[tuple[int, Callable[[], None] | None]]) -> list[Worker]:
    """Runs a study in several processes while harm is done, and returns all processes that there were.

    Args:
        study: the study file.
        n_workers: number of processes at any time.
        harms: after how many completed trials what is done; None: a process, any of them, is killed and another one
            begins in its place.
    """
    rng = random.Random(0)
    workers = [Worker(study, n) for n in range(n_workers)]
    at_work = list(workers)
    study_file = load_study_file(study)
    try:
        storage = create_storage(study_file)

        def completed() -> int:
            names = {each.study_name: each._study_id for each in storage.get_all_studies()}
            if study_file.name not in names:
                return 0
            return len(storage.get_all_trials(names[study_file.name], deepcopy=False, states=(TrialState.COMPLETE,)))

        progress, since = 0, time.monotonic()
        left = sorted(harms, key=lambda harm: harm[0])
        while any(worker.process.poll() is None for worker in workers):
            now = completed()
            if now > progress:
                progress, since = now, time.monotonic()
            assert time.monotonic() < since + STALLED_SECONDS, (progress, *(each.err.read_text() for each in at_work))
            if not left or progress < left[0][0]:
                time.sleep(0.05)
                continue
            time.sleep(rng.uniform(0, 0.5))
            harm = left.pop(0)[1]
            if harm is not None:
                harm()
                continue
            place = rng.randrange(n_workers)
            at_work[place].process.kill()
            at_work[place].process.wait()
            at_work[place] = Worker(study, len(workers))
            workers.append(at_work[place])
        assert not left, f"all workers have ended before all harm was done: {len(left)} are left"
    finally:
        for worker in workers:
            worker.process.kill()
    return workers


def is_whole(server: Server, study: Path, workers: list[Worker], trials: int, *, none_twice: bool) -> None:
    """Asserts that a study lost nothing, has nothing twice, and that each trial was measured by one worker at a time.

    Args:
        server: the server of the study, whose database has a table of changes.
        study: the study file.
        workers: all processes that worked on the study.
        trials: number of trials wanted.
        none_twice: whether the sampler promises not to repeat a point.
    """
    said = {worker.process.pid: worker.err.read_text(encoding="utf-8") for worker in workers}
    for worker in workers:
        err = said[worker.process.pid]
        assert worker.process.returncode in (0, -signal.SIGKILL), err
        assert "Traceback" not in err, err
    killed = {worker.process.pid for worker in workers if worker.process.returncode}
    study_file = load_study_file(study)
    found = open_study(study_file).trials
    assert [trial.number for trial in found] == list(range(trials))
    assert {trial.state for trial in found} == {TrialState.COMPLETE}
    for trial in found:
        assert trial.values == pytest.approx(answers(trial.params))
        assert [trial.user_attrs[MEASUREMENTS][name]["value"] for name in study_file.objective_names] == trial.values
    if none_twice:
        assert len({tuple(sorted(trial.params.items())) for trial in found}) == trials
    # Each was told once: a line of standard error for every trial, at most one of them lost with its worker.
    lines = Counter(
        line.split(":")[0] for err in said.values() for line in err.splitlines() if line.startswith("trial ")
    )
    assert set(lines) <= {f"trial {number}" for number in range(trials)}
    assert set(lines.values()) == {1}, lines.most_common(3)
    assert trials - sum(lines.values()) <= len(killed)
    histories: dict[int, list[Change]] = defaultdict(list)
    for row in server.ask(
        "SELECT transaction, of_table, operation, row_now FROM changes ORDER BY change", study_file.storage
    ):
        histories[row[-1]["trial_id"]].append(Change(*row))
    assert set(histories) == {trial._trial_id for trial in found}, "no trial was ever removed"
    for history in histories.values():
        measured_by_one_at_a_time(history, killed)


def measured_by_one_at_a_time(history: list[Change], killed: set[int]) -> None:
    """Asserts that a trial was completed once, and taken up again from processes only that had been killed.

    Args:
        history: all that was written of the trial.
        killed: the processes.
    """
    assert "DELETE" not in {change.operation for change in history}, history
    completed = [change for change in history if change.table == "trials" and change.row["state"] == "COMPLETE"]
    assert len(completed) == 1, history
    done = history.index(completed[0])
    held_by = [note["run"] for change in history[:done] if (note := note_in(change))][-1]
    later = [
        change
        for change in history[done:]
        if change.transaction != completed[0].transaction
        # A worker renews its note beside its work, and may just do so.
        and (note_in(change) or {}).get("run") != held_by
    ]
    assert not later, ("something was written after the trial was complete", history[:done], later)
    kept = [change for change in history if change.table in ("trial_params", "trial_values")]
    assert {change.operation for change in kept} == {"INSERT"}, "a parameter or a result was changed"
    owners = [note for change in history if (note := note_in(change))]
    for before, after in itertools.pairwise(owners):
        assert before["run"] == after["run"] or before["process"] in killed, history


def note_in(change: Change) -> dict[str, Any] | None:
    """The note of a worker that was written."""
    return json.loads(change.row["value_json"]) if change.row.get("key") == WORKER else None


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random: {seed: null}", "mnas: {seed: 0}"])
def test_two_thousand_trials_outlive_kills_restarts_and_cut_connections(
    tmp_path: Path, server: Server, postgres: str, sampler: str
) -> None:
    trials = 2000
    study = write_table(tmp_path, postgres, f"{{{sampler}}}", trials)
    create_storage(load_study_file(study))
    server.ask(CHANGES, postgres)
    for table in NOTED:
        made = f"CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON {table}"
        server.ask(f"{made} FOR EACH ROW EXECUTE FUNCTION note_change()", postgres)
    rng = random.Random(0)
    late = trials - 100
    kills = [(rng.randrange(late), None) for _ in range(60)]
    cuts = [(rng.randrange(late), lambda: server.cut(0.3)) for _ in range(40)]
    restarts = [(late * n // 4, lambda: server.restart(rng.uniform(0, 3))) for n in (1, 2, 3)]
    workers = work_under_harm(study, 16, [*kills, *cuts, *restarts])
    assert sum(worker.process.returncode == -signal.SIGKILL for worker in workers) >= 50
    is_whole(server, study, workers, trials, none_twice=sampler.startswith("mnas"))


def test_two_processes_share_a_study_without_trying_a_network_twice(tmp_path: Path, postgres: str) -> None:
    file = tmp_path / "shared.yaml"
    file.write_text(NETWORKS.format(storage=postgres), encoding="utf-8")
    workers = [Worker(file, n) for n in range(2)]
    assert [worker.process.wait() for worker in workers] == [0, 0], [worker.err.read_text() for worker in workers]
    trials = open_study(load_study_file(file)).trials
    assert [trial.number for trial in trials] == list(range(16))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    twice = [network for network, n in Counter(trial.user_attrs[NETWORK] for trial in trials).items() if n > 1]
    assert not twice
    assert not [trial for trial in trials if SAME_AS in trial.user_attrs]
    # Each line on standard error is a trial of that process: both took part.
    assert all("trial " in worker.err.read_text(encoding="utf-8") for worker in workers)
