"""Files as other people's programs find them."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from mnas_moo.objectives.export import files
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.train import Batches
from mnas_moo.objectives.training.trained import TrainedNetwork
from tests.objectives.export.conftest import CLASSES, with_classes

LITERT = os.environ.get("MNAS_MOO_LITERT_CLI")
"""A folder with `litert` and `litert-benchmark` of the package litert-cli, which wants an older LiteRT than ours."""


def test_every_format_is_written(contents: dict[str, bytes]) -> None:
    assert contents.keys() == files.FORMATS.keys()


def test_the_same_network_gives_the_same_files(
    contents: dict[str, bytes], trained: TrainedNetwork, data: ImageData
) -> None:
    again = files.write(trained, data.images[files.calibration_images(data.train)].numpy())
    for name, content in contents.items():
        assert name.endswith(".pt2") or again[name] == content, name


def test_onnx_has_labels_and_normalisation_inside(contents: dict[str, bytes]) -> None:
    model = onnx.load_from_string(contents["model.onnx"])
    onnx.checker.check_model(model)
    inside = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(inside["labels"]) == list(CLASSES)
    assert json.loads(inside["input"])["mean"] == [120.0, 110.0, 100.0]
    assert inside["name"] == "trial-3"


def test_torch_export_has_labels_and_normalisation_inside_and_takes_any_number_of_images(
    contents: dict[str, bytes], trained: TrainedNetwork
) -> None:
    extra = {"labels.txt": "", "model.json": ""}
    program = torch.export.load(io.BytesIO(contents["model.pt2"]), extra_files=extra)
    assert extra["labels.txt"].splitlines() == list(CLASSES)
    assert json.loads(extra["model.json"])["input"]["std"] == [60.0, 65.0, 70.0]
    for n in (1, 2, 7):
        images = torch.randn(n, 3, 12, 12, generator=torch.Generator().manual_seed(n))
        with torch.no_grad():
            assert torch.allclose(program.module()(images), trained.module()(images), atol=1e-5)


def test_images_become_the_input_that_trainings_see(trained: TrainedNetwork, data: ImageData) -> None:
    ((expected, _),) = Batches(data, torch.device("cpu")).holdout()
    found = files.normalised(trained, data.images[data.holdout].numpy())
    assert np.allclose(found, expected.permute(0, 2, 3, 1).numpy(), atol=1e-6)


def test_calibration_takes_images_from_all_of_the_training_part() -> None:
    chosen = files.calibration_images(torch.arange(1000, 41_000))
    assert len(chosen) == files.CALIBRATION_IMAGES
    assert (int(chosen[0]), int(chosen[-1])) == (1000, 40_999)
    assert int(chosen.diff().max()) - int(chosen.diff().min()) <= 1
    assert files.calibration_images(torch.tensor([4, 7])).tolist() == [4, 7]


def test_a_label_of_two_lines_is_refused(trained: TrainedNetwork, data: ImageData) -> None:
    with pytest.raises(ValueError, match="line break"):
        files.write(with_classes(trained, "a\nb", "b", "c", "d", "e"), data.images[:2].numpy())


@pytest.mark.skipif(LITERT is None, reason="MNAS_MOO_LITERT_CLI names no folder with litert-cli's programs")
@pytest.mark.parametrize("name", [name for name, kind in files.FORMATS.items() if kind.program == "LiteRT"])
def test_the_programs_of_litert_cli_run_them(folder: Path, name: str) -> None:
    assert LITERT is not None
    for words in (["litert-benchmark", "--model", name], ["litert", "run", name, "--desktop"]):
        command = [str(Path(LITERT, words[0])), *words[1:]]
        answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stderr
        assert "Inference" in answer.stdout + answer.stderr
