from __future__ import annotations

from pathlib import Path

import pytest

from mnas_moo.reward import AbsoluteReward, MnasReward
from mnas_moo.study_file.document import StudyError
from tests.study_file.conftest import load

SAMPLER = "{mnas: {seed: 0}}"


@pytest.mark.parametrize(
    ("storage", "folder"),
    [
        ("sqlite:///small.db", "small_files"),
        ("sqlite:////tmp/x.db", "/tmp/x_files"),
        ("journal:///logs/small.log", "logs/small_files"),
        ("sqlite:////", "small_files"),
        ("sqlite:///small.db?key=a.secret", "small_files"),
        ("postgresql+psycopg2://host/studies", "small_files"),  # of the study's name: a server has no folder
    ],
)
def test_files_lie_beside_the_storage(storage: str, folder: str, tmp_path: Path) -> None:
    assert load(tmp_path, "sqlite:///small.db", storage).files == Path(folder)


def test_a_reward_is_made_as_the_file_says(tmp_path: Path) -> None:
    study = load(tmp_path, SAMPLER, "{mnas-paper: {reward: {mnas: {target: 5, alpha: 0, beta: -1}}}}")
    assert study.make_reward() == MnasReward(5.0, accuracy="accuracy", latency="latency_ms", alpha=0.0, beta=-1.0)
    study = load(tmp_path, SAMPLER, "{mnas-paper: {reward: {absolute: {target: 5}}}}")
    assert study.make_reward() == AbsoluteReward(5.0, accuracy="accuracy", latency="latency_ms")


def test_only_the_published_sampler_has_a_reward_and_with_one_objective_it_needs_none(tmp_path: Path) -> None:
    assert load(tmp_path).make_reward() is None
    one = ("  latency_ms: {host: {threads: 1}}\n", "")
    assert load(tmp_path, SAMPLER, "mnas-paper", *one).make_reward() is None


def test_an_error_names_the_files_line_of_the_key(tmp_path: Path) -> None:
    error = load(tmp_path).error(("objectives", "latency_ms", "host"), "is busy")
    assert isinstance(error, StudyError)
    assert str(error) == f"{tmp_path}/small.yaml:7: objectives.latency_ms.host is busy"
