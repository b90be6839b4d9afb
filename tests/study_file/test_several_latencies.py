"""Several latencies in one study: names, sources, bounds, and the messages about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy

STUDY = """\
name: several
storage: journal:////{folder}/s.log
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{parameters_m: , {objectives}}}
constraints: {{{constraints}}}
sampler: {{random: {{seed: 0}}}}
trials: 2
"""


def load(folder: Path, objectives: str, constraints: str = "", program: str | None = None) -> NetworkStudy:
    path = folder / "s.yaml"
    path.write_text(STUDY.format(folder=folder, objectives=objectives, constraints=constraints))
    study = load_study_file(str(path), benchmark_model=program)
    assert isinstance(study, NetworkStudy)
    return study


def test_each_has_its_source_and_stands_where_latency_stands(tmp_path: Path) -> None:
    named = "latency_ms@pixel9-gpu: {adb: {accelerator: gpu}}, latency_ms@here: host, latency_ms: onnxruntime"
    study = load(tmp_path, named, "latency_ms@here: {max: 5}")
    assert study.objective_names == ("latency_ms", "latency_ms@pixel9-gpu", "latency_ms@here", "parameters_m")
    assert study.measured_names == study.objective_names
    assert study.directions == ("minimize",) * 4
    assert study.limits == {"latency_ms@here": (None, 5.0)}
    assert study.latency_of("latency_ms@pixel9-gpu").chosen[0] == "adb"
    assert study.identity_of("latency_ms@here") == {"threads": 1}
    assert study.identity_of("latency_ms") == {"onnxruntime": {"threads": 1}}


def test_program_for_the_phone_goes_to_all_that_measure_on_phones(tmp_path: Path) -> None:
    study = load(tmp_path, "latency_ms@a: adb, latency_ms@b: {adb: {accelerator: gpu}}, latency_ms@c: host", "", "/b")
    for name in ("latency_ms@a", "latency_ms@b"):
        assert study.latency_of(name).chosen[1].benchmark_model == "/b"
    assert not hasattr(study.latency_of("latency_ms@c").chosen[1], "benchmark_model")


@pytest.mark.parametrize(
    ("objectives", "constraints", "message"),
    [
        ("latency_ms@: host", "", r"objectives\.latency_ms@ is unknown"),
        ("latency_ms@a b: host", "", r"objectives\.latency_ms@a b is unknown"),
        ("latency@a: host", "", r"objectives\.latency@a is unknown"),
        ("latency_ms@a: {hots: {}}", "", r"objectives\.latency_ms@a\.hots is unknown"),
        (
            "latency_ms@a: {host: {threads: 0}}",
            "",
            r"objectives\.latency_ms@a\.host\.threads is 0; it must be at least 1",
        ),
        ("latency_ms@a: {model: {source: x, measure: host}}", "", r"objectives\.latency_ms@a\.model is unknown"),
        ("latency_ms@a: host", "latency_ms@b: {max: 5}", r"constraints\.latency_ms@b has no source of latency"),
        ("latency_ms@a: host", "latency_ms@a: {max: 0}", r"constraints\.latency_ms@a\.max is 0; it must be above 0"),
    ],
)
def test_mistake_is_one_line_that_says_where(tmp_path: Path, objectives: str, constraints: str, message: str) -> None:
    with pytest.raises(StudyError, match=message) as caught:
        load(tmp_path, objectives, constraints)
    assert "\n" not in str(caught.value)
