from __future__ import annotations

import json
from pathlib import Path

import pytest

from mnas_moo.objectives.export import folder as module
from mnas_moo.objectives.export.files import FORMATS
from mnas_moo.objectives.export.folder import FIGURES_FILE, export
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.trained import TrainedNetwork
from tests.objectives.export.conftest import CLASSES


@pytest.fixture
def written(contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written before, since tracing takes seconds."""
    monkeypatch.setattr(module, "write", lambda trained, calibration: contents)


@pytest.mark.usefixtures("written")
def test_the_folder_has_the_files_the_labels_and_the_figures(
    trained: TrainedNetwork, data: ImageData, tmp_path: Path
) -> None:
    said: list[str] = []
    figures = export(tmp_path / "new" / "insects", trained, data, [], threads=2, say=said.append)
    folder = tmp_path / "new" / "insects"
    assert {file.name for file in folder.iterdir()} == {*FORMATS, "labels.txt", FIGURES_FILE}
    assert (folder / "labels.txt").read_text(encoding="utf-8").splitlines() == list(CLASSES)
    assert json.loads((folder / FIGURES_FILE).read_text(encoding="utf-8")) == figures
    assert figures["check"]["failures"] == []
    assert said == ["writing"]  # so few images are checked at once


@pytest.mark.usefixtures("written")
def test_a_long_check_says_how_far_it_is(
    trained: TrainedNetwork, data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnas_moo.objectives.export.check.BATCH", 30)
    monkeypatch.setattr(module, "BATCH", 30)
    said: list[str] = []
    export(tmp_path / "insects", trained, data, [], say=said.append)
    assert said[1:] == [f"checking: {done} of 100 images" for done in (30, 60, 90, 100)]
