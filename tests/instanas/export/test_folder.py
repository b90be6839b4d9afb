from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from mnas_moo.instanas.export.files import Exported
from mnas_moo.instanas.export.folder import export
from mnas_moo.objectives.training.data import ImageData


def test_a_folder_has_the_files_and_the_figures_of_their_check(
    exported: Exported, contents: dict[str, bytes], digits: ImageData, tmp_path: Path
) -> None:
    lines: list[str] = []
    few = dataclasses.replace(digits, holdouts=(digits.holdout[:300],))
    training = {"label": "trial-3", "accuracy": 0.99}
    figures = export(tmp_path / "a", exported, few, training, say=lines.append)
    assert {file.name for file in (tmp_path / "a").iterdir()} == {*contents, "model.json"}
    assert figures == json.loads((tmp_path / "a" / "model.json").read_text())
    assert figures["check"]["images"] == 300 and figures["check"]["failures"] == []
    assert "but it was 99.00 %" in figures["check"]["warnings"][0]
    for name, file in figures["files"].items():
        content = (tmp_path / "a" / name).read_bytes()
        assert file == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    graph, controller = exported.runner.graph, exported.runner.controller
    parameters = sum(p.numel() for module in (graph, controller) for p in module.parameters())
    assert figures["parameters"] == parameters
    assert figures["training"] == training
    assert lines[0] == "writing" and "checking: 256 of 300 images" in lines and lines[-1].startswith("timing")
