"""A search on real photographs: CIFAR-10 as a folder of images, by its path in MNAS_MOO_DATA."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mnas_moo.objectives.training.data import CIFAR10_CLASSES, describe
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import MEASUREMENTS
from mnas_moo.study_file.load import load_study_file

DATA = os.environ.get("MNAS_MOO_DATA", "")
STUDY = """\
name: photographs
storage: sqlite:///{folder}/photographs.db
space: {{mnasnet: {{width: 0.25, blocks: 2}}}}
data: {folder}/images
objectives: {{accuracy: {{train: {{epochs: 1}}}}, latency_ms: {{host: {{}}}}}}
sampler: {{mnas: {{seed: 0}}}}
trials: 2
"""

pytestmark = pytest.mark.skipif(not DATA, reason="needs a folder with CIFAR-10's images, by its path in MNAS_MOO_DATA")


def test_only_the_training_images_are_seen() -> None:
    info = describe(DATA)
    assert info.classes == CIFAR10_CLASSES
    assert (info.channels, info.resolution, info.images) == (3, 32, 50_000)


def test_a_study_runs_on_a_folder_of_photographs(tmp_path: Path) -> None:
    for name in CIFAR10_CLASSES[:3]:
        (tmp_path / "images" / name).mkdir(parents=True)
        for image in sorted(Path(DATA, "train", name).iterdir())[:100]:
            shutil.copy(image, tmp_path / "images" / name)
    file = tmp_path / "photographs.yaml"
    file.write_text(STUDY.format(folder=tmp_path), encoding="utf-8")
    study = run_study(load_study_file(file))
    assert len(study.trials) == 2
    for trial in study.trials:
        accuracy, latency = trial.values
        assert 0.1 < accuracy <= 1
        assert 0 < latency < 1000
        stored = trial.user_attrs[MEASUREMENTS]["accuracy"]
        assert stored["holdout_images"] == 60 * len({training["fold"] for training in stored["trainings"]})
        assert trial.user_attrs["network"].startswith("in3x32x32 ")
