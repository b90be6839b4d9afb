"""The wheel holds the package, all of it, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def built(folder: Path, kind: str) -> Path:
    """A wheel that is built from a copy: builds leave files beside the sources."""
    source, out = folder / "tree", folder / "wheel"
    kept = ("mnas_moo", "objectives", "spaces", "studies", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
    source.mkdir()
    for name in kept:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    out.mkdir()
    build = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (file,) = out.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in the wheel."""
    with zipfile.ZipFile(built(tmp_path_factory.mktemp("built"), "wheel")) as archive:
        return archive.namelist()


def test_an_editable_install_is_a_path_since_type_checkers_run_no_import_hooks(tmp_path: Path) -> None:
    with zipfile.ZipFile(built(tmp_path, "editable")) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".pth"))
        assert Path(archive.read(name).decode().strip()) == (tmp_path / "tree").resolve()


def test_the_wheel_leaks_no_top_level_name(wheel: list[str]) -> None:
    top = {Path(name).parts[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {"mnas_moo"}
    assert len(top) == 2


def test_the_wheel_holds_every_module_study_and_marker_and_no_benchmarks(wheel: list[str]) -> None:
    # rglob does not follow the links to the folders at the top
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "mnas_moo").rglob("*.py")} | {"mnas_moo/py.typed"}
    for folder in ("objectives", "spaces", "studies"):
        expected |= {f"mnas_moo/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / folder).rglob("*.py")}
    apart = ("mnas_moo/studies/benchmarks/", "mnas_moo/studies/tables/")
    expected -= {name for name in expected if name.startswith(apart)}
    expected.add("mnas_moo/objectives/tabular/dppnet324.json")
    expected |= {f"mnas_moo/studies/{path.name}" for path in (ROOT / "studies").glob("*.yaml")}
    assert {name for name in wheel if name.startswith("mnas_moo/")} == expected
