"""Trials that train: several trainings a trial, told of while they run, interrupted and gone on with."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest

from mnas_moo.genomes.history import STANDARD_ERRORS
from mnas_moo.objectives.training import train as training
from mnas_moo.objectives.training.accuracy import Accuracy
from mnas_moo.objectives.training.data import load_data
from mnas_moo.objectives.training.settings import TrainingProgress
from mnas_moo.running import trainings
from mnas_moo.running.run import run_study
from mnas_moo.running.storage import open_study
from mnas_moo.running.trials import MEASUREMENTS, PROGRESS, TRAININGS, Observer
from mnas_moo.study_file.study import StudyFile
from tests.running.conftest import write

OBJECTIVES = "objectives: {parameters_m: , multiply_adds_m: }"
TRAINED = "objectives: {accuracy: {train: {steps: 12, batch_size: 32, device: cpu}}, parameters_m: }"


def trained(folder: Path, *changes: str) -> StudyFile:
    return write(folder, OBJECTIVES, TRAINED, "blocks: 3", "blocks: 1, resolution: 8", *changes)


def accuracies(trial: optuna.trial.FrozenTrial) -> list[float]:
    return [each["accuracy"] for each in trial.user_attrs[MEASUREMENTS]["accuracy"]["trainings"]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings tell of every step, and trials look and store as often."""
    monkeypatch.setattr(training, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(trainings, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(trainings, "STORE_SECONDS", 0.0)


def test_a_trial_holds_every_training_and_is_told_their_mean(tmp_path: Path) -> None:
    study = run_study(trained(tmp_path), trials=3)
    for trial in study.trials:
        stored = trial.user_attrs[MEASUREMENTS]["accuracy"]
        assert trial.values[0] == stored["value"]
        low, high = stored["interval"]
        assert low <= stored["value"] <= high
        assert trial.user_attrs[STANDARD_ERRORS] == [stored["standard_error"], 0.0]
    first = accuracies(study.trials[0])  # nothing to be compared with: trained until it is confirmed once
    assert len(first) == 2 * trainings.at_a_time(1, "cpu")
    assert len(set(first)) > 1


def test_without_confirmation_a_network_is_trained_once_as_in_the_paper(tmp_path: Path) -> None:
    file = trained(tmp_path, "device: cpu", "device: cpu, confirm: 0")
    study = run_study(file, trials=2)
    assert [len(accuracies(trial)) for trial in study.trials] == [1, 1]
    assert study.trials[0].values[0] == accuracies(study.trials[0])[0]


def test_a_run_is_repeated_to_the_last_digit(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (run_study(trained(tmp_path / name), trials=3) for name in ("one", "two"))
    assert [accuracies(trial) for trial in one.trials] == [accuracies(trial) for trial in two.trials]
    assert [trial.values for trial in one.trials] == [trial.values for trial in two.trials]


@pytest.mark.usefixtures("told")
def test_the_progress_of_a_training_is_told_and_stored(tmp_path: Path) -> None:
    class Watch(Observer):
        def __init__(self) -> None:
            self.seen: list[TrainingProgress] = []

        def training(self, number: int, progress: TrainingProgress) -> None:
            assert number == 0
            self.seen.append(progress)

    watch = Watch()
    study = run_study(trained(tmp_path, "steps: 12", "steps: 60"), trials=1, observer=watch)
    assert watch.seen
    for progress in watch.seen:
        assert 1 <= progress.training <= progress.trainings
        assert 0 < progress.step <= progress.steps == 60
        assert progress.images_per_second > 0
        assert progress.seconds_left >= 0
    assert watch.seen[-1].accuracy is not None
    assert study.trials[0].user_attrs[PROGRESS]["steps"] == 60


@pytest.mark.usefixtures("told")
def test_an_interrupted_trial_goes_on_where_its_trainings_stood(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = run_study(trained(tmp_path / "whole", "steps: 12", "steps: 60"), trials=1)

    class Interrupt(Observer):
        def training(self, number: int, progress: TrainingProgress) -> None:
            if progress.training > 2 and progress.step > 20:  # the first two are stored, the next ones under way
                os.kill(os.getpid(), signal.SIGINT)

    file = trained(tmp_path, "steps: 12", "steps: 60")
    with pytest.raises(KeyboardInterrupt):
        run_study(file, trials=1, observer=Interrupt())
    stopped = open_study(file).trials[0]
    assert len(stopped.user_attrs[TRAININGS]["trainings"]) == 2
    saved = list(file.files.glob("checkpoints/*.pt"))
    assert saved

    begun: list[int] = []

    class Watch(Observer):
        def training(self, number: int, progress: TrainingProgress) -> None:
            begun.append(progress.training)

    study = run_study(file, trials=1, observer=Watch())
    (trial,) = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    assert min(begun) > 2
    assert accuracies(trial) == accuracies(whole.trials[0])
    assert not list(file.files.glob("checkpoints/*.pt"))


def test_a_training_that_fails_fails_its_trial_with_the_reason(tmp_path: Path) -> None:
    file = trained(tmp_path, "device: cpu", "device: cpu, learning_rate: 1.0e+30")
    with pytest.raises(Exception, match="accuracy: train: the loss became"):
        run_study(file, trials=1)
    assert "try a learning_rate below" in open_study(file).trials[0].user_attrs["failure"]


def test_two_trainings_run_at_the_same_time_where_there_are_two_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if trainings.at_a_time(1, "cpu") < 2:
        pytest.skip("this machine has one core")
    together = threading.Barrier(2)
    real = training.fit

    def meet(*arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread() and arguments[4] is not None:
            together.wait(timeout=60)
        return real(*arguments)

    monkeypatch.setattr(training, "fit", meet)
    run_study(trained(tmp_path), trials=1)


@pytest.mark.parametrize(("threads", "device"), [(1, "cuda:0"), (10**6, "cpu")])
def test_a_gpu_and_few_cores_train_one_after_the_other(threads: int, device: str) -> None:
    assert trainings.at_a_time(threads, device) == 1


@pytest.mark.parametrize(
    ("cores", "folded", "confirm", "expected"),
    [
        (2, 2000, 0.5, (2, 1)),  # few images held out: a network is trained twice at once
        (2, 300, 0.5, (1, 2)),  # many: two networks are trained at a time
        (2, 2000, 0.0, (1, 2)),  # none is trained again
        (9, 2000, 0.5, (2, 4)),
        (1, 2000, 0.5, (1, 1)),
        (64, 300, 0.5, (1, trainings.MOST_WORKERS)),
    ],
)
def test_cores_go_to_one_network_where_its_hold_out_is_small_and_else_to_several(
    cores: int, folded: int, confirm: float, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainings.os, "sched_getaffinity", lambda _: range(cores), raising=False)
    monkeypatch.setattr(trainings, "FOLDED_IMAGES", folded)
    accuracy = Accuracy(load_data("digits", 8), device="cpu")  # holds out 359
    first = trainings.first_trainings(accuracy, confirm)
    assert (first, trainings.workers_of(accuracy, first)) == expected
