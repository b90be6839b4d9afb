from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest

from mnas_moo.cli.main import main
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.cli.conftest import Run, refused

FAST = ("--network", "mnasnet-small", "--rounds", "1")


def test_networks_and_a_studys_front_are_timed_in_turn(mnas_moo: Run) -> None:
    assert mnas_moo("run", "counts.yaml")[0] == 0
    front = json.loads(mnas_moo("front", "counts.yaml", "--json")[1])
    status, out, _ = mnas_moo("compare-networks", "counts.yaml", "--top", "1", *FAST, "--json")
    assert status == 0
    data = json.loads(out)
    yardstick, small, own = data["networks"]
    assert [yardstick["name"], small["name"], own["trial"]] == ["MobileNetV2", "MnasNet-small", front[0]["trial"]]
    assert own["parameters"] == round(1e6 * front[0]["parameters_m"])
    assert (own["input_shape"], own["classes"]) == ([1, 16, 16], 10)  # its own
    assert 0 < own["to_mobilenetv2"] < small["to_mobilenetv2"] < 1
    assert data["device"]["backend"] == "host"


def test_it_prints_a_table_and_draws(mnas_moo: Run) -> None:
    status, out, err = mnas_moo("compare-networks", *FAST, "--plot", "networks.svg")
    assert status == 0
    assert "MnasNet-small" in out and "(0.31)" in out and "Timed on: " in out
    assert err.endswith("written: networks.svg\n")
    assert Path("networks.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_phone_times_them_by_the_words_of_the_other_verbs(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    device = f"adb: {{benchmark_model: {phones.benchmark_model}, serials: [{phones[0].serial}]}}"
    assert main(["compare-networks", *FAST, "--device", device, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["device"]["backend"] == "adb"
    assert [len(row["rounds_ms"]) for row in data["networks"]] == [1, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--network", "resnet"], "network 'resnet' is unknown; did you mean 'resnet-50'? allowed: mobilenetv2, "),
        (["--plot", "x.jpg"], "x.jpg: its ending is '.jpg'; a comparison is written as one of .html, .pdf, .png, .svg"),
        (["--device", "hots"], "--device: hots is unknown; did you mean 'host'?"),
        (["--rounds", "0"], "--rounds is 0; it must be at least 1"),
        (["counts.yaml", "--top", "0"], "--top is 0; it must be at least 1"),
        (["--top", "2"], "--top is for the networks of a STUDY; name one"),
        (["--storage", "sqlite:///x.db"], "--storage is for the networks of a STUDY; name one"),
        (["nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["counts.yaml"], "counts.yaml:2: storage is sqlite:///counts.db, which is not there"),
    ],
)
def test_wrong_input_is_one_line(words: list[str], message: str, mnas_moo: Run) -> None:
    refused(mnas_moo("compare-networks", *words), message)


def test_a_study_of_a_table_has_no_networks(mnas_moo: Run) -> None:
    Path("table.csv").write_text("a,b,cost\n" + "".join(f"{i % 4},{i},{i * 7 % 5}\n" for i in range(12)))
    Path("table.yaml").write_text(
        "name: table\nstorage: sqlite:///table.db\nsampler: {random: {seed: 0}}\ntrials: 3\n"
        "table: {file: table.csv, parameters: [a, b], objectives: {cost: minimize}}\n"
    )
    refused(
        mnas_moo("compare-networks", "table.yaml"), "table.yaml is a study of a table, whose trials are no networks"
    )


def test_a_study_without_finished_trials_has_none_either(mnas_moo: Run) -> None:
    optuna.create_study(study_name="counts", storage="sqlite:///counts.db", directions=["minimize", "minimize"])
    refused(
        mnas_moo("compare-networks", "counts.yaml"),
        "counts: no trial is finished yet, so there are no networks to compare",
    )


def test_a_trial_of_another_program_is_named(mnas_moo: Run) -> None:
    study = optuna.create_study(study_name="counts", storage="sqlite:///counts.db", directions=["minimize", "minimize"])
    study.add_trial(optuna.create_trial(values=[1.0, 2.0], user_attrs={"network": "nonsense"}))
    refused(mnas_moo("compare-networks", "counts.yaml"), "trial 0 of counts holds no network of ours: token 'nonsense'")
