from __future__ import annotations

import json
import re
from pathlib import Path
from typing import ClassVar

import optuna
import pytest

from mnas_moo.running import latency_sources
from mnas_moo.running.identity import IDENTITY, check_identity, identity_of
from mnas_moo.running.run import run_study, subject_of
from mnas_moo.running.storage import create_storage
from mnas_moo.study_file.document import StudyError
from tests.running.conftest import Fake, write


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("blocks: 3", "blocks: 2"), "3: space: the file asks for mnasnet {preset: 'digits', blocks: 2}, but study "),
        (("parameters_m: ,", "peak_memory_mb: ,"), "5: objectives: the file asks for {multiply_adds_m: {}, peak_"),
        (
            ("sampler", "constraints: {parameters_m: {max: 1}}\nsampler"),
            "6: constraints: the file asks for {parameters_m: {max: 1.0}}, but study 'counts' in journal:///",
        ),
    ],
)
def test_a_storage_that_holds_another_study_is_refused(changes: tuple[str, ...], message: str, tmp_path: Path) -> None:
    run_study(write(tmp_path))
    with pytest.raises(StudyError) as caught:
        run_study(write(tmp_path, *changes), trials=9)
    assert str(caught.value).startswith(f"{tmp_path}/counts.yaml:{message}")
    assert " holds " in str(caught.value)
    assert str(caught.value).endswith("; give the new study another name or storage")


def test_a_study_made_without_a_study_file_is_continued_if_its_objectives_fit(tmp_path: Path) -> None:
    file = write(tmp_path)
    foreign = optuna.create_study(
        study_name="counts", storage=create_storage(file), directions=["minimize", "minimize"]
    )
    foreign.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=1)
    with pytest.raises(StudyError, match="holds minimize unnamed, minimize unnamed"):
        run_study(file)
    foreign.set_metric_names(["parameters_m", "multiply_adds_m"])
    assert len(run_study(file).trials) == 5


def test_another_sampler_and_other_trials_are_the_same_study(tmp_path: Path) -> None:
    run_study(write(tmp_path))
    assert len(run_study(write(tmp_path, "{random: {seed: 0}}", "tpe", "trials: 5", "trials: 6")).trials) == 6


def test_a_study_goes_on_with_the_phone_it_began_with_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Phone(Fake):
        device: ClassVar[dict[str, str]] = {"model": "Pixel 6"}

    monkeypatch.setattr(latency_sources, "make", lambda *_, **__: Phone("latency_ms", lambda spec, seed: 1.0))
    file = write(tmp_path, "multiply_adds_m: ", "latency_ms: {adb: {}}")
    run_study(file, trials=1)
    monkeypatch.setattr(Phone, "device", {"model": "Pixel 8"})
    with pytest.raises(StudyError, match=r"latency_ms: the device is a Pixel 8, but .* holds latencies of a Pixel 6"):
        run_study(file, trials=2)


LITERT = {"model": "Pixel 6", "runtime": "benchmark_model sha256:aa", "program": "LiteRT benchmark_model 2.2.0"}
TFLITE = {"model": "Pixel 6", "runtime": "benchmark_model sha256:bb", "program": "TensorFlow Lite benchmark_model"}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (LITERT, {**LITERT, "program": "LiteRT benchmark_model"}, None),
        ({"model": "Pixel 6"}, TFLITE, None),
        (
            LITERT,
            TFLITE,
            r"the phone has TensorFlow Lite benchmark_model \(benchmark_model sha256:bb\), but .* holds latencies by "
            r"LiteRT benchmark_model 2\.2\.0 \(benchmark_model sha256:aa\); .* or put that program on the phone",
        ),
        (LITERT, {**LITERT, "virtual": True}, "the device is a virtual Pixel 6, but .* of a real Pixel 6"),
        ({**LITERT, "virtual": True}, LITERT, "the device is a real Pixel 6, but .* of a virtual Pixel 6"),
        ({**LITERT, "virtual": True}, {**LITERT, "virtual": True}, None),
    ],
)
def test_a_study_goes_on_with_the_program_it_began_with_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, object],
    after: dict[str, object],
    message: str | None,
) -> None:
    class Phone(Fake):
        device: ClassVar[dict[str, object]] = before

    monkeypatch.setattr(latency_sources, "make", lambda *_, **__: Phone("latency_ms", lambda spec, seed: 1.0))
    file = write(tmp_path, "multiply_adds_m: ", "latency_ms: {adb: {}}")
    run_study(file, trials=1)
    monkeypatch.setattr(Phone, "device", after)
    if message is None:
        assert len(run_study(file, trials=2).trials) == 2
    else:
        with pytest.raises(StudyError, match=message):
            run_study(file, trials=2)


def test_a_study_of_an_older_version_keeps_to_the_program_it_goes_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Phone(Fake):
        device: ClassVar[dict[str, str]] = {"model": "Pixel 6"}

    monkeypatch.setattr(latency_sources, "make", lambda *_, **__: Phone("latency_ms", lambda spec, seed: 1.0))
    file = write(tmp_path, "multiply_adds_m: ", "latency_ms: {adb: {}}")
    run_study(file, trials=1)
    monkeypatch.setattr(Phone, "device", LITERT)
    study = run_study(file, trials=2)
    assert study._storage.get_study_system_attrs(study._study_id)[IDENTITY]["device"] == LITERT
    monkeypatch.setattr(Phone, "device", TFLITE)
    with pytest.raises(StudyError, match="holds latencies by LiteRT benchmark_model"):
        run_study(file, trials=3)


def test_each_of_several_devices_has_to_stay_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Phone(Fake):
        device: ClassVar[dict[str, str]] = {"model": "Pixel 6"}

    milliseconds = iter(range(1, 100))
    monkeypatch.setattr(
        latency_sources, "make", lambda *_, **__: Phone("latency_ms", lambda spec, seed: next(milliseconds))
    )
    file = write(tmp_path, "multiply_adds_m: ", "latency_ms@a: adb, latency_ms@b: {adb: {accelerator: gpu}}")
    (trial,) = run_study(file, trials=1).trials
    assert sorted(trial.values[:2]) == [1, 2]
    monkeypatch.setattr(Phone, "device", {"model": "Pixel 8"})
    with pytest.raises(StudyError, match=r"latency_ms@a: the device is a Pixel 8, but .* latencies of a Pixel 6"):
        run_study(file, trials=2)


def test_where_data_lie_and_how_they_are_trained_on_is_no_part_of_a_studys_identity(tmp_path: Path) -> None:
    file = write(tmp_path, "parameters_m: ,", "accuracy: {train: {device: cpu}},")
    other = write(tmp_path, "parameters_m: ,", "accuracy: {train: {threads: 2}},", "trials: 5", "trials: 9")
    longer = write(tmp_path, "parameters_m: ,", "accuracy: {train: {epochs: 9}},")
    identities = [identity_of(each, subject_of(each)) for each in (file, other, longer)]
    assert identities[0] == identities[1] != identities[2]
    assert json.loads(json.dumps(identities[0])) == identities[0]


def test_a_study_of_another_format_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    study = run_study(file, trials=1)
    identity = identity_of(file, subject_of(file))
    study._storage.set_study_system_attr(study._study_id, IDENTITY, {**identity, "format": 0})
    with pytest.raises(StudyError, match=r"counts.yaml:2: storage: .* was written by another version of mnas-moo"):
        check_identity(file, study, identity)


def test_a_parameter_with_other_choices_is_named(tmp_path: Path) -> None:
    file = write(tmp_path)
    study = run_study(file, trials=1)
    identity = identity_of(file, subject_of(file))
    name = next(iter(identity["parameters"]))
    with pytest.raises(StudyError, match=f"counts.yaml:3: space has parameter {re.escape(name)} otherwise than study"):
        check_identity(file, study, {**identity, "parameters": {**identity["parameters"], name: {}}})
