from __future__ import annotations

import json
from pathlib import Path

import pytest

from mnas_moo.fbnet.sampler import SUPERNET_ACCURACY, result_of
from mnas_moo.objectives.lookup.build import space_fragments
from mnas_moo.objectives.lookup.lookup_table import Entry, LookupTable
from mnas_moo.running.run import run_study
from mnas_moo.running.searches import search_file
from mnas_moo.spaces import get
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from tests.running.test_shared_weights import Told

STUDY = """\
name: searched
storage: journal:///{folder}/searched.log
space: {{fbnet: {{preset: digits, layers: [1, 2, 1, 1]}}}}
data: digits
objectives:
  accuracy: {{train: {{steps: 10, device: cpu, confirm: 0}}}}
  latency_ms: {{lut: {folder}/table.json}}
sampler:
  fbnet: {{seed: 0, beta: [0.2, 5], epochs: 3, theta_from: 1, batch_size: 256, theta_learning_rate: 0.1, device: cpu}}
trials: 4
"""


def study_of(folder: Path, *changes: str, factor: float = 1.0) -> NetworkStudy:
    parts = space_fragments(get("fbnet", preset="digits", layers=[1, 2, 1, 1]))
    entries = {name: Entry(ms=factor * (0.01 + part.multiply_adds / 1e6)) for name, part in parts.items()}
    LookupTable({"model": "a phone"}, "2026-01-31", entries=entries).save(folder / "table.json")
    text = STUDY.format(folder=folder)
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (folder / "searched.yaml").write_text(text, encoding="utf-8")
    study_file = load_study_file(folder / "searched.yaml")
    assert isinstance(study_file, NetworkStudy)
    return study_file


def test_networks_that_the_search_has_found_are_trained_and_stored(tmp_path: Path) -> None:
    told = Told()
    study_file = study_of(tmp_path)
    study = run_study(study_file, trials=2, observer=told)
    held = result_of(study)
    assert held is not None and held["beta"] == [0.2, 5.0] and len(held["probabilities"]) == 2
    assert told.lines[-1].startswith("FBNet: epoch 3 of 3 after ") and "expected latency" in told.lines[-1]
    epochs = json.loads(search_file(study_file).with_suffix(".json").read_text())["epochs"]
    assert [epoch["epoch"] for epoch in epochs] == [0, 1, 2]
    study = run_study(study_of(tmp_path), observer=told)
    assert len(study.trials) == 4 and sum(line.startswith("FBNet: epoch 3") for line in told.lines) == 1
    assert all(0 <= trial.user_attrs[SUPERNET_ACCURACY] <= 1 for trial in study.trials)
    assert all("trainings" in trial.user_attrs["measurements"]["accuracy"] for trial in study.trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ("fbnet: {preset: digits, layers: [1, 2, 1, 1]}", "mnasnet: {preset: digits}"),
            "searches the space fbnet; this",
        ),
        (("beta: [0.2, 5]", "beta: [0.2, 0]"), "beta.* is 0; it must be above 0"),
        (("beta: [0.2, 5]", "beta: -1"), "beta.* is -1; it must be above 0"),
        (("theta_from: 1", "theta_from: 9"), "theta_from is 9 of 3 epochs"),
        (("  accuracy: {train: {steps: 10, device: cpu, confirm: 0}}\n", ""), "accuracy is no objective"),
        (("latency_ms: {lut", "latency_ms@a: {lut"), "latency_ms is no objective"),
    ],
)
def test_what_cannot_be_searched_is_one_line_before_a_trial(
    changes: tuple[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match=message):
        run_study(study_of(tmp_path, *changes))


def test_a_table_in_another_unit_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"table\.json: the table's fastest network takes .* below a microsecond"):
        run_study(study_of(tmp_path, factor=1e-6))
