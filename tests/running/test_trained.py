from __future__ import annotations

import json
from pathlib import Path

from mnas_moo.running.trained import label_of, trained_figures, trained_file
from tests.running.conftest import write


def test_figures_are_found_by_label_and_what_is_no_figures_is_left_out(tmp_path: Path) -> None:
    study_file = write(tmp_path)
    assert trained_figures(study_file) == {}
    file = trained_file(study_file, label_of(3))
    assert (file.name, file.parent.parent) == ("trial-3.pt", study_file.files)
    file.parent.mkdir(parents=True)
    file.with_suffix(".json").write_text(json.dumps({"label": "trial-3", "accuracy": 0.5}))
    file.with_name("broken.json").write_text("{")
    file.with_name("list.json").write_text("[1]")
    file.with_name("other.json").write_text('{"accuracy": 1}')
    assert trained_figures(study_file) == {"trial-3": {"label": "trial-3", "accuracy": 0.5}}


def test_a_label_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    study_file = write(tmp_path)
    assert trained_file(study_file, "../../x").parent == trained_file(study_file, "a").parent
