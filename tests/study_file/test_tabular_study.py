from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from mnas_moo.cli import main as cli
from mnas_moo.reports.note import explain
from mnas_moo.reports.past import history
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.run import run_study
from mnas_moo.study_file.document import StudyError
from tests.study_file.conftest import BENCH, FILE, FOLDER, bench, load_table

pytestmark = pytest.mark.usefixtures("past_table")


def test_a_table_stands_in_the_place_of_space_data_and_objectives() -> None:
    study = load_table()
    assert study.objective_names == ("accuracy", "latency_ms")
    assert study.directions == ("maximize", "minimize")
    assert study.limits == {"memory": (None, 50.0)}
    assert study.problem.quantities == ("accuracy", "latency_ms", "memory")
    assert study.problem is study.problem


def test_loading_a_study_does_not_touch_its_table() -> None:
    Path("past.csv").unlink()
    study = load_table()
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
        run_study(load_table(*changes))
    assert str(caught.value).startswith(f"past.yaml:{message}")
    assert "\n" not in str(caught.value)
    assert not Path("past.log").exists()


@bench
def test_a_published_table_needs_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNAS_MOO_TABLES")
    with pytest.raises(
        StudyError, match=r"past.yaml:3: table: macro-noisy is a published table; say where .* --tables DIR"
    ):
        run_study(load_table(*BENCH))
    with pytest.raises(StudyError, match=r"past.yaml:3: table: .* has no nas_bench_macro/nas_bench_macro.npz"):
        run_study(load_table(*BENCH, tables="."))
    assert load_table(*BENCH, tables=FOLDER).objective_names == ("accuracy", "multiply_adds_m")
    monkeypatch.setenv("MNAS_MOO_TABLES", FOLDER)
    assert load_table(*BENCH).objective_names == ("accuracy", "multiply_adds_m")
    with pytest.raises(StudyError, match=r"past.yaml:4: constraints.memory: table macro-noisy: constraint 'memory' is"):
        run_study(load_table(FILE, "table: macro-noisy\n"))


def test_the_command_line_runs_a_table_and_refuses_to_show_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    load_table()
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
    study = run_study(load_table())
    identity = study._storage.get_study_system_attrs(study._study_id)[IDENTITY]
    past = history(study.trials, study.directions, study.metric_names)
    note = explain("past", identity, past, "random")
    assert "This study searches the table `past.csv` (2 parameters)" in note
    assert "- constraint: memory at most 50" in note
    assert "network" not in note
