from __future__ import annotations

import json
from pathlib import Path

import optuna

from tests.cli.conftest import Run, refused
from tests.running.points import searched


def test_show_a_published_network(mnas_moo: Run) -> None:
    status, out, _ = mnas_moo("show", "mnasnet-a1", "--json", "--no-latency")
    shown = json.loads(out)
    assert status == 0
    assert (shown["parameters"], shown["multiply_adds"]) == (3887038, 311579072)
    assert set(shown) == {"name", "parameters", "multiply_adds", "peak_memory_bytes", "network"}
    _, out, err = mnas_moo("show", "MnasNet-A1", "--no-latency", "--picture", "a1.svg")
    assert "3,887,038" in out
    assert "r3_k5_s22_e3_i24_o40_se0.25" in out
    assert err == "written: a1.svg\n"
    assert "<svg" in Path("a1.svg").read_text(encoding="utf-8")
    scaled = json.loads(
        mnas_moo("show", "mnasnet-a1", "--width", "0.5", "--classes", "10", "--no-latency", "--json")[1]
    )
    assert scaled["network"].split()[-3] == "fc10"


def test_show_measures_latency_on_this_machine(mnas_moo: Run) -> None:
    words = ("show", "mnasnet-small", "--resolution", "32", "--json")
    assert json.loads(mnas_moo(*words, "--latency")[1])["latency_ms"] > 0


def test_show_the_network_of_a_trial(mnas_moo: Run) -> None:
    mnas_moo("run", "counts.yaml")
    trial = optuna.load_study(study_name="counts", storage="sqlite:///counts.db").trials[2]
    shown = json.loads(mnas_moo("show", "counts.yaml", "--trial", "2", "--no-latency", "--json")[1])
    assert shown["trial"] == 2
    assert [shown["parameters"] / 1e6, shown["multiply_adds"] / 1e6] == trial.values
    assert "trial 2\n" in mnas_moo("show", "counts.yaml", "--trial", "2", "--no-latency")[1]


def test_show_refuses_what_it_cannot_show(mnas_moo: Run) -> None:
    refused(mnas_moo("show", "mnasnet-a7"), "network 'mnasnet-a7' is unknown; did you mean 'mnasnet-a1'?")
    refused(mnas_moo("show", "mnasnet-a1", "--width", "0"), "network 'mnasnet-a1': width is 0.0; it must be above 0")
    refused(mnas_moo("show", "mnasnet-a1", "--no-latency", "--picture", "x.gif"), "x.gif: a network is drawn as .svg")
    refused(mnas_moo("show", "digits"), "digits is a study; say which of its networks: --trial N")
    refused(
        mnas_moo("show", "counts.yaml", "--trial", "2"), "counts.yaml:2: storage is sqlite:///counts.db, which is not"
    )
    mnas_moo("run", "counts.yaml")
    refused(mnas_moo("show", "counts.yaml", "--trial", "9"), "counts has no trial 9; it has trials 0 to 3")
    refused(mnas_moo("show", "counts.yaml", "--trial", "1", "--width", "2"), "--width is for published networks")


def test_show_a_point_of_a_search_by_what_its_images_do(mnas_moo: Run, tmp_path: Path) -> None:
    searched(tmp_path)
    words = ("show", "per-image.yaml", "--trial", "1")
    shown = json.loads(mnas_moo(*words, "--json")[1])
    assert shown["per_image"]["point"] == 1 and shown["per_image"]["classes"]["9"] == 0
    assert (shown["accuracy"], shown["latency_ms"]) == (0.75, 2.0) and shown["network"].startswith("in1x16x16")
    status, out, _ = mnas_moo(*words)
    assert status == 0 and out.splitlines()[:3] == [
        "trial 1",
        "  accuracy                75.00 %",
        "  latency                     2 ms in the mean of the images, by the search's table",
    ]
    assert "  share of images that have a module on, %:" in out and out.count("latency ") == 1
    assert "per_image" not in json.loads(
        mnas_moo("show", "per-image.yaml", "--trial", "2", "--no-latency", "--json")[1]
    )
