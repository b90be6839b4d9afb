from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from PIL import Image

from mnas_moo.cli.main import main
from mnas_moo.objectives.objective import Measurement
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from mnas_moo.running import objectives
from mnas_moo.running.run import run_study
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.load import load_study_file
from tests.cli.conftest import Run, change


def test_run_prints_a_line_a_trial_the_front_and_what_comes_next(mnas_moo: Run) -> None:
    status, out, err = mnas_moo("run", "counts.yaml")
    assert status == 0
    assert re.findall(r"^trial (\d): parameters_m [\d.]+, multiply_adds_m [\d.]+ \((\d) of 4, ", err, re.M) == [
        ("0", "1"), ("1", "2"), ("2", "3"), ("3", "4"),
    ]  # fmt: skip
    assert "parameters_m" in out
    assert "counts: 4 trials are finished" in err
    assert "mnas-moo front counts.yaml --plot front.svg" in err


def test_a_finished_study_says_so_and_how_to_add_trials(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    status, _, err = mnas_moo("run", "counts.yaml")
    assert status == 0
    assert "counts is finished: it wants 4 trials and has 4. To add some: mnas-moo run counts.yaml --trials 8" in err
    assert "trial 0" not in err
    _, out, _ = mnas_moo("run", "counts.yaml", "--trials", "6", "--json")
    assert {record["trial"] for record in json.loads(out)} <= set(range(6))
    assert len(optuna.load_study(study_name="counts", storage="sqlite:///counts.db").trials) == 6


def images(folder: str, **classes: int) -> None:
    """A folder of images: names of classes and how many they have."""
    Path(folder).mkdir()
    for name, count in classes.items():
        Path(folder, name).mkdir()
        for i in range(count):
            Image.new("L", (16, 16), 16 * i).save(Path(folder, name, f"{i}.png"))


def corrupt_image() -> None:
    images("images", a=4, b=4)
    Path("images/b/3.png").write_bytes(b"\x89PNG no more")


# ruff: noqa: E501 (a table reads best with one case a line)
BAD_INPUT: dict[str, tuple[Callable[[], None], str]] = {
    "a missing file": (lambda: Path("counts.yaml").unlink(), "counts.yaml: there is no such file, and no bundled study"),
    "YAML that does not parse": (lambda: change("data: digits", "data: ["), "counts.yaml:6: not valid YAML: "),
    "an unknown key": (lambda: change("trials:", "trails:"), "counts.yaml:7: trails is unknown; did you mean 'trials'?"),
    "a wrong type": (lambda: change("trials: 4", "trials: four"), "counts.yaml:7: trials is 'four'; it must be a whole number"),
    "an unknown space": (lambda: change("{mnasnet:", "{mnasnt:"), "counts.yaml:3: space.mnasnt is unknown; did you mean 'mnasnet'?"),
    "no such folder": (lambda: change("data: digits", "data: nowhere"), "counts.yaml:4: data: nowhere is no folder"),
    "an empty data folder": (lambda: (change("data: digits", "data: images"), images("images")), "counts.yaml:4: data: "),
    "one class only": (lambda: (change("data: digits", "data: images"), images("images", a=3)), "counts.yaml:4: data: "),
    "a corrupt image": (
        lambda: (change("data: digits", "data: images"), change("parameters_m:", "accuracy: train, parameters_m:"), corrupt_image()),
        "counts.yaml:4: data: ",
    ),
    "a storage that is not there": (lambda: change("sqlite:///", "sqlite:///nowhere/"), "counts.yaml:2: storage is sqlite:///nowhere/counts.db, but there is no folder nowhere"),
    "a storage that cannot be reached": (lambda: change("sqlite:///counts.db", "postgresql+psycopg2://localhost:9/x"), "counts.yaml:2: storage is postgresql+psycopg2://localhost:9/x, which cannot be opened: "),
    "a storage that is none": (lambda: change("sqlite:///counts.db", "counts.db"), "counts.yaml:2: storage is 'counts.db', which is no storage; allowed: "),
    "a storage in memory": (lambda: change("sqlite:///counts.db", "'sqlite:///:memory:'"), "counts.yaml:2: storage is 'sqlite:///:memory:', which names no file"),
    "a storage that is no database": (lambda: Path("counts.db").write_text("hello"), "counts.yaml:2: storage is sqlite:///counts.db, which cannot be opened: "),
    "a target of 0": (lambda: change("{random: {seed: 0}}", "{mnas-paper: {reward: {mnas: {target: 0}}}}"), "counts.yaml:6: sampler.mnas-paper.reward.mnas.target is 0; it must be above 0"),
    "another space than the storage's": (lambda: (run_study("counts.yaml"), change("blocks: 2", "blocks: 3")), "counts.yaml:3: space: the file asks for mnasnet {preset: 'digits', blocks: 3}, but study 'counts' in sqlite:///counts.db holds mnasnet {preset: 'digits', blocks: 2}"),
    "other objectives than the storage's": (lambda: (run_study("counts.yaml"), change("parameters_m: , ", "")), "counts.yaml:5: objectives: the file asks for {multiply_adds_m: {}}, but study 'counts' in sqlite:///counts.db holds {parameters_m: {}, multiply_adds_m: {}}"),
    "no trials": (lambda: change("trials: 4", "trials: 0"), "counts.yaml:7: trials is 0; it must be at least 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_status_2(case: str, mnas_moo: Run) -> None:
    prepare, start = BAD_INPUT[case]
    prepare()
    status, out, err = mnas_moo("run", "counts.yaml")
    lines = [line for line in err.splitlines() if line.startswith("mnas-moo: ")]
    assert (status, out, len(lines)) == (2, "", 1)
    assert lines[0].startswith(f"mnas-moo: {start}")
    assert err.endswith(f"{lines[0]}\n")
    assert "Traceback" not in err


def test_ten_failures_in_a_row_are_status_1(mnas_moo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
            raise ValueError("broken")

        def close(self) -> None:
            pass

    monkeypatch.setattr(objectives, "make_objective", lambda *_: Broken())
    status, out, err = mnas_moo("run", "counts.yaml")
    assert (status, out) == (1, "")
    assert err.count("failed: parameters_m: broken") == 10
    assert err.endswith("mnas-moo: counts: 10 trials in a row failed; the last one, trial 9: parameters_m: broken\n")
    assert "Traceback" not in err


def test_ctrl_c_ends_after_saving_and_the_same_command_goes_on(mnas_moo: Run) -> None:
    change("trials: 4", "trials: 100000")
    command = [sys.executable, "-m", "mnas_moo.cli.main", "run", "counts.yaml"]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("trial 1:"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.endswith("stopped; what is finished is saved. To go on: mnas-moo run counts.yaml\n")
    assert "Traceback" not in rest
    trials = optuna.load_study(study_name="counts", storage="sqlite:///counts.db").trials
    finished = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert not [trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
    assert len(finished) >= 2
    study = run_study(load_study_file("counts.yaml", trials=len(finished) + 1))
    assert [trial.values for trial in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))][:-1] == [
        trial.values for trial in finished
    ]


def test_the_bundled_study_runs_on_the_phones_and_its_file_of_a_name_with_blanks_and_signs(
    phones: VirtualPhones, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "my $(touch no) ; 'program'"
    program.write_bytes(phones.benchmark_model.read_bytes())
    assert main(["run", "phone", "--trials", "2", "--benchmark-model", str(program), "--json"]) == 0
    front = json.loads(capsys.readouterr().out)
    assert front
    assert all(network["latency_ms"] > 1.6 for network in front)  # a Pixel 6 takes 1.6 times as long as this machine
    assert not list(tmp_path.rglob("no"))
    assert [phone.files() for phone in phones] == [[], []]


def test_without_a_phone_a_run_ends_with_one_line_and_status_2(
    phones: VirtualPhones, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "phone", "--trials", "1"]) == 2  # none of them has benchmark_model
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("mnas-moo: no phone can measure: ")
    assert "no benchmark_model on it" in last


def test_broken_images_are_named_in_one_run_and_left_out_if_asked(
    mnas_moo: Callable[..., tuple[int, str, str]],
) -> None:
    change("data: digits", "data: images")
    change("parameters_m:", "accuracy: {train: {steps: 2, device: cpu, confirm: 0}}, parameters_m:")
    images("images", a=6, b=6)
    for name in ("a/0.png", "b/3.png"):
        Path("images", name).write_bytes(b"\x89PNG no more")
    status, _, err = mnas_moo("run", "counts.yaml", "--trials", "1")
    assert status == 2
    last = err.splitlines()[-1]
    assert "2 images are broken" in last
    assert "a/0.png" in last
    assert "b/3.png" in last
    status, _, err = mnas_moo("run", "counts.yaml", "--trials", "1", "--skip-broken")
    assert status == 0
    assert "2 images that cannot be read are left out: 1 of a, 1 of b" in err
