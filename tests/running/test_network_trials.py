from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from mnas_moo.running import latency_sources, network_trials, objectives
from mnas_moo.running.results import Results
from mnas_moo.running.run import run_study
from mnas_moo.running.storage import open_study
from mnas_moo.running.trials import FAILURE, MEASUREMENTS, NETWORK, SAME_AS, Observer
from mnas_moo.running.workers import TRIES
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.study import StudyFile
from tests.running.conftest import Fake, values, write


def test_objectives_of_a_trial_are_measured_side_by_side(tmp_path: Path, fake: dict[str, Fake]) -> None:
    together = threading.Barrier(2)

    def meet(spec: NetworkSpec, seed: int) -> float:
        together.wait(timeout=30)
        return 0.5

    fake["parameters_m"], fake["multiply_adds_m"] = Fake("parameters_m", meet), Fake("multiply_adds_m", meet)
    assert values(run_study(write(tmp_path), trials=1)) == [[0.5, 0.5]]


def test_a_network_is_measured_once_and_then_answered_from_the_results(tmp_path: Path, fake: dict[str, Fake]) -> None:
    calls: list[str] = []

    def count(spec: NetworkSpec, seed: int) -> float:
        calls.append(str(spec))
        return float(len(calls))

    fake["parameters_m"] = Fake("parameters_m", count)
    file = write(tmp_path)
    study = run_study(file, trials=2)
    study.enqueue_trial(study.trials[1].params)
    study = run_study(file, trials=3)
    assert len(calls) == 2
    assert study.trials[2].values == study.trials[1].values
    assert study.trials[2].user_attrs[SAME_AS] == 1
    assert study.trials[2].user_attrs[MEASUREMENTS] == study.trials[1].user_attrs[MEASUREMENTS]


def test_genomes_of_one_network_are_one_network(tmp_path: Path) -> None:
    file = write(tmp_path)
    study = run_study(file, trials=1)
    space = file.make_space(objectives.describe(file))
    params = study.trials[0].params
    other = next(
        {**params, name: choice}
        for name, distribution in space.distributions.items()
        for choice in distribution.choices  # type: ignore[attr-defined]
        if choice != params[name] and space.spec({**params, name: choice}).canonical() == space.spec(params).canonical()
    )
    study.enqueue_trial(other)
    assert run_study(file, trials=2).trials[1].user_attrs[SAME_AS] == 0


def test_what_a_device_waits_for_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Fake):
        device: ClassVar[dict[str, str]] = {"model": "Pixel 6"}

    def slow(settings: Any, report: Callable[[str], None], **_: Any) -> Slow:
        def time(spec: NetworkSpec, seed: int) -> float:
            report("waiting: Pixel 6 (serial 1) is offline")
            return 1.0

        return Slow("latency_ms", time)

    told: list[str] = []

    class Listening(Observer):
        def waiting(self, why: str) -> None:
            told.append(why)

    monkeypatch.setattr(latency_sources, "make", slow)
    study = run_study(write(tmp_path, "multiply_adds_m: ", "latency_ms: {adb: {}}"), trials=1, observer=Listening())
    assert told == ["waiting: Pixel 6 (serial 1) is offline"]
    assert len(values(study)) == 1


def test_classes_that_are_not_the_datas_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"counts.yaml:3: space.mnasnet.classes is 7, but the data has 10"):
        run_study(write(tmp_path, "blocks: 3", "classes: 7"))


def test_what_is_wrong_with_the_data_leaves_no_storage_behind(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"counts.yaml:4: data: nowhere is no folder"):
        run_study(write(tmp_path, "data: digits", "data: nowhere"))
    assert [path.name for path in tmp_path.iterdir()] == ["counts.yaml"]


def trial_of(network: Any, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    """A trial without parameters."""
    attributes = {} if network is None else {NETWORK: network, MEASUREMENTS: {"accuracy": {"value": 0.5}}}
    values = [0.5] if state == TrialState.COMPLETE else None
    return create_trial(state=state, values=values, user_attrs=attributes)


def test_results_are_those_of_the_first_completed_trial_of_a_network_whenever_it_completes() -> None:
    study, results = optuna.create_study(), Results()
    assert results.of(study, "a") is None
    slow = study.ask()
    for trial in (trial_of(None), trial_of("a"), trial_of("b"), trial_of("a"), trial_of("c", TrialState.FAIL)):
        study.add_trial(trial)
    study.add_trial(trial_of(["a"]))
    assert [getattr(results.of(study, name), "number", None) for name in "abc"] == [2, 3, None]
    slow.set_user_attr(NETWORK, "a")
    slow.set_user_attr(MEASUREMENTS, {})
    assert getattr(results.of(study, "a"), "number", None) == 2
    study.tell(slow, 0.5)
    study.add_trial(trial_of("c"))
    assert [getattr(results.of(study, name), "number", None) for name in "abc"] == [0, 3, 7]


def test_each_trial_is_looked_at_once_after_it_has_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    study, results = optuna.create_study(), Results()
    study.add_trials([trial_of(str(i)) for i in range(50)])
    results.of(study, "0")
    looked: list[int] = []
    trials = study.get_trials(deepcopy=False)

    class Watched(list[FrozenTrial]):
        def __getitem__(self, number: Any) -> Any:
            looked.append(number)
            return super().__getitem__(number)

    study.add_trial(trial_of("new"))
    trials.append(study.trials[-1])
    monkeypatch.setattr(study, "get_trials", lambda deepcopy: Watched(trials))
    found = results.of(study, "new")
    assert found is not None
    assert found.number == 50
    assert set(looked) == {50}


def run_until_it_is_killed(file: StudyFile) -> None:
    """Runs a study in a process that is expected to be killed."""
    process = os.fork()
    if process == 0:
        try:
            run_study(file)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL


def test_a_network_that_kills_three_workers_is_given_up_and_not_tried_again(
    tmp_path: Path, fake: dict[str, Fake]
) -> None:
    deadly = tmp_path / "deadly"

    def kill(spec: NetworkSpec, seed: int) -> float:
        if not deadly.exists():
            deadly.write_text(str(seed), encoding="utf-8")
        if deadly.read_text(encoding="utf-8") == str(seed):
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0

    fake["parameters_m"] = Fake("parameters_m", kill)
    file = write(tmp_path)
    for _ in range(TRIES):
        run_until_it_is_killed(file)
    study = run_study(file)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] + [TrialState.COMPLETE] * 5
    assert study.trials[0].user_attrs[FAILURE] == "killed its worker 3 times, and is given up"
    assert study.trials[0].params, "the sampler is told which network failed"
    study.enqueue_trial(study.trials[0].params)
    again = run_study(file, trials=6).trials[6]
    assert again.user_attrs[FAILURE] == "the network killed its worker 3 times in trial 0"


def test_what_a_killed_worker_had_measured_is_not_measured_again(
    tmp_path: Path, fake: dict[str, Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = tmp_path / "trained"
    file = write(tmp_path)
    parent = os.getpid()

    def train(spec: NetworkSpec, seed: int) -> float:
        with trained.open("a", encoding="utf-8") as lines:
            lines.write("once\n")
        return 0.5

    def time_it(spec: NetworkSpec, seed: int) -> float:
        until = time.monotonic() + 30
        while os.getpid() != parent and time.monotonic() < until:
            if any(MEASUREMENTS in trial.user_attrs for trial in open_study(file).trials):
                os.kill(os.getpid(), signal.SIGKILL)
        return 2.0

    monkeypatch.setattr(network_trials, "STORED_SECONDS", 0.0)
    fake["parameters_m"], fake["multiply_adds_m"] = Fake("parameters_m", train), Fake("multiply_adds_m", time_it)
    run_until_it_is_killed(file)
    assert values(run_study(file, trials=1)) == [[0.5, 2.0]]
    assert trained.read_text(encoding="utf-8") == "once\n"


def test_what_was_measured_of_another_network_is_not_taken(tmp_path: Path) -> None:
    first = run_study(write(tmp_path), trials=1)
    other = tmp_path / "other"
    other.mkdir()
    file = write(other)
    study = run_study(file, trials=0)
    measured = {NETWORK: "another", MEASUREMENTS: {"parameters_m": {"value": 99.0}}}
    (trial,) = first.trials
    study.add_trial(
        create_trial(
            state=TrialState.WAITING, params=trial.params, distributions=trial.distributions, user_attrs=measured
        )
    )
    assert values(run_study(file, trials=1)) == values(first)
