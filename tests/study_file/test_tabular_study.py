from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from mnas_moo.cli import main as cli
from mnas_moo.objectives.front import is_feasible
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.reports.note import explain
from mnas_moo.reports.past import history
from mnas_moo.running.run import IDENTITY, run_study
from mnas_moo.running.trials import FAILURE, MEASUREMENTS, NETWORK, Observer
from mnas_moo.study_file.network_study import StudyError, load_study_file
from mnas_moo.study_file.tabular_study import TableStudy

FOLDER = os.environ.get("MNAS_MOO_TABLES", "")
bench = pytest.mark.skipif(not FOLDER, reason="MNAS_MOO_TABLES does not name the folder of the published tables")

TEXT = """\
name: past
storage: journal:///past.log
table:
  file: past.csv
  parameters: [width, act]
  objectives: {accuracy: maximize, latency_ms: minimize}
constraints: {memory: {max: 50}}
sampler: {random: {seed: 0}}
trials: 12
"""
PAST = """\
width,act,accuracy,latency_ms,memory
1,relu,0.60,1.0,10
2,relu,0.70,2.0,20
3,relu,,,
1,silu,0.65,1.5,15
2,silu,0.75,2.5,25
3,silu,0.85,3.5,60
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a folder of its own with the table of past trials."""
    monkeypatch.chdir(tmp_path)
    Path("past.csv").write_text(PAST, encoding="utf-8")


def load(*changes: str, **settings: Any) -> TableStudy:
    """The study of ``TEXT`` with texts replaced: old, new, old, new, …"""
    text = TEXT
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    Path("past.yaml").write_text(text, encoding="utf-8")
    study = load_study_file("past.yaml", **settings)
    assert isinstance(study, TableStudy)
    return study


FILE = TEXT[TEXT.index("table:") : TEXT.index("constraints")]
BENCH = (FILE, "table: macro-noisy\n", "memory: {max: 50}", "parameters_m: {max: 2.5}")


def test_a_table_stands_in_the_place_of_space_data_and_objectives() -> None:
    study = load()
    assert study.objective_names == ("accuracy", "latency_ms")
    assert study.directions == ("maximize", "minimize")
    assert study.limits == {"memory": (None, 50.0)}
    assert study.problem.quantities == ("accuracy", "latency_ms", "memory")
    assert study.problem is study.problem


def test_loading_a_study_does_not_touch_its_table() -> None:
    Path("past.csv").unlink()
    study = load()
    with pytest.raises(StudyError, match=r"^past.yaml:3: table: past.csv: there is no such file$"):
        study.problem  # noqa: B018


# ruff: noqa: E501 (a table reads best with one case a line)
BAD = {
    "a space beside it": (("name: past\n", "name: past\nspace: mnasnet\n"), "2: space cannot stand beside table"),
    "no table at all": ((FILE, "tabel: macro\n"), "3: tabel is unknown; did you mean 'table'?"),
    "a list": ((FILE, "table: [macro]\n"), "3: table is ['macro']; it must be the name of a published table, or {file: "),
    "no file": (("  file: past.csv\n", ""), "3: table has no file; a table of one's own needs file, parameters and objectives"),
    "no parameters": (("[width, act]", "[]"), "3: table has no parameters; "),
    "name and file": (("  file:", "  bench: macro\n  file:"), "3: table has bench and file; a published table needs nothing but"),
    "unknown key": (("parameters:", "parmeters:"), "5: table.parmeters is unknown; did you mean 'parameters'?"),
    "unknown direction": (("maximize", "max"), "6: table.objectives.accuracy is 'max'; it must be 'maximize' or 'minimize'"),
    "number for a name": (("[width,", "[3,"), "5: table.parameters.0 is 3; it must be text"),
    "no bound": (("{max: 50}", "{}"), "7: constraints.memory has no bound"),
    "impossible bounds": (("{max: 50}", "{max: 5, min: 6}"), "7: constraints.memory asks for at least 6.0 and at most 5.0"),
    "unknown column": (("[width,", "[widht,"), "3: table: past.csv: column 'widht' is unknown; did you mean 'width'?"),
    "unknown constraint": (("{memory:", "{memry:"), "7: constraints.memry: past.csv: column 'memry' is unknown; did you mean 'memory'?"),
    "nothing feasible": (("{max: 50}", "{max: 5}"), "7: constraints.memory: table past: no known point keeps the bounds"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line_with_its_place(case: str) -> None:
    changes, message = BAD[case]
    with pytest.raises(StudyError) as caught:
        run_study(load(*changes))
    assert str(caught.value).startswith(f"past.yaml:{message}")
    assert "\n" not in str(caught.value)
    assert not Path("past.log").exists()


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ("{cmaes: {seed: 0}}", "sampler.cmaes: cmaes has one objective, not 2"),
        ("mnas-paper", "sampler.mnas-paper.reward is missing"),
        (
            "{mnas-paper: {reward: {mnas: {target: 2, latency: memory}}}}",
            "sampler.mnas-paper.reward.mnas: reward: no obj",
        ),
    ],
)
def test_a_sampler_that_cannot_do_it_is_refused_before_there_is_a_storage(sampler: str, message: str) -> None:
    with pytest.raises(StudyError, match=re.escape(f"past.yaml:8: {message}")):
        run_study(load("{random: {seed: 0}}", sampler))
    assert not Path("past.log").exists()


def test_every_trial_is_a_look_up_with_its_measurements_stored() -> None:
    study = run_study(load())
    completed = study.get_trials(states=(TrialState.COMPLETE,))
    assert len(completed) == 12
    assert study.metric_names == ["accuracy", "latency_ms"]
    rows = {tuple(line.split(",")[:2]): line.split(",")[2:] for line in PAST.splitlines()[1:]}
    for trial in completed:
        row = [float(cell) for cell in rows[str(trial.params["width"]), trial.params["act"]]]
        assert trial.values == row[:2]
        assert trial.user_attrs[MEASUREMENTS] == {
            name: {"value": value} for name, value in zip(("accuracy", "latency_ms", "memory"), row, strict=True)
        }
        assert is_feasible(trial) == (row[2] <= 50)
        assert NETWORK not in trial.user_attrs
    failed = study.get_trials(states=(TrialState.FAIL,))
    assert {(trial.params["width"], trial.params["act"]) for trial in failed} == {(3, "relu")}
    assert all(trial.user_attrs[FAILURE].startswith("the table says that the trial failed") for trial in failed)


@pytest.mark.parametrize(
    "sampler", ["mnas", "{mnas-paper: {reward: {mnas: {target: 2}}}}", "nsga2", "nsga3", "tpe", "gp", "brute"]
)
def test_every_sampler_of_several_objectives_runs_on_a_table(sampler: str) -> None:
    # Some samplers learn nothing from failed trials, and would try the row that failed for ever.
    Path("past.csv").write_text(PAST.replace("3,relu,,,", "3,relu,0.8,3.0,30"), encoding="utf-8")
    wanted = 6 if sampler == "brute" else 12  # there are six points
    study = run_study(load("{random: {seed: 0}}", sampler, "trials: 12", f"trials: {wanted}"))
    assert len(study.get_trials(states=(TrialState.COMPLETE,))) == wanted


def test_a_study_of_one_objective_goes_to_cmaes_too() -> None:
    changes = (
        "{accuracy: maximize, latency_ms: minimize}",
        "{accuracy: maximize}",
        "constraints: {memory: {max: 50}}\n",
        "",
    )
    study = run_study(load(*changes, "{random: {seed: 0}}", "{cmaes: {seed: 0}}"))
    assert len(study.get_trials(states=(TrialState.COMPLETE,))) == 12


def test_ten_trials_and_more_are_as_many_in_one_go_and_another_study_is_refused() -> None:
    run_study(load("{random: {seed: 0}}", "{mnas: {seed: 0}}"), trials=6)
    parts = run_study(load("{random: {seed: 0}}", "{mnas: {seed: 0}}"), trials=12)
    whole = run_study(load("{random: {seed: 0}}", "{mnas: {seed: 0}}", "past.log", "whole.log"))
    assert [trial.params for trial in parts.trials] == [trial.params for trial in whole.trials]
    with pytest.raises(
        StudyError, match=r"past.yaml:7: constraints: the file asks for {memory: {max: 40.0}}, but study"
    ):
        run_study(load("max: 50", "max: 40"))
    with pytest.raises(
        StudyError, match=r"past.yaml:3: table: the file asks for past.csv {parameters: \['act', 'width'\]"
    ):
        run_study(load("[width, act]", "[act, width]"))
    Path("net.yaml").write_text(
        "name: past\nstorage: journal:///past.log\nspace: mnasnet\ndata: digits\n"
        "objectives: {parameters_m: , multiply_adds_m: }\nsampler: random\ntrials: 1\n"
    )
    with pytest.raises(
        StudyError, match=r"net.yaml:1: name: the file is a study of networks of mnasnet, but .* past.csv;"
    ):
        run_study("net.yaml")


def test_a_run_says_how_far_the_forest_can_be_trusted() -> None:
    rng = np.random.default_rng(0)
    rows = [f"{width},relu,{0.5 + width / 100},{1 + width / 10},1" for width in rng.uniform(0, 9, 40)]
    Path("past.csv").write_text("\n".join([PAST.splitlines()[0], *rows]), encoding="utf-8")
    said: list[str] = []

    class Listener(Observer):
        def preparing(self, what: str) -> None:
            said.append(what)

    run_study(load(), trials=2, observer=Listener())
    assert re.fullmatch(
        r"points without a row are answered by a forest; out of bag: accuracy R2 0\.9\d\d, tau .*", said[0]
    )


@bench
def test_a_published_table_needs_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNAS_MOO_TABLES")
    with pytest.raises(
        StudyError, match=r"past.yaml:3: table: macro-noisy is a published table; say where .* --tables DIR"
    ):
        run_study(load(*BENCH))
    with pytest.raises(StudyError, match=r"past.yaml:3: table: .* has no nas_bench_macro/nas_bench_macro.npz"):
        run_study(load(*BENCH, tables="."))
    assert load(*BENCH, tables=FOLDER).objective_names == ("accuracy", "multiply_adds_m")
    monkeypatch.setenv("MNAS_MOO_TABLES", FOLDER)
    assert load(*BENCH).objective_names == ("accuracy", "multiply_adds_m")
    with pytest.raises(StudyError, match=r"past.yaml:4: constraints.memory: table macro-noisy: constraint 'memory' is"):
        run_study(load(FILE, "table: macro-noisy\n"))


@bench
def test_noise_is_new_with_every_trial_and_the_same_in_every_run() -> None:
    problem = bench_table("macro-noisy", FOLDER)
    first, second = (run_study(load(*BENCH, "past.log", f"{run}.log")) for run in "ab")
    assert [trial.values for trial in first.trials] == [trial.values for trial in second.trials]
    errors = [trial.values[0] - problem.measure(trial.params)["accuracy"] for trial in first.trials]
    assert len({round(error, 9) for error in errors}) > 6
    assert max(map(abs, errors)) < 0.02


@bench
def test_conditional_parameters_are_asked_for_where_they_exist() -> None:
    study = run_study(load(FILE, "table: anb-zcu102-conditional\n", "memory: {max: 50}", "parameters_m: {max: 5}"))
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    assert len({len(trial.params) for trial in study.trials}) > 1


def test_a_study_of_networks_has_no_use_for_tables() -> None:
    with pytest.raises(StudyError, match=r"digits.yaml: --tables is for the study of a table"):
        load_study_file("digits", tables=".")
    with pytest.raises(StudyError, match=r"past.yaml: data cannot stand beside table"):
        load(data=".")


def test_the_command_line_runs_a_table_and_refuses_to_show_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    load()
    verbosity = optuna.logging.get_verbosity()
    try:
        assert cli.main(["run", "past.yaml"]) == 0
        out, err = capsys.readouterr()
        assert "75.00 %" in out
        assert "mnas-moo front past.yaml" in err
        assert "mnas-moo show" not in err
        assert cli.main(["front", "past.yaml", "--json"]) == 0
        front = json.loads(capsys.readouterr().out)
        assert front[0]["params"] == {"width": 2, "act": "silu"}
        assert len({tuple(row["params"].values()) for row in front}) == len(front)
        assert cli.main(["show", "past.yaml", "--trial", "0"]) == 2
        err = capsys.readouterr().err
        assert err.startswith(
            "mnas-moo: past is a study of a table, whose trials are no networks that could be shown; "
        )
        assert err.count("\n") == 1
        assert cli.main(["run", "past.yaml", "--tables", "x", "--data", "y"]) == 2
        assert cli.main(["front", "past.yaml", "--plot", "front.svg"]) == 0
    finally:
        optuna.logging.set_verbosity(verbosity)


def test_the_dashboards_note_says_what_a_table_study_is() -> None:
    study = run_study(load())
    identity = study._storage.get_study_system_attrs(study._study_id)[IDENTITY]
    past = history(study.trials, study.directions, study.metric_names)
    note = explain("past", identity, past, "random")
    assert "This study searches the table `past.csv` (2 parameters)" in note
    assert "- constraint: memory at most 50" in note
    assert "network" not in note


SAMPLER = "sampler: {random: {seed: 0}}"


def test_the_default_samplers_settings_reach_it() -> None:
    load(SAMPLER, "sampler: {mnas: {seed: 0, reference_point: {latency_ms: 3}, model_trials: 60}}")
    study = run_study("past.yaml", trials=3)
    state = study.sampler._state(study)  # type: ignore[attr-defined]
    assert state.settings.reference_point == (None, 3)
    assert state.settings.model_trials == 60


def test_a_study_learns_from_another_ones_storage() -> None:
    load()
    run_study("past.yaml", trials=5)
    Path("old.yaml").write_text(Path("past.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    load("name: past", "name: new", SAMPLER, "sampler: {mnas: {seed: 0, source: old.yaml, shared: [accuracy]}}")
    study = run_study("past.yaml", trials=2)
    transfer = study.sampler._state(study).settings.transfer  # type: ignore[attr-defined]
    assert len(transfer.records) == 5
    assert transfer.objectives == {0: 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("reference_point: {latency: 3}", "sampler.mnas.reference_point names 'latency', which is no objective"),
        ("source: old.yaml", "sampler.mnas.source and shared need each other"),
        ("source: past.yaml, shared: [accuracy]", "past.yaml has no trials yet; run it first"),
        ("model_trials: 3", "sampler.mnas.model_trials"),
    ],
)
def test_wrong_settings_of_the_default_sampler_are_one_line(settings: str, message: str) -> None:
    def attempt() -> None:
        load(SAMPLER, f"sampler: {{mnas: {{{settings}}}}}")
        run_study("past.yaml", trials=1)

    with pytest.raises(StudyError, match=re.escape(message)):
        attempt()
