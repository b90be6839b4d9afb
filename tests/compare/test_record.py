from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import optuna
import pytest

from mnas_moo.compare import contenders, record
from mnas_moo.compare.tabular_run import play
from mnas_moo.compare.timed_sampler import SAMPLER_MS
from tests.compare.conftest import SPACE, figures, formula, same


def test_a_run_comes_back_from_its_file(tmp_path: Path) -> None:
    run = play(formula(conditional=True, bounds={"latency_ms": (None, 10.0)}), "random", 2, 15)
    file = tmp_path / "runs" / "random-2.npz"
    record.save(run, file)
    loaded = record.load(file)
    assert loaded is not None
    assert same(run, loaded)
    assert (loaded.sampler, loaded.seed, loaded.ended, loaded.limit_ms) == ("random", 2, "trials", math.inf)
    assert [path.name for path in file.parent.iterdir()] == ["random-2.npz"]


def test_what_is_no_run_counts_as_none(tmp_path: Path) -> None:
    assert record.load(tmp_path / "none.npz") is None
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 and then the power failed")
    assert record.load(tmp_path / "torn.npz") is None
    np.savez(tmp_path / "other.npz", words=np.array('{"format": 0}'))
    assert record.load(tmp_path / "other.npz") is None


def test_a_run_with_a_smaller_budget_is_the_beginning_of_one_with_a_larger() -> None:
    long = play(formula(), "random", 0, 30)
    short = long.within(10, math.inf)
    assert short is not None
    assert same(short, play(formula(), "random", 0, 10))
    assert long.within(31, math.inf) is None
    timed = long.within(30, float(long.sampler_ms[:7].sum()) - 1e-6)
    assert timed is not None
    assert (len(timed), timed.ended) == (7, "time")
    exhausted = play(formula(), "brute", 0, 200)
    assert exhausted.within(1000, math.inf) == exhausted


def test_trials_of_a_study_become_a_run_and_failed_ones_are_left_out() -> None:
    task = contenders.Task(SPACE, 2, 1)
    study = optuna.create_study(directions=["maximize", "minimize"])
    for layers, violation in ((1, -1.0), (6, 0.5)):
        params = {"operation": "mbconv", "layers": layers, "width": 1.0}
        study.add_trial(
            optuna.create_trial(
                params=params,
                distributions={name: SPACE[name] for name in params},
                values=list(figures(params).values()),
                user_attrs={SAMPLER_MS: 2.5} if layers == 1 else {},
                system_attrs={"constraints": [violation]},
            )
        )
    study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL))
    run = record.of_trials(study.trials, task, "nsga2", 3, "exhausted")
    assert (len(run), run.sampler, run.seed, run.ended) == (2, "nsga2", 3, "exhausted")
    np.testing.assert_array_equal(run.genomes, [[2, 1, 1.0, math.nan], [2, 6, 1.0, math.nan]])
    assert run.values.tolist() == run.told.tolist() == [trial.values for trial in study.trials[:2]]
    assert (run.violations.tolist(), run.feasible.tolist()) == ([[-1.0], [0.5]], [True, False])
    np.testing.assert_array_equal(run.sampler_ms, [2.5, math.nan])


def test_a_run_becomes_the_trials_that_it_was_made_of() -> None:
    run = play(formula(conditional=True, fails=True), "random", 1, 30)
    trials = record.trials_of(run, SPACE)
    assert record.genomes_of([trial.params for trial in trials], SPACE).tobytes() == run.genomes.tobytes()
    assert {trial.state.name for trial in trials} == {"COMPLETE", "FAIL"}
    assert [trial.user_attrs[SAMPLER_MS] for trial in trials] == run.sampler_ms.tolist()


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(out: object, **_: object) -> None:
        raise OSError("disk full")

    run = play(formula(), "random", 0, 3)
    monkeypatch.setattr(np, "savez_compressed", torn)
    with pytest.raises(OSError, match="disk full"):
        record.save(run, tmp_path / "a.npz")
    assert not (tmp_path / "a.npz").exists()
    assert record.load(tmp_path / "a.npz") is None
