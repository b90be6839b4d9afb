from __future__ import annotations

import re
from pathlib import Path

import pytest

from mnas_moo.running.bounds import check_bounds
from mnas_moo.running.objectives import describe
from mnas_moo.running.run import run_study
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.network_study import NetworkStudy
from tests.running.conftest import write


def checked(folder: Path, constraints: str) -> None:
    file = write(folder, "sampler", f"constraints: {constraints}\nsampler")
    assert isinstance(file, NetworkStudy)
    check_bounds(file, file.make_space(describe(file)))


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ("{parameters_m: {max: 50000}}", r"parameters_m.max is 50000 \(millions\); the networks of this space have "
         r"up to 0.0\d+: a bound of 50,000 parameters is 0.05"),
        ("{multiply_adds_m: {min: 250000}}", r"multiply_adds_m.min is 250000 \(millions\); .*: a bound of 250,000 "
         r"multiply-adds is 0.25"),
        ("{peak_memory_mb: {max: 65536}}", r"peak_memory_mb.max is 65536 \(MB\); .*: a bound of 65,536 bytes is "
         r"0.065536"),
        ("{memory_mb: {max: 50000000}}", r"memory_mb.max is 50000000 \(MB\); .*up to about 10: a bound of 50,000,000 "
         r"bytes is 50"),
        ("{parameters_m: {min: 1.0e+12}}", r"parameters_m.min is 1e\+12 \(millions\); .*: no network has "
         r"as much"),
        ("{parameters_m: {max: 1.0e+12}}", r"parameters_m.max is 1e\+12 \(millions\); .*: leave it out"),
    ],
)  # fmt: skip
def test_a_bound_far_above_all_networks_is_refused(tmp_path: Path, constraints: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        checked(tmp_path, constraints)
    assert re.fullmatch(rf".*counts.yaml:\d+: constraints\.{message}", str(caught.value))


@pytest.mark.parametrize(
    "constraints",
    ["{parameters_m: {max: 0.01}}", "{parameters_m: {min: 1.0e-9, max: 0.3}, peak_memory_mb: {max: 1}}",
     "{accuracy: {min: 0.5}}", "{memory_mb: {max: 900}}"],
)  # fmt: skip
def test_other_bounds_are_let_through(tmp_path: Path, constraints: str) -> None:
    checked(tmp_path, constraints)


def test_a_run_is_refused_before_there_is_a_storage(tmp_path: Path) -> None:
    file = write(tmp_path, "sampler", "constraints: {parameters_m: {max: 50000}}\nsampler")
    with pytest.raises(StudyError, match=r"a bound of 50,000 parameters is 0.05"):
        run_study(file)
    assert [path.name for path in tmp_path.iterdir()] == ["counts.yaml"]
