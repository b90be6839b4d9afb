"""A disk that fills up while a study runs, and one that may not be written: real file systems in memory, real runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

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
NETWORKS = """\
name: filling
storage: {storage}
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{parameters_m: , multiply_adds_m: }}
sampler: {{mnas: {{seed: 0}}}}
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


def write(folder: Path, storage: str, text: str = STUDY) -> None:
    (folder / "past.csv").write_text(GRID, encoding="utf-8")
    (folder / "filling.yaml").write_text(text.format(storage=storage), encoding="utf-8")


def stored(folder: Path, storage: str) -> list[FrozenTrial]:
    """The trials."""
    kind, _, name = storage.partition(":///")
    study_file = load_study_file(folder / "filling.yaml", storage=f"{kind}:///{folder / name}")
    try:
        study = find_study(study_file)
    except StudyError:  # not even its tables have room
        return []
    if study is None:
        return []
    trials = study.trials
    if kind == "sqlite":
        study._storage._backend.engine.dispose()  # type: ignore[attr-defined]  # its file keeps the disk busy
    return trials


def finished(folder: Path, storage: str) -> dict[int, list[float]]:
    """The completed trials by number."""
    return {trial.number: trial.values for trial in stored(folder, storage) if trial.state == TrialState.COMPLETE}


def fills_up(folder: Path, storage: str, text: str = STUDY) -> list[TrialState] | None:
    """Runs the study on a disk that is too small, then on a larger one.

    Returns:
        The trials' states when the disk was full; None: it was large enough.
    """
    write(folder, storage, text)
    status, err = run(folder)
    assert "Traceback" not in err, err
    if status == 0:
        return None
    assert status == 2, err
    last = err.strip().splitlines()[-1]
    assert "full" in last, err
    before = stored(folder, storage)
    done = {trial.number: trial.values for trial in before if trial.state == TrialState.COMPLETE}
    assert err.count("\n") <= len(done) + 6, err
    remount(folder, f"size={ROOM}k")
    status, err = run(folder)
    assert status == 0, err
    after = stored(folder, storage)
    # The trial under way is among them, with its number and all that was stored of it.
    assert [trial.number for trial in after] == list(range(40))
    assert [trial.state for trial in after] == [TrialState.COMPLETE] * 40
    for was, now in zip(before, after, strict=False):
        assert was.params.items() <= now.params.items()
        assert was.datetime_start in (None, now.datetime_start)
    assert done.items() <= {trial.number: trial.values for trial in after}.items()
    return [trial.state for trial in before]


@pytest.mark.parametrize(("storage", "sizes"), [(STORAGES[0], (136,)), (STORAGES[1], (24, 40))])
def test_a_study_goes_on_after_its_disk_was_full(mounted: MountedFolder, storage: str, sizes: tuple[int, ...]) -> None:
    assert all(fills_up(mounted(size), storage) is not None for size in sizes)


@pytest.mark.parametrize(
    ("storage", "sizes"), [pytest.param(STORAGES[0], (192, 208), marks=pytest.mark.slow), (STORAGES[1], (60,))]
)
def test_a_trial_under_way_when_the_disk_was_full_is_finished(
    mounted: MountedFolder, storage: str, sizes: tuple[int, ...]
) -> None:
    states = [fills_up(mounted(size), storage, NETWORKS) for size in sizes]
    # SQLite mostly fails when a trial begins, its largest write; at these sizes it fails later.
    assert any(each is not None and each[-1] == TrialState.RUNNING for each in states)


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGES)
def test_a_study_goes_on_after_its_disk_of_any_size_was_full(mounted: MountedFolder, storage: str) -> None:
    sizes = range(92, 92 + 20 * 4, 4) if storage.startswith("sqlite") else range(8, 8 + 20 * 4, 4)
    filled = [fills_up(mounted(size), storage) for size in sizes]
    assert sum(states is not None for states in filled) >= 10
    assert any(TrialState.RUNNING in states for states in filled if states is not None)


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
