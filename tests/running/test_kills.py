"""Studies whose workers are killed (SIGKILL) at random moments or in what they do just then, and studies that many
workers finish at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from PIL import Image

from mnas_moo.running.run import run_study
from mnas_moo.running.storage import open_study
from mnas_moo.running.trials import MEASUREMENTS, NETWORK, SAME_AS
from mnas_moo.study_file.load import load_study_file
from tests.running.kill_phases import PHASES

PARTS = {".front.part.png", ".front.part.html"}
"""What killed workers may leave of a plot."""
ROOT = Path(__file__).parents[2]
STUDY = """\
name: {name}
storage: {storage}
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{parameters_m: , multiply_adds_m: }}
constraints: {{peak_memory_mb: {{max: 0.065}}}}
sampler: {sampler}
trials: {trials}
"""

TRAINING = """\
name: {name}
storage: {storage}
space: {{mnasnet: {{preset: digits, blocks: 2, resolution: 8}}}}
data: {images}
objectives: {{accuracy: {{train: {{epochs: 4, device: cpu, threads: 1}}}}, multiply_adds_m: }}
sampler: {sampler}
trials: {trials}
"""
"""With small trainings; its accuracies repeat."""


def write(
    folder: Path, name: str, storage: str, trials: int, sampler: str = "{mnas: {seed: 0}}", text: str = STUDY
) -> Path:
    """A study file; SQLite and journal lie beside it."""
    url = {"sqlite": f"sqlite:///{folder}/{name}.db", "journal": f"journal:///{folder}/{name}.log"}.get(storage)
    path = folder / f"{name}.yaml"
    text = text.format(name=name, storage=url or storage, trials=trials, sampler=sampler)
    if "paper" in sampler:  # one objective, which is its reward
        text = text.replace("multiply_adds_m: ", "")
    path.write_text(text, encoding="utf-8")
    return path


def run_and_kill(path: Path, workers: int, kills: int, seconds: float, seed: int = 0) -> int:
    """How many workers were killed; those that were not have ended well.

    The study may be finished before as many are killed as are asked for.
    """
    command = [sys.executable, "-m", "tests.running.kill_workers", str(path), *map(str, (workers, kills, seed))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(seconds)], cwd=path.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    killed, *ended = map(int, done.stdout.split())
    assert set(ended) == {0}, done.stderr
    assert "Traceback" not in done.stderr
    return killed


def what_matters(trial: FrozenTrial) -> tuple[object, ...]:
    """What is the same in every run of a study; the worker and the times are not."""
    system = {key: value for key, value in trial.system_attrs.items() if key != "mnas_moo:worker"}
    return trial.number, trial.state, list(trial.params.items()), trial.values, trial.user_attrs, system


def is_whole(study: optuna.Study, trials: int) -> None:
    """Asserts that a study has just the trials that were wanted, and lost none."""
    found = study.get_trials(deepcopy=False)
    assert [trial.number for trial in found] == list(range(len(found)))
    assert [trial.state for trial in found] == [TrialState.COMPLETE] * trials
    assert all(NETWORK in trial.user_attrs and MEASUREMENTS in trial.user_attrs for trial in found)


def killed_equals_undisturbed(folder: Path, storage: str, sampler: str, trials: int, kills: int) -> None:
    """Runs a study twice, once with kills, and compares the trials."""
    whole = run_study(load_study_file(write(folder, "whole", storage, trials, sampler)))
    cut = write(folder, "cut", storage, trials, sampler)
    assert run_and_kill(cut, 1, kills, seconds=0.03) >= kills // 2
    study = open_study(load_study_file(cut))
    is_whole(study, trials)
    assert list(map(what_matters, study.trials)) == list(map(what_matters, whole.trials))


@pytest.mark.parametrize("storage", [pytest.param("sqlite", marks=pytest.mark.slow), "journal"])
def test_a_run_that_is_killed_eight_times_has_the_trials_of_one_that_is_not(storage: str, tmp_path: Path) -> None:
    killed_equals_undisturbed(tmp_path, storage, "{mnas: {seed: 0}}", trials=40, kills=8)


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["sqlite", "journal"])
@pytest.mark.parametrize(("sampler", "trials"), [("{mnas: {seed: 0}}", 200), ("{mnas-paper: {seed: 0}}", 1000)])
def test_a_run_that_is_killed_a_hundred_times_has_the_trials_of_one_that_is_not(
    storage: str, sampler: str, trials: int, tmp_path: Path
) -> None:
    killed_equals_undisturbed(tmp_path, storage, sampler, trials, kills=100)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 20 noisy images."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, shade in (("dark", 60), ("grey", 110), ("light", 160)):
        (folder / name).mkdir()
        for i in range(20):
            pixels = rng.normal(shade, 40, (8, 8, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def repeats(trial: FrozenTrial) -> tuple[object, ...]:
    """What is the same in every run of a study with trainings: all but how long they took."""
    number, state, params, values, user, system = what_matters(trial)
    assert isinstance(user, dict)
    accuracy = {key: user[MEASUREMENTS]["accuracy"][key] for key in ("value", "steps", "loss", "holdout_images")}
    return number, state, params, values, user[NETWORK], accuracy, system


def killed_everywhere_equals_undisturbed(
    folder: Path, images: Path, storage: str, trials: int, kills: int
) -> dict[str, int]:
    """Runs a study of trainings twice, once killed within each of its phases; gives the kills by phase."""
    paths = []
    for name in ("whole", "cut"):
        (folder / name).mkdir()
        path = write(folder / name, name, storage, trials, text=TRAINING.replace("{images}", str(images)))
        paths.append(path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for path, n in zip(paths, (0, kills), strict=True):
        done = subprocess.run(
            [sys.executable, "-m", "tests.running.kill_phases", path, str(n), "0"],
            cwd=path.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        *hits, status = map(int, done.stdout.split())
        assert status == 0, done.stderr
        assert sum(hits) == n
    whole, cut = (open_study(load_study_file(path)) for path in paths)
    is_whole(cut, trials)
    assert list(map(repeats, cut.trials)) == list(map(repeats, whole.trials))
    assert len({trial.values[0] for trial in whole.trials}) > 2
    assert {path.name for path in paths[1].parent.iterdir() if path.name.startswith(".")} <= PARTS
    return dict(zip(PHASES, hits, strict=True))


@pytest.mark.parametrize("storage", [pytest.param("sqlite", marks=pytest.mark.slow), "journal"])
def test_a_run_that_is_killed_within_all_that_it_does_has_the_trials_of_one_that_is_not(
    storage: str, tmp_path: Path, images: Path
) -> None:
    hits = killed_everywhere_equals_undisturbed(tmp_path, images, storage, trials=24, kills=5)
    assert list(hits.values()) == [0, 1, 1, 1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_a_run_that_is_killed_a_hundred_times_within_all_that_it_does_has_the_trials_of_one_that_is_not(
    storage: str, tmp_path: Path, images: Path
) -> None:
    hits = killed_everywhere_equals_undisturbed(tmp_path, images, storage, trials=160, kills=100)
    assert list(hits.values()) == [0, 20, 20, 20, 20, 20]


@pytest.mark.parametrize("storage", ["sqlite", "journal", "postgresql"])
def test_eight_processes_finish_exactly_as_many_trials_as_are_wanted(
    storage: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres") if storage == "postgresql" else storage
    path = write(tmp_path, "many", url, 13, "{random: {}}")
    run_and_kill(path, 8, 0, seconds=1)
    is_whole(open_study(load_study_file(path)), 13)


def test_four_processes_of_which_six_are_killed_lose_nothing(tmp_path: Path, postgres: str) -> None:
    path = write(tmp_path, "many", postgres, 30)
    assert run_and_kill(path, 4, 6, seconds=0.7) >= 3
    study = open_study(load_study_file(path))
    is_whole(study, 30)
    assert len({trial.user_attrs[NETWORK] for trial in study.trials}) == 30
    assert not [trial for trial in study.trials if SAME_AS in trial.user_attrs]
