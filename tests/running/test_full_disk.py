"""A disk that fills up while a study runs, and one that may not be written: real file systems in memory, real runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from mnas_moo.running.storage import find_study
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from tests.running.conftest import GRID

STUDY = """\
name: filling
storage: {storage}
table:
  file: past.csv
  parameters: [width, act]
  objectives: {{accuracy: maximize, latency_ms: minimize}}
sampler: {{random: {{seed: 0}}}}
trials: 40
"""
STORAGES = ("sqlite:///filling.db", "journal:///filling.log")
COMMAND = [sys.executable, "-m", "mnas_moo.cli.main", "run", "filling.yaml"]
ROOM = 2000
MountedFolder = Callable[[int], Path]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="mounts file systems of a given size, which needs root"
)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[MountedFolder]:
    """Makes a folder that is a file system of a given size in KiB."""
    folders: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk{len(folders)}"
        folder.mkdir()
        answer = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", folder], capture_output=True)
        if answer.returncode:
            pytest.skip(f"cannot mount: {answer.stderr.decode()}")
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def run(folder: Path, *words: str) -> tuple[int, str]:
    """Runs the study of a folder in a process of its own; gives status and standard error."""
    answer = subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return answer.returncode, answer.stderr


def write(folder: Path, storage: str) -> None:
    (folder / "past.csv").write_text(GRID, encoding="utf-8")
    (folder / "filling.yaml").write_text(STUDY.format(storage=storage), encoding="utf-8")


def finished(folder: Path, storage: str) -> dict[int, list[float]]:
    """The completed trials by number."""
    kind, _, name = storage.partition(":///")
    study_file = load_study_file(folder / "filling.yaml", storage=f"{kind}:///{folder / name}")
    try:
        study = find_study(study_file)
    except StudyError:  # not even its tables have room
        return {}
    if study is None:
        return {}
    trials = study.get_trials(states=(TrialState.COMPLETE,))
    if kind == "sqlite":
        study._storage._backend.engine.dispose()  # type: ignore[attr-defined]  # its file keeps the disk busy
    return {trial.number: trial.values for trial in trials}


def fills_up(folder: Path, storage: str) -> bool:
    """Runs the study on a disk that is too small, then on a larger one; gives whether it was too small."""
    write(folder, storage)
    status, err = run(folder)
    assert "Traceback" not in err, err
    if status == 0:
        return False
    assert status == 2, err
    last = err.strip().splitlines()[-1]
    assert "full" in last, err
    before = finished(folder, storage)
    assert err.count("\n") <= len(before) + 6, err
    remount(folder, f"size={ROOM}k")
    status, err = run(folder)
    assert status == 0, err
    after = finished(folder, storage)
    assert len(after) == 40
    assert before.items() <= after.items()
    return True


@pytest.mark.parametrize(("storage", "sizes"), [(STORAGES[0], (136,)), (STORAGES[1], (24, 40))])
def test_a_study_goes_on_after_its_disk_was_full(mounted: MountedFolder, storage: str, sizes: tuple[int, ...]) -> None:
    assert [fills_up(mounted(size), storage) for size in sizes] == [True] * len(sizes)


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGES)
def test_a_study_goes_on_after_its_disk_of_any_size_was_full(mounted: MountedFolder, storage: str) -> None:
    sizes = range(92, 92 + 20 * 4, 4) if storage.startswith("sqlite") else range(8, 8 + 20 * 4, 4)
    filled = [fills_up(mounted(size), storage) for size in sizes]
    assert sum(filled) >= 10


@pytest.mark.parametrize("storage", STORAGES)
def test_a_study_goes_on_after_its_disk_was_read_only(mounted: MountedFolder, storage: str) -> None:
    folder = mounted(ROOM)
    write(folder, storage)
    assert run(folder, "--trials", "3")[0] == 0
    before = finished(folder, storage)
    remount(folder, "ro")
    status, err = run(folder)
    assert (status, "Traceback" in err) == (2, False), err
    assert "it is read-only" in err.splitlines()[-1]
    assert finished(folder, storage) == before
    remount(folder, "rw")
    status, err = run(folder, "--trials", "6")
    assert status == 0, err
    assert before.items() <= finished(folder, storage).items()


def test_a_folder_that_may_not_be_written_is_said(mounted: MountedFolder) -> None:
    folder = mounted(ROOM)
    write(folder, STORAGES[1])
    assert run(folder, "--trials", "3")[0] == 0
    folder.chmod(0o555)
    answer = subprocess.run(  # root without its powers
        ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *COMMAND],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "this user may not write it" in answer.stderr.splitlines()[-1]
