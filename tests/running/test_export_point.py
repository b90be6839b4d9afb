from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mnas_moo.instanas.sampler import RESULT
from mnas_moo.instanas.settings import InstaNASSettings
from mnas_moo.running.export_point import exported_point
from mnas_moo.running.per_image import search_file
from mnas_moo.running.trials import Observer
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from tests.running.points import CLASSES, SPACE, searched


def changed(study_file: NetworkStudy, folder: Path, old: str, new: str) -> NetworkStudy:
    file = folder / "per-image.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    made = load_study_file(file)
    assert isinstance(made, NetworkStudy)
    return made


def test_a_point_is_graph_and_controller_with_its_images_and_all_that_is_known(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    exported, data, figures = exported_point(study_file, study, study.trials[1], Observer())
    assert (exported.name, exported.study, list(exported.classes)) == ("trial-1", "per-image", CLASSES)
    assert exported.space.cells == SPACE.cells and exported.runner.controller.size == (0.25, 1)
    written = torch.load(search_file(study_file).with_name("instanas-per-image-1-tuned.pt"), weights_only=True)
    held = exported.runner.graph.state_dict()
    assert all(torch.equal(held[name], tensor) for name, tensor in written["graph"].items())
    assert exported.mean == pytest.approx(data.mean.tolist()) and exported.std == pytest.approx(data.std.tolist())
    assert (figures["label"], figures["trial"], figures["point"], figures["seconds"]) == ("trial-1", 1, 1, 12.5)
    assert figures["accuracy"] == 0.75 and figures["holdout_images"] == len(data.holdout)
    assert figures["recipe"]["points"] == 2 and set(figures["recipe"]) == set(InstaNASSettings.__dataclass_fields__)
    assert figures["data"]["train_images"] == len(data.train) and figures["seed"] == 0
    assert json.loads(json.dumps(figures)) == figures


def test_weights_that_are_missing_or_broken_are_one_line(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    file = search_file(study_file).with_name("instanas-per-image-0-tuned.pt")
    file.write_bytes(b"nonsense")
    with pytest.raises(StudyError, match=r"0-tuned\.pt: is no checkpoint of InstaNAS in this space"):
        exported_point(study_file, study, study.trials[0], Observer())
    file.unlink()
    with pytest.raises(StudyError, match=r"0-tuned\.pt, the weights of trial 0 of per-image, is missing; it was"):
        exported_point(study_file, study, study.trials[0], Observer())


def test_a_space_that_has_changed_since_is_one_line(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    other = changed(study_file, tmp_path, "width: 0.25, head", "width: 0.25, resolution: 32, head")
    with pytest.raises(StudyError, match=r"images of 16 x 16 pixels, but the file's space has resolution 32; a point"):
        exported_point(other, study, study.trials[0], Observer())
    wider = changed(study_file, tmp_path, "width: 0.25, resolution: 32, head", "width: 0.5, head")
    with pytest.raises(StudyError, match="is no checkpoint of InstaNAS in this space"):
        exported_point(wider, study, study.trials[0], Observer())


def test_images_of_other_classes_are_refused(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    notes = search_file(study_file).with_suffix(".json")
    notes.write_text(json.dumps({**json.loads(notes.read_text()), "classes": [*CLASSES[:9], "ten"]}))
    with pytest.raises(StudyError, match="other classes than the network was trained on: it knows ten"):
        exported_point(study_file, study, study.trials[0], Observer())
    notes.unlink()
    assert exported_point(study_file, study, study.trials[0], Observer())[0].classes == tuple(CLASSES)


def test_a_name_of_a_file_leads_nowhere_else(tmp_path: Path) -> None:
    study_file, study = searched(tmp_path)
    found = study._storage.get_study_system_attrs(study._study_id)[RESULT]
    points = [{**found["points"][0], "file": "../../../etc/passwd"}, found["points"][1]]
    study._storage.set_study_system_attr(study._study_id, RESULT, {**found, "points": points})
    with pytest.raises(StudyError, match=r"per-image_files/passwd, the weights of trial 0 of per-image, is missing"):
        exported_point(study_file, study, study.trials[0], Observer())
