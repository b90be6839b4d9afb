"""A search in a space of one's own: which verbs load it, how, and that a file's text alone does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from mnas_moo.cli.verb import command
from tests.cli.conftest import COUNTS

ROOT = Path(__file__).parents[2]
OURS = "{mnasnet: {preset: digits, blocks: 2}}"
PLUGIN = """\
from pathlib import Path
from mnas_moo.spaces.mnasnet import MnasNetSpace
with Path("loaded").open("a") as file:
    file.write("x")
class Small(MnasNetSpace):
    name = "small"
    def __init__(self, **settings):
        super().__init__(preset="digits", blocks=1, **settings)
"""
READING = (("front",), ("learning",), ("show", "--trial", "0"), ("dashboard", "--no-browser"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_space.py").write_text(PLUGIN, encoding="utf-8")
    return tmp_path


def study(folder: Path, space: str) -> None:
    folder.joinpath("my.yaml").write_text(COUNTS.replace(OURS, space), encoding="utf-8")


def program(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as it is installed: without the working folder on Python's path."""
    line = "import sys; sys.path.remove('')\nfrom mnas_moo.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", line, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("space", ["{'os:system': {command: 'touch loaded'}}", "my_space:Small", "small", "'this:s'"])
@pytest.mark.parametrize("verb", [("run",), ("compare",), *READING], ids=" ".join)
def test_a_file_runs_no_command_and_loads_no_module(folder: Path, space: str, verb: tuple[str, ...]) -> None:
    study(folder, space)
    done = program(folder, verb[0], "my.yaml", *verb[1:])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    if verb in READING:  # they need no space, and go on to the storage
        assert "storage is sqlite:///counts.db, which is not there" in done.stderr
    else:
        assert "my.yaml:3: space" in done.stderr
        assert "--plugin FILE_OR_MODULE" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["my.yaml", "my_space.py"]


def test_a_plugin_is_loaded_to_run_and_not_to_read(folder: Path) -> None:
    study(folder, "my_space:Small")
    done = program(folder, "run", "my.yaml", "--plugin", "my_space.py")
    assert done.returncode == 0, done.stderr
    assert (folder / "loaded").read_text() == "x"
    again = program(folder, "run", "my.yaml", MNAS_MOO_PLUGINS="my_space.py")
    assert "counts is finished" in again.stderr
    assert (folder / "loaded").read_text() == "xx"
    for verb in READING[:3]:
        done = program(folder, verb[0], "my.yaml", *verb[1:], MNAS_MOO_PLUGINS="my_space.py")
        assert done.returncode == 0, done.stderr
    assert (folder / "loaded").read_text() == "xx"


def test_the_example_of_the_page_on_own_spaces_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "own-space.md").read_text(encoding="utf-8")
    for _, name, text in re.findall(r"^```(python|yaml)\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for line in commands.splitlines():
        done = program(tmp_path, *line.split()[1:])
        assert done.returncode == 0, done.stderr


def test_samplers_are_compared_on_a_space_of_ones_own_in_processes_of_their_own(folder: Path) -> None:
    pytest.importorskip("plotly", reason="needs the extra compare")
    study(folder, "small")
    words = ("compare", "my.yaml", "--samplers", "random,tpe", "--seeds", "2", "--trials", "3")
    done = program(folder, *words, "--plugin", "./my_space.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "counts_comparison").is_dir()


def test_a_comparison_stays_in_its_folder_whatever_the_study_is_called(folder: Path) -> None:
    pytest.importorskip("plotly", reason="needs the extra compare")
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    inner.joinpath("my.yaml").write_text(COUNTS.replace("name: counts", "name: ../../x"), encoding="utf-8")
    done = program(inner, "compare", "my.yaml", "--samplers", "random,tpe", "--seeds", "2", "--trials", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["a", "my_space.py"]
    assert sorted(path.name for path in (folder / "a").iterdir()) == ["b"]
    (made,) = (path.name for path in inner.iterdir() if path.name != "my.yaml")
    assert made.startswith("_.._x-")
    assert made.endswith("_comparison")


def test_a_layer_table_is_built_for_a_space_of_ones_own(folder: Path) -> None:
    done = program(folder, "lut", "build", "--space", "small", "--device", "hots", "-o", "t.json")
    assert "--space is 'small', which is unknown" in done.stderr
    assert done.returncode == 2
    words = ("lut", "build", "--space", "small", "--plugin", "my_space.py", "--device", "hots", "-o", "t.json")
    done = program(folder, *words)
    assert done.stderr.startswith("mnas-moo: --device: hots is unknown")
    assert (folder / "loaded").read_text() == "x"


def test_the_line_that_says_how_to_go_on_names_the_plugins() -> None:
    arguments = Namespace(study="my.yaml", storage=None, plugin=["a b.py", "c"])
    assert command("run", arguments) == "mnas-moo run my.yaml --plugin 'a b.py' --plugin c"
    assert command("front", arguments) == "mnas-moo front my.yaml"
