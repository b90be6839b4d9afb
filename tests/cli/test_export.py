from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

from mnas_moo.objectives.export import check as checking
from mnas_moo.objectives.export.files import FORMATS
from mnas_moo.objectives.formats.torch_module import build
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.training.trained import TrainedNetwork
from mnas_moo.running.per_image import search_file
from mnas_moo.running.trained import trained_file
from mnas_moo.spaces import network
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.text import from_text
from mnas_moo.study_file.load import load_study_file
from tests.cli.conftest import Run, refused
from tests.running.points import searched


def trained(label: str, spec: NetworkSpec) -> None:
    """Keeps a network of these digits' statistics as trained, beside the study's file."""
    module = build(spec, norm_momentum=1.0)
    with torch.no_grad():
        module(torch.randn(16, *spec.input_shape, generator=torch.Generator().manual_seed(0)))  # so that norms fit
    channels = spec.input_shape[0]
    figures = {"label": label, "study": "counts", "accuracy": 0.1, "seed": 7}
    made = TrainedNetwork(
        spec, module.state_dict(), tuple("0123456789"), (77.9,) * channels, (81.3,) * channels, figures
    )
    made.save(trained_file(load_study_file("counts.yaml"), label))


def network_of(trial: int) -> NetworkSpec:
    study = optuna.load_study(study_name="counts", storage="sqlite:///counts.db")
    return from_text(study.trials[trial].user_attrs["network"])


def test_a_trained_trial_becomes_a_folder_of_files_that_were_checked(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    trained("trial-1", network_of(1))
    status, out, err = mnas_moo("export", "counts.yaml", "1", "-o", "app/one", "--json")
    assert status == 0
    folder = Path("app/one")
    assert {file.name for file in folder.iterdir()} == {*FORMATS, "labels.txt", "model.json", "README.md"}
    figures = json.loads(out)
    assert figures == json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert figures["check"]["images"] == len(load_data("digits", 16).holdout)
    assert figures["files"]["model_float32.tflite"]["share"] < 1e-5
    assert figures["parameters"] == network_of(1).parameters
    assert "# trial-1" in (folder / "README.md").read_text(encoding="utf-8")
    assert err.splitlines()[-1] == "written and checked: app/one"
    refused(mnas_moo("export", "counts.yaml", "1", "-o", "app/one"), "app/one is no empty folder; empty it, or name")


def test_a_file_that_differs_from_torch_fails_and_stays(mnas_moo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    mnas_moo("run", "counts.yaml")
    trained("trial-1", network_of(1))
    monkeypatch.setattr(checking, "MOST_DIFFERENCE", 1e-12)
    status, out, err = mnas_moo("export", "counts.yaml", "1", "-o", "one")
    assert status == 2
    *_, last = err.splitlines()
    assert last.startswith("mnas-moo: one: the check failed: model_float32.tflite differs from torch by")
    assert "model_float32.tflite" in out
    assert Path("one/model_float32.tflite").exists()
    assert "**It failed its check: model_float32.tflite" in Path("one/README.md").read_text(encoding="utf-8")


def test_a_published_network_needs_no_trial(mnas_moo: Run) -> None:
    refused(
        mnas_moo("export", "counts.yaml", "--network", "mnasnet-small", "-o", "x"),
        "mnasnet-small of counts was never trained; train it with: mnas-moo train counts.yaml --network mnasnet-small",
    )
    trained("mnasnet-small", network("mnasnet-small", resolution=32, classes=10))
    status, _, err = mnas_moo("export", "counts.yaml", "--network", "MnasNet-small", "-o", "x")
    assert status == 2
    refusal = (
        "mnas-moo: export: the network takes images (3, 32, 32) (channels, height, width) of 10 classes, but the data"
    )
    assert err.splitlines()[-1].startswith(refusal)  # since digits are grey


def test_wrong_input_is_one_line(mnas_moo: Run) -> None:
    refused(mnas_moo("export", "counts.yaml", "-o", "x"), "export takes one network: the number of a trial, or")
    refused(mnas_moo("export", "counts.yaml", "1", "--network", "x", "-o", "x"), "export takes one network")
    refused(mnas_moo("export", "counts.yaml", "1", "-o", "x"), "counts.yaml:2: storage is sqlite:///counts.db, which")
    refused(mnas_moo("export", "counts.yaml", "--network", "mnasnet-a7", "-o", "x"), "network 'mnasnet-a7' is unknown")
    refused(mnas_moo("export", "counts.yaml", "1", "-o", "counts.yaml"), "counts.yaml is no empty folder")
    mnas_moo("run", "counts.yaml")
    refused(mnas_moo("export", "counts.yaml", "9", "-o", "x"), "counts has no trial 9; it has trials 0 to 3")
    refused(
        mnas_moo("export", "counts.yaml", "1", "-o", "x"),
        "trial-1 of counts was never trained; train it with: mnas-moo train counts.yaml 1",
    )
    trained("trial-0", network_of(0))
    shutil.copy(trained_file(load_study_file("counts.yaml"), "trial-0"), "counts_files/trained-counts/trial-1.pt")
    refused(mnas_moo("export", "counts.yaml", "1", "-o", "x"), "counts_files/trained-counts/trial-1.pt has another")
    status, _, err = mnas_moo("export", "counts.yaml", "0", "--data", "nowhere", "-o", "x")
    assert status == 2
    assert err.splitlines()[-1].startswith("mnas-moo: counts.yaml: data: nowhere is no folder")
    assert not Path("x").exists()


def test_a_point_of_a_search_becomes_a_folder_that_runs_by_itself(mnas_moo: Run, tmp_path: Path) -> None:
    searched(tmp_path)
    status, out, err = mnas_moo("export", "per-image.yaml", "1", "-o", "app")
    assert status == 0 and err.splitlines()[-1] == "written and checked: app"
    assert "trial-1 of per-image, on the 359 images held out:" in out and "modules as torch    100.00 %" in out
    figures = json.loads(Path("app/model.json").read_text(encoding="utf-8"))
    assert figures["check"]["same_decisions"] == figures["check"]["agreement"] == 1.0
    assert figures["training"]["point"] == 1 and figures["labels"] == list("0123456789")
    # the made-up accuracy is not that of fresh weights
    assert "note: torch classifies" in err and "**Note: torch classifies" in Path("app/README.md").read_text("utf-8")
    command = [sys.executable, "-I", "app/runner.py", "one.npy"]
    np.save("one.npy", np.full((16, 16, 1), 99, np.uint8))
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("one.npy: ") and "of 25 modules" in ran.stdout


def test_a_trial_that_is_no_point_is_exported_once_it_is_trained(mnas_moo: Run, tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    refused(
        mnas_moo("export", "per-image.yaml", "2", "-o", "x"),
        "trial 2 of per-image is no point of a finished InstaNAS search (COMPLETE), and its network was never trained; "
        "train it with: mnas-moo train per-image.yaml 2",
    )
    refused(
        mnas_moo("export", "per-image.yaml", "3", "-o", "x"),
        "trial 3 of per-image is no point of a finished InstaNAS search (RUNNING), and it has no network; mnas-moo run",
    )
    refused(mnas_moo("export", "per-image.yaml", "4", "-o", "x"), "per-image has no trial 4; it has trials 0 to 3")
    (search_file(study_file).with_name("instanas-per-image-0-tuned.pt")).unlink()
    status, _, err = mnas_moo("export", "per-image.yaml", "0", "-o", "x")
    assert status == 2 and "the weights of trial 0 of per-image, is missing; it was written where" in err
    network = from_text(study.trials[2].user_attrs["network"])
    trained("trial-2", network)
    shutil.move("counts_files/trained-counts", "per-image_files/trained-per-image")
    assert mnas_moo("export", "per-image.yaml", "2", "-o", "x")[0] == 0
    assert Path("x/model_int8.tflite").exists()
