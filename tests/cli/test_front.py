from __future__ import annotations

import json
from pathlib import Path

import optuna

from tests.cli.conftest import Run, refused


def test_front_as_table_csv_json_and_picture(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    best = {trial.number for trial in optuna.load_study(study_name="counts", storage="sqlite:///counts.db").best_trials}
    status, table, _ = mnas_moo("front", "counts.yaml")
    assert status == 0
    assert {
        int(line.split()[0]) for line in table.splitlines() if line.split()[:1] and line.split()[0].isdigit()
    } == best
    records = json.loads(mnas_moo("front", "counts.yaml", "--json")[1])
    assert {record["trial"] for record in records} == best
    assert set(records[0]) == {"trial", "params", "network", "parameters_m", "multiply_adds_m"}
    lines = mnas_moo("front", "counts.yaml", "--csv")[1].splitlines()
    assert lines[0].startswith("trial,parameters_m,multiply_adds_m,network,block1.operation,")
    assert len(lines) == 1 + len(best)
    status, out, err = mnas_moo("front", "counts.yaml", "--plot", "front.svg")
    assert (status, out, err) == (0, "", "written: front.svg\n")
    assert "<svg" in Path("front.svg").read_text(encoding="utf-8")
    refused(mnas_moo("front", "counts.yaml", "--plot", "front.gif"), "front.gif: its ending is '.gif'")
    refused(mnas_moo("front", "counts.yaml", "--plot", "no/front.svg"), "no/front.svg: No such file or directory")


def test_a_study_without_a_finished_trial_has_no_front(mnas_moo: Run) -> None:
    optuna.create_study(study_name="counts", storage="sqlite:///counts.db", directions=["minimize"] * 2)
    assert mnas_moo("front", "counts.yaml") == (0, "", "counts: no trial is finished yet, so there is no front\n")
    assert mnas_moo("front", "counts.yaml", "--json") == (0, "[]\n", "")


def test_a_pick_is_told_with_its_reason_and_marked_in_the_pictures(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    status, out, _ = mnas_moo("front", "counts.yaml", "--pick", "panacea")
    assert status == 0
    assert "Good at everything: of the front's" in out
    records = json.loads(mnas_moo("front", "counts.yaml", "--pick", "panacea", "--json")[1])
    assert [pick["title"] for record in records for pick in record["picks"]] == ["panacea"]
    for name in ("front.svg", "front.html"):
        assert mnas_moo("front", "counts.yaml", "--pick", "panacea", "--plot", name)[0] == 0
    assert "panacea" in Path("front.html").read_text(encoding="utf-8")
    refused(
        mnas_moo("front", "counts.yaml", "--pick", "fastest"), "--pick fastest needs an objective that is a latency"
    )
