from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mnas_moo.compare import record
from mnas_moo.compare.timed_sampler import SAMPLER_MS
from tests.compare.conftest import Compare, figures, refused
from tests.compare.test_workers import wait_for


def results(folder: str = "small_comparison") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "results.json").read_text(encoding="utf-8"))
    return found


def untimed(found: dict[str, Any]) -> dict[str, Any]:
    """Without the samplers' times, which no two runs share."""
    for sampler in found["samplers"].values():
        del sampler["sampler_ms"]
    return found


def test_a_comparison_of_three_samplers_on_past_trials(compare: Compare) -> None:
    options = "--samplers random,nsga2,mnas --seeds 2 --jobs 2 --trials 30 --target-latency-ms 9"
    words = ("small.yaml", *options.split())
    status, out, err = compare(*words)
    assert status == 0
    assert "small: mean hypervolume regret after so many trials, 2 seeds" in out
    assert "mnas against each other sampler" in out
    assert "(6 of 6 runs)" in err
    assert "plots: small_comparison/comparison.html" in err
    found = results()
    assert list(found["samplers"]) == ["random", "nsga2", "mnas"]
    assert (found["marks"], found["seeds"]) == ([30], [0, 1])
    assert found["best_hypervolume_of"] == "problem"
    for sampler in found["samplers"].values():
        assert 0 <= sampler["at_marks"]["regret"]["mean"][0] < 1
        assert sampler["sampler_ms"]["mean"] > 0
        assert sampler["best_reward"]["trials"] == [30]
    assert "plotly.js v" in Path("small_comparison/comparison.html").read_text(encoding="utf-8")

    storage = JournalStorage(JournalFileBackend("small_comparison/studies.journal"))
    names = {f"small {sampler} seed {seed}" for sampler in found["samplers"] for seed in (0, 1)}
    assert set(optuna.get_all_study_names(storage)) == names
    for name in names:
        study = optuna.load_study(study_name=name, storage=storage)
        assert study.metric_names == ["accuracy", "latency_ms"]
        assert len(study.trials) == 30
        for trial in study.trials:
            assert trial.values == pytest.approx(list(figures(trial.params).values()))
            assert trial.user_attrs[SAMPLER_MS] > 0

    before = Path("small_comparison/studies.journal").stat().st_size
    status, out, err = compare(*words, "--json")
    assert (status, json.loads(out)) == (0, results())
    assert "6 of 6 runs are there already" in err
    assert Path("small_comparison/studies.journal").stat().st_size == before


def test_more_trials_seeds_and_samplers_go_on_and_fewer_are_a_part(compare: Compare) -> None:
    compare("small.yaml", "--samplers", "random", "--seeds", "2", "--trials", "30", "--output", "out")
    first = results("out")
    status, _, err = compare(
        "small.yaml", "--samplers", "random,brute", "--seeds", "3", "--trials", "40", "--output", "out"
    )
    assert status == 0
    assert "(6 of 6 runs)" in err
    _, _, err = compare("small.yaml", "--samplers", "random", "--seeds", "2", "--trials", "30", "--output", "out")
    assert "2 of 2 runs are there already" in err
    assert untimed(results("out")) == untimed(first)


def test_a_stopped_comparison_goes_on_to_what_an_unbroken_one_gives(compare: Compare) -> None:
    words = ("small.yaml", "--samplers", "nsga2,random", "--seeds", "6", "--trials", "50", "--output")
    compare(*words, "unbroken")
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from mnas_moo.cli.main import main\n"
        "if __name__ == '__main__': sys.exit(main(sys.argv[1:]))\n"
    )
    Path("program.py").write_text(program, encoding="utf-8")
    there = 0
    for how in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            [sys.executable, "program.py", "compare", *words, "broken"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda there=there: runs_in("broken") > there)  # type: ignore[misc]
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
        assert process.returncode == (130 if how == signal.SIGINT else -how)
        assert "Traceback" not in err
        assert (how == signal.SIGINT) == ("stopped; what is finished is saved, and the same command goes on" in err)
        time.sleep(0.3)  # the last run may have been about to be written
        there = runs_in("broken")
    assert 2 <= there < 12, "it was stopped too late to tell anything"
    _, _, err = compare(*words, "broken")
    assert f"{there} of 12 runs are there already" in err
    assert untimed(results("broken")) == untimed(results("unbroken"))
    for file in Path("unbroken/runs").iterdir():
        unbroken, broken = (record.load(Path(folder, "runs", file.name)) for folder in ("unbroken", "broken"))
        assert unbroken is not None
        assert broken is not None
        assert np.array_equal(unbroken.genomes, broken.genomes)
    assert not list(Path("broken").rglob(".*.part.*"))


def runs_in(folder: str) -> int:
    return len(list(Path(folder, "runs").glob("[!.]*.npz")))


def test_a_real_study_is_compared_trial_by_trial_in_its_studies(compare: Compare) -> None:
    Path("counts.yaml").write_text(
        "name: counts\nstorage: sqlite:///unused.db\nspace: {mnasnet: {preset: digits, blocks: 2}}\ndata: digits\n"
        "objectives: {parameters_m: , multiply_adds_m: }\nconstraints: {parameters_m: {max: 0.01}}\n"
        "sampler: random\ntrials: 5\n",
        encoding="utf-8",
    )
    words = ("counts.yaml", "--samplers", "random,pymoo-nsga2", "--seeds", "1")
    assert compare(*words, "--trials", "3")[0] == 0
    storage = JournalStorage(JournalFileBackend("counts_comparison/studies.journal"))
    name = "counts pymoo-nsga2 seed 0"
    first = optuna.load_study(study_name=name, storage=storage).trials
    assert len(first) == 3
    assert compare(*words)[0] == 0
    trials = optuna.load_study(study_name=name, storage=storage).trials
    assert len(trials) == 5
    assert [trial.values for trial in trials[:3]] == [trial.values for trial in first]
    assert all(trial.user_attrs[SAMPLER_MS] > 0 and trial.user_attrs["network"] for trial in trials)
    found = results("counts_comparison")
    assert (found["best_hypervolume_of"], found["reference_point_of"]) == ("runs", "runs")
    assert not Path("unused.db").exists()
    assert compare(*words, "--time-limit", "1e-6", "--output", "timed")[0] == 0
    timed = results("timed")["samplers"]["random"]
    assert (timed["trials"], timed["ended"]["time"]) == (1, 1)


def test_a_sampler_that_cannot_is_left_out_and_the_others_go_on(compare: Compare) -> None:
    status, _, err = compare("small.yaml", "--samplers", "cmaes,mnas-paper,random", "--seeds", "1", "--trials", "10")
    assert status == 0
    assert "cmaes is left out: cmaes has one objective, not 2" in err
    assert "mnas-paper is left out: mnas-paper needs a reward" in err
    found = results()
    assert list(found["samplers"]) == ["random"]
    assert set(found["left_out"]) == {"cmaes", "mnas-paper"}
    words = ("small.yaml", "--samplers", "mnas-paper", "--seeds", "1", "--trials", "10", "--target-latency-ms", "9")
    assert compare(*words)[0] == 0


def test_a_target_needs_an_accuracy_and_a_latency(compare: Compare) -> None:
    text = Path("small.yaml").read_text(encoding="utf-8").replace("accuracy: maximize, ", "")
    Path("one.yaml").write_text(text, encoding="utf-8")
    refused(compare("one.yaml", "--target-latency-ms", "9"), "a target latency is for the objectives accuracy and")


def test_a_folder_of_something_else_is_refused(compare: Compare) -> None:
    words = ("small.yaml", "--samplers", "random", "--seeds", "1", "--trials", "5")
    compare(*words)
    past = Path("past.csv")
    past.write_text(past.read_text(encoding="utf-8").replace("conv,1,0.5,False,0.3", "conv,1,0.5,False,0.4"))
    past.write_text(past.read_text(encoding="utf-8").replace("conv,", "plainconv,"), encoding="utf-8")
    refused(compare(*words), "small_comparison holds a comparison on another problem: ", "name another folder")
    Path("full").mkdir()
    Path("full/thesis.tex").touch()
    refused(compare(*words, "--output", "full"), "full is there and holds no comparison")
