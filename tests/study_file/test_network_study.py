from __future__ import annotations

from pathlib import Path

from mnas_moo.study_file.measuring import Host
from tests.study_file.conftest import TEXT, load


def test_a_study_file_is_read(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert (study.name, study.storage, study.trials) == ("small", "sqlite:///small.db", 60)
    assert (study.space.name, study.space.settings) == ("mnasnet", {"preset": "digits", "blocks": 3})
    assert study.data.source == "digits"
    assert study.objective_names == ("accuracy", "latency_ms")
    assert study.directions == ("maximize", "minimize")
    assert study.measured_names == ("accuracy", "latency_ms", "parameters_m")
    assert study.training["epochs"] == 2
    assert study.sampler.chosen[0] == "mnas"
    assert study.files == Path("small_files")


def test_objectives_have_one_order_whatever_the_files(tmp_path: Path) -> None:
    study = load(
        tmp_path, TEXT[TEXT.index("  accuracy") : TEXT.index("constraints")], "  {latency_ms: host, accuracy: train}\n"
    )
    assert study.objective_names == ("accuracy", "latency_ms")
    assert study.latency.chosen[1] == Host()


def test_a_folder_of_images_is_given_by_its_path_alone(tmp_path: Path) -> None:
    assert load(tmp_path, "data: digits", "data: ./digits").data.source == {"folder": "./digits"}
