"""Each device of a study stands once, and memory has the device of the latency of its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.study_file.devices import check_models
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from tests.study_file.test_several_latencies import STUDY, load


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        ("host", "{host: {threads: 1, precision: 0.1}}", "host; .* in threads or data_type"),
        ("onnxruntime", "onnxruntime", "onnxruntime; .* in threads"),
        ("cuda", "cuda", "cuda; a device stands once: leave one of them out$"),
        ("adb", "{adb: {precision: 0.1}}", "adb; .* in serials, model, accelerator, threads or data_type"),
        ("adb", "{adb: {serials: [x]}}", "adb"),
        ("{adb: {serials: [x, y]}}", "{adb: {serials: [z, y]}}", "adb"),
        ("{adb: {model: Pixel 9}}", "{adb: {model: Pixel 9, serials: [x]}}", "adb"),
        ("{lut: t.json}", "{lut: ./t.json}", "lut; .* in their files"),
    ],
)
def test_a_device_of_two_names_is_one_line(tmp_path: Path, one: str, other: str, where: str) -> None:
    said = r"s.yaml:5: objectives\.latency_ms@b is measured by the same device as latency_ms@a, "
    with pytest.raises(StudyError, match=said + where):
        load(tmp_path, f"latency_ms@a: {one}, latency_ms@b: {other}")


def test_the_nameless_latency_and_the_device_of_a_predictor_count_too(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"latency_ms@b is measured by the same device as latency_ms, host"):
        load(tmp_path, "latency_ms@b: host, latency_ms: host")
    with pytest.raises(StudyError, match=r"latency_ms@b is measured by the same device as latency_ms, host"):
        load(tmp_path, "latency_ms: {model: {source: x.yaml, measure: host}}, latency_ms@b: host")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("host", "onnxruntime"),
        ("host", "{host: {data_type: int8}}"),
        ("{adb: {serials: [x]}}", "{adb: {serials: [y]}}"),
        ("{adb: {serials: [x]}}", "{adb: {serials: [x], accelerator: gpu}}"),
        ("{adb: {model: Pixel 8}}", "{adb: {model: Pixel 9}}"),
        ("{adb: {model: Pixel 8}}", "{adb: {serials: [x]}}"),
        ("adb", "{adb: {benchmark_model: other}}"),
        ("{lut: t.json}", "{lut: u.json}"),
    ],
)
def test_devices_that_differ_are_let_through(tmp_path: Path, one: str, other: str) -> None:
    assert len(load(tmp_path, f"latency_ms@a: {one}, latency_ms@b: {other}").objective_names) == 3


def test_a_phone_of_two_names_that_the_file_does_not_tell_is_found_by_its_model(tmp_path: Path) -> None:
    study = load(tmp_path, "latency_ms@a: {adb: {model: Pixel 8}}, latency_ms@b: {adb: {serials: [x]}}")
    check_models(study, {"latency_ms@a": "Pixel 8", "latency_ms@b": "Pixel 9"})
    with pytest.raises(StudyError, match=r"latency_ms@b is measured by the same device .*, adb \(a Pixel 8\)"):
        check_models(study, {"latency_ms@a": "Pixel 8", "latency_ms@b": "Pixel 8"})
    two = load(tmp_path, "latency_ms@a: {adb: {serials: [y]}}, latency_ms@b: {adb: {serials: [x]}}")
    check_models(two, {"latency_ms@a": "Pixel 8", "latency_ms@b": "Pixel 8"})


def test_one_name_for_two_devices_and_one_phone_twice_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"s.yaml:5: latency_ms@a is given twice, first in line 5; each name stands"):
        load(tmp_path, "latency_ms@a: host, latency_ms@a: onnxruntime")
    with pytest.raises(StudyError, match=r"objectives\.latency_ms@a: serials names 'x' twice; a phone stands once"):
        load(tmp_path, "latency_ms@a: {adb: {serials: [x, y, x]}}")


def test_a_study_that_was_stored_with_a_device_twice_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    text = STUDY.format(folder=tmp_path, objectives="latency_ms@a: host, latency_ms@b: host", constraints="")
    path.write_text(text, encoding="utf-8")
    assert len(load_study_file(path, reading=True).objective_names) == 3


def test_memory_stands_after_the_latencies_and_has_the_device_of_its_name(tmp_path: Path) -> None:
    objectives = "memory_mb@b: , memory_mb: {}, latency_ms@a: {host: {threads: 2}}, latency_ms@b: adb, latency_ms: host"
    study = load(tmp_path, objectives, "memory_mb@a: {max: 50}")
    latencies = ("latency_ms", "latency_ms@a", "latency_ms@b")
    assert study.objective_names == (*latencies, "memory_mb", "memory_mb@b", "parameters_m")
    assert study.measured_names == (*study.objective_names, "memory_mb@a")
    assert study.directions == ("minimize",) * 6
    assert study.identity_of("memory_mb@b") == study.identity_of("latency_ms@b")
    assert study.latency_of("memory_mb@a").chosen[0] == "host"


@pytest.mark.parametrize(
    ("objectives", "constraints"), [("memory_mb: ", ""), ("multiply_adds_m: ", "memory_mb: {max: 9}")]
)
def test_memory_alone_is_that_of_this_machine(tmp_path: Path, objectives: str, constraints: str) -> None:
    assert load(tmp_path, objectives, constraints).latency_of("memory_mb").chosen[0] == "host"


@pytest.mark.parametrize(
    ("objectives", "constraints", "message"),
    [
        (
            "latency_ms@a: host, memory_mb@b: ",
            "",
            r"s.yaml:5: objectives\.memory_mb@b has no device: it would be that of the objective latency_ms@b, which "
            r"is missing; there is memory_mb@a$",
        ),
        ("memory_mb@b: ", "", r"objectives\.memory_mb@b has no device: .* latency_ms@b, which is missing$"),
        ("latency_ms@a: host, memory_mb: ", "", r"objectives\.memory_mb has no device: .*; there is memory_mb@a$"),
        ("latency_ms@a: host", "memory_mb@b: {max: 5}", r"s.yaml:6: constraints\.memory_mb@b has no device"),
        ("memory_mb@a: {host: {}}", "", r"objectives\.memory_mb@a is .*; memory has no settings of its own"),
        ("memory_mb: {host: {}}", "", r"objectives\.memory_mb is .*; memory has no settings of its own"),
        ("memory_mb@: ", "", r"objectives\.memory_mb@ is unknown"),
        ("memory_mb@a: ", "memory_mb@a: {max: 0}", r"constraints\.memory_mb@a\.max is 0; it must be above 0"),
        *(
            (
                f"latency_ms@a: {source}, memory_mb@a: ",
                "",
                rf"memory_mb@a cannot be measured, as latency_ms@a comes from {kind}, .*: latency_ms@a of host or adb$",
            )
            for source, kind in (("onnxruntime", "onnxruntime"), ("cuda", "cuda"), ("{lut: t.json}", "lut"))
        ),
        (
            "latency_ms: {model: {source: x.yaml, measure: host}}, memory_mb: ",
            "",
            r"objectives\.memory_mb cannot be measured, as latency_ms comes from model",
        ),
    ],
)
def test_memory_without_a_device_that_measures_it_is_one_line(
    tmp_path: Path, objectives: str, constraints: str, message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        load(tmp_path, objectives, constraints)
