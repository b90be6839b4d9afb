from __future__ import annotations

import json
from pathlib import Path

import pytest

from mnas_moo.instanas.export.check import Check, check
from mnas_moo.instanas.export.files import Exported, write
from mnas_moo.instanas.sampler import POINT, points_of
from mnas_moo.objectives.lookup.build import space_fragments
from mnas_moo.objectives.lookup.lookup_table import Entry, LookupTable
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.reports.searches import search_figures, searches_of
from mnas_moo.running.export_point import exported_point
from mnas_moo.running.per_image import search_file
from mnas_moo.running.run import run_study
from mnas_moo.running.trials import Observer
from mnas_moo.spaces import get
from mnas_moo.spaces.fragment import Fragment
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from tests.running.test_shared_weights import Told

STUDY = """\
name: per-image
storage: journal:///{folder}/per-image.log
space: {{instanas: {{preset: digits, layers: [1, 1, 2, 1], width: 0.25, head: 32}}}}
data: digits
objectives:
  accuracy: {{train: {{device: cpu}}}}
  latency_ms: {{lut: {folder}/table.json}}
sampler:
  instanas: {{seed: 0, points: 2, controller_width: 0.25, pretrain_epochs: 1, pretrain_batch_size: 256,
    search_epochs: 2, batch_size: 256, finetune_epochs: 1, upper_last: 2.0, lower: 0.1, device: cpu}}
trials: 1
"""


def parts_of() -> dict[str, Fragment]:
    return space_fragments(get("instanas", preset="digits", layers=[1, 1, 2, 1], width=0.25, head=32))


def study_of(folder: Path, *changes: str, without: str = "") -> NetworkStudy:
    entries = {name: Entry(ms=0.01 + part.multiply_adds / 1e6) for name, part in parts_of().items() if name != without}
    LookupTable({"model": "a phone"}, "2026-01-31", entries=entries).save(folder / "table.json")
    text = STUDY.format(folder=folder)
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (folder / "per-image.yaml").write_text(text, encoding="utf-8")
    study_file = load_study_file(folder / "per-image.yaml")
    assert isinstance(study_file, NetworkStudy)
    return study_file


def test_trials_are_the_points_of_the_search_with_pictures_of_them(tmp_path: Path) -> None:
    told, study_file = Told(), study_of(tmp_path)
    study = run_study(study_file, observer=told)
    points = points_of(study)
    assert points is not None and study.trials[0].user_attrs[POINT] == 0
    assert study.trials[0].values == [points[0]["accuracy"], points[0]["latency_ms"]]
    found = study.trials[0].user_attrs["measurements"]["accuracy"]
    assert found["shuffled_accuracy"] == points[0]["shuffled_accuracy"] and found["paths"] == points[0]["paths"]
    assert study.trials[0].user_attrs["network"].startswith("in1x16x16 stem_k3")
    assert any("InstaNAS, search: epoch 2 of 2" in line and "in a band from" in line for line in told.lines)
    pytest.importorskip("plotly")
    figures = search_figures(searches_of(study_file, study.trials, ["accuracy", "latency_ms"]))
    assert list(figures) == ["instanas-search", "instanas-images", "instanas-modules"]
    held = json.loads(search_file(study_file).with_suffix(".json").read_text())
    assert len(held["points"]) == len(points)
    exported, data, figures = exported_point(study_file, study, study.trials[0], Observer())
    judged = check_files(tmp_path / "app", exported, data)
    assert judged.same_decisions == judged.agreement == 1.0 and not judged.failures
    assert judged.torch_accuracy == pytest.approx(figures["accuracy"], abs=1 / len(data.holdout) + 1e-9)


def check_files(folder: Path, exported: Exported, data: ImageData) -> Check:
    folder.mkdir()
    for name, content in write(exported).items():
        (folder / name).write_bytes(content)
    return check(folder, exported, data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            (
                "{instanas: {preset: digits, layers: [1, 1, 2, 1], width: 0.25, head: 32}}",
                "{mnasnet: {preset: digits}}",
            ),
            "searches the space instanas; this study's is mnasnet",
        ),
        (
            ("  accuracy: {train: {device: cpu}}\n", ""),
            "has points of accuracy and latency_ms; this study measures latency_ms",
        ),
        (("latency_ms: {lut", "parameters_m: {}\n  latency_ms: {lut"), "has points of accuracy and latency_ms; this"),
        (("upper_last: 2.0", "upper_last: -1"), "upper_last.* -1"),
        (("points: 2", "pints: 2"), "pints is unknown; did you mean 'points'"),
    ],
)
def test_what_cannot_be_searched_is_one_line_before_a_trial(
    changes: tuple[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match=message):
        run_study(study_of(tmp_path, *changes))


def test_an_empty_band_and_a_table_without_a_module_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"instanas: the band of latencies is from .* must be above its lower one"):
        run_study(study_of(tmp_path, "upper_last: 2.0", "upper_last: 0.001"))
    missing = next(name for name in parts_of() if name.startswith("basic"))
    with pytest.raises(StudyError, match=r"has no time for") as error:
        run_study(study_of(tmp_path, without=missing))
    assert missing in str(error.value)
