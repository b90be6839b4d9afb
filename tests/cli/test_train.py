from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnas_moo.cli.main import _parser, main
from mnas_moo.cli.train import _again
from tests.cli.conftest import SMALL

pytestmark = pytest.mark.usefixtures("folder")


def test_the_best_of_a_study_is_trained_and_its_figures_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "small.yaml"]) == 0
    capsys.readouterr()
    words = ["train", "small.yaml", "--top", "1", "--epochs", "0.5", "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    output = capsys.readouterr()
    (figures,) = json.loads(output.out)
    assert figures["label"] in ("trial-0", "trial-1") and 0 <= figures["accuracy"] <= 1
    assert output.err.splitlines()[-1] == (f"  mnas-moo export small.yaml {figures['trial']} -o {figures['label']}")
    assert main(words) == 0  # it is there
    assert "held-out images right" in capsys.readouterr().out


def test_two_processes_of_torchrun_train_one_network(folder: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m"]
    words = [
        "mnas_moo.cli.main",
        "train",
        "small.yaml",
        "--network",
        "mnasnet-small",
        "--epochs",
        "1",
        "--device",
        "cpu",
    ]
    (folder / "small.yaml").write_text(SMALL.replace("data: digits", "data: images"))
    rng = np.random.default_rng(0)
    for name in "ab":
        (folder / "images" / name).mkdir(parents=True)
        for i in range(40):
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / "images" / name / f"{i}.png")
    done = subprocess.run(
        [*run, *words, "--device", "cpu"], capture_output=True, text=True, env=environment, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("held-out images right") == 1  # one process prints
    (file,) = folder.glob("*_files/trained-small/*.json")
    assert json.loads(file.read_text())["recipe"]["processes"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say which networks: numbers of trials (12 17), or --top 2, or --network NAME"),
        (["1", "--top", "2"], "say which networks: numbers of trials (12 17), or --top 2, or --network NAME"),
        (["1"], "small.yaml:2: storage is journal:///small.log, which is not there"),
        (["1", "--epochs", "2", "--minutes", "3"], "--minutes is 3.0; it must be above 0, and --epochs is not given"),
        (["1", "--threads", "0"], "--threads is 0; it must be at least 1"),
        (["1", "--batch-size", "1"], "train: batch_size is 1; it must be at least 4"),
        (["1", "--width", "0.5"], "--width is for published networks"),
        (["--network", "mnasnet-b2"], "network 'mnasnet-b2' is unknown; did you mean 'mnasnet-b1'?"),
        (["--network", "mnasnet-b1", "--device", "tpu"], "train: device 'tpu' is not there; allowed here: auto, cpu"),
        (["--network", "mnasnet-b1", "--data", "nowhere"], "small.yaml: data: nowhere is no folder"),
        (["--network", "mnasnet-b1", "--device", "cpu"], "train: the network takes images (3, 8, 8)"),
    ],
)
def test_wrong_input_is_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "small.yaml", *words]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mnas-moo: ")]
    assert len(errors) == 1 and errors[0].removeprefix("mnas-moo: ").startswith(message)


def test_the_command_that_goes_on_has_every_option_of_the_first_one() -> None:
    words = ["--recipe", "adamw", "--weights", "w.pth", "--seed", "0", "--data", "my images", "--skip-broken"]
    arguments = _parser().parse_args(["train", "small.yaml", "3", *words])
    again = shlex.split(_again(arguments))
    assert again[0] == "mnas-moo"
    assert vars(_parser().parse_args(again[1:])) == vars(arguments)
