"""Whatever path a study file or a command names: only a regular file of a fitting size is opened there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.objectives.test_regular_file import KINDS, within

TABLE = "name: s\nstorage: sqlite:///s.db\nsampler: random\ntrials: 1\n"
OWN = TABLE + "table: {{file: {}, parameters: [a], objectives: {{error: minimize}}}}\n"
NETWORKS = """\
name: s
storage: sqlite:///s.db
space: {mnasnet: {preset: digits, blocks: 1}}
sampler: random
trials: 1
"""

Plant = Callable[[Path], None]
"""Makes something hostile at a path."""


def write(text: str) -> None:
    Path("s.yaml").write_text(text, encoding="utf-8")


def study_file(plant: Plant) -> list[str]:
    plant(Path("s.yaml"))
    return ["front", "s.yaml"]


def csv_table(plant: Plant) -> list[str]:
    plant(Path("t.csv"))
    write(OWN.format("t.csv"))
    return ["run", "s.yaml"]


def parquet_table(plant: Plant) -> list[str]:
    plant(Path("t.parquet"))
    write(OWN.format("t.parquet"))
    return ["compare", "s.yaml"]


def published_table(plant: Plant) -> list[str]:
    Path("nas_bench_macro").mkdir()
    plant(Path("nas_bench_macro/nas_bench_macro.npz"))
    write(TABLE + "table: macro\n")
    return ["run", "s.yaml", "--tables", "."]


def published_lookup_table(plant: Plant) -> list[str]:
    Path("fbnet_hwnas").mkdir()
    plant(Path("fbnet_hwnas/fbnet_hwnas.npz"))
    return ["lut", "import", "fbnet", "--tables", ".", "--device", "pixel3", "-o", "out.json"]


def published_lookup_csv(plant: Plant) -> list[str]:
    Path("mnasnet_reference").mkdir()
    plant(Path("mnasnet_reference/proxylessnas_mobile_lut.csv"))
    return ["lut", "import", "proxylessnas", "--tables", ".", "-o", "out.json"]


def lookup_table(plant: Plant) -> list[str]:
    plant(Path("t.json"))
    write(NETWORKS + "data: digits\nobjectives: {latency_ms: {lut: t.json}}\n")
    return ["run", "s.yaml"]


def checked_lookup_table(plant: Plant) -> list[str]:
    plant(Path("t.json"))
    return ["lut", "check", "t.json"]


def built_lookup_table(plant: Plant) -> list[str]:
    plant(Path("t.json"))
    return ["lut", "build", "--space", "mnasnet: {preset: digits, blocks: 1}", "-o", "t.json"]


def image(plant: Plant) -> list[str]:
    for name in ("a", "b"):
        Path("images", name).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (12, 12)).save(f"images/{name}/{i}.png")
    plant(Path("images/b/2.png"))
    write(NETWORKS + "data: images\nobjectives: {accuracy: {train: {epochs: 1}}}\n")
    return ["run", "s.yaml"]


def cifar10(plant: Plant) -> list[str]:
    Path("images/cifar-10-batches-py").mkdir(parents=True)
    plant(Path("images/cifar-10-batches-py/data_batch_1"))
    write(NETWORKS + "data: {cifar10: images}\nobjectives: {accuracy: {train: {epochs: 1}}}\n")
    return ["run", "s.yaml"]


def program(plant: Plant) -> list[str]:
    plant(Path("benchmark_model"))
    write(NETWORKS + "data: digits\nobjectives: {latency_ms: {adb: {benchmark_model: benchmark_model}}}\n")
    return ["run", "s.yaml"]


def named_program(plant: Plant) -> list[str]:
    plant(Path("benchmark_model"))
    return ["devices", "--benchmark-model", "benchmark_model"]


def journal(plant: Plant) -> list[str]:
    plant(Path("s.log"))
    return ["front", "counts.yaml", "--storage", "journal:///s.log"]


def written_journal(plant: Plant) -> list[str]:
    plant(Path("s.log"))
    return ["run", "counts.yaml", "--storage", "journal:///s.log"]


def mended_journal(plant: Plant) -> list[str]:
    plant(Path("s.log"))
    return ["repair", "counts.yaml", "--storage", "journal:///s.log"]


def database(plant: Plant) -> list[str]:
    plant(Path("s.db"))
    return ["run", "counts.yaml", "--storage", "sqlite:///s.db"]


def shown_database(plant: Plant) -> list[str]:
    plant(Path("s.db"))
    return ["dashboard", "counts.yaml", "--storage", "sqlite:///s.db", "--port", "0", "--no-browser"]


def comparison(plant: Plant) -> list[str]:
    Path("out").mkdir()
    plant(Path("out/comparison.json"))
    Path("t.csv").write_text("a,error\n1,0.5\n2,0.6\n", encoding="utf-8")
    write(OWN.format("t.csv"))
    return ["compare", "s.yaml", "--output", "out"]


WAYS = {
    way.__name__: way
    for way in (
        *(study_file, csv_table, parquet_table, published_table, published_lookup_table, published_lookup_csv),
        *(lookup_table, checked_lookup_table, built_lookup_table, image, cifar10, program, named_program),
        *(journal, written_journal, mended_journal, database, shown_database, comparison),
    )
}
FOLDERS_ARE_NO_IMAGES = {("image", "folder"), ("image", "link to a folder")}
"""A folder may be called as an image is; it is one of images, as any other."""


def complaint(way: str, make: Plant, run: Run) -> str:
    """The one line with which a command ends."""
    words = WAYS[way](make)
    with within(60):
        status, out, err = run(*words)
    assert status == 2
    assert out == ""
    *before, line = err.splitlines()
    assert before in ([], ["reading the images of images"])
    assert line.startswith("mnas-moo: ")
    return line


@pytest.mark.parametrize(
    ("way", "kind"), [(way, kind) for way in WAYS for kind in KINDS if (way, kind) not in FOLDERS_ARE_NO_IMAGES]
)
def test_what_is_no_regular_file_ends_a_command_with_one_line(way: str, kind: str, mnas_moo: Run) -> None:
    make, said = KINDS[kind]
    assert said in complaint(way, make, mnas_moo)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("journal", "written_journal", "mended_journal")])
def test_a_file_of_a_terabyte_ends_a_command_with_one_line(way: str, mnas_moo: Run) -> None:
    def make(path: Path) -> None:
        path.touch()
        os.truncate(path, 1 << 40)

    line = complaint(way, make, mnas_moo)
    assert "is too large (1099511627776 bytes; at most " in line or way in ("database", "shown_database")
