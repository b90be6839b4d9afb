from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from mnas_moo.running.run import run_study
from mnas_moo.running.shared_weights import STAGE, best, curve_line, stage, training_of, weights_file
from mnas_moo.running.trials import JUDGED, MEASUREMENTS, NETWORK, SAME_AS, Observer
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.supernet.training import CurvePoint

SHARED = """\
name: shared
storage: journal:///{folder}/shared.log
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives:
  accuracy: {{shared: {{steps: 30, batch_size: 64, device: cpu, alone: 2, train: {{steps: 12, device: cpu}}}}}}
  multiply_adds_m:
sampler: {{random: {{seed: 0}}}}
trials: 7
"""


def study_of(folder: Path, *changes: str) -> NetworkStudy:
    text = SHARED.format(folder=folder)
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (folder / "shared.yaml").write_text(text, encoding="utf-8")
    study_file = load_study_file(folder / "shared.yaml")
    assert isinstance(study_file, NetworkStudy)
    return study_file


class Told(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def preparing(self, what: str) -> None:
        self.lines.append(what)


def test_the_last_trials_train_the_best_networks_alone(tmp_path: Path) -> None:
    study_file, told = study_of(tmp_path), Told()
    study = run_study(study_file, observer=told)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 7
    weights = [trial.user_attrs[MEASUREMENTS]["accuracy"]["weights"] for trial in study.trials]
    assert weights == ["shared"] * 5 + ["alone"] * 2
    shared, alone = study.trials[:5], study.trials[5:]
    assert [trial.user_attrs[JUDGED] for trial in alone] == ["alone"] * 2
    assert all(len(trial.user_attrs[MEASUREMENTS]["accuracy"]["trainings"]) == 1 for trial in alone)
    by_network = {trial.user_attrs[NETWORK]: trial for trial in shared}
    for trial in alone:  # counted once, and trained anew
        before = by_network[trial.user_attrs[NETWORK]]
        assert trial.values[1] == before.values[1] and trial.values[0] != before.values[0]
    assert [trial.params for trial in alone] == best(shared, study.directions, 2)
    assert weights_file(study_file) == tmp_path / "shared_files" / "supernet-shared.pt"
    assert weights_file(study_file).exists()
    assert told.lines[2] == "training the weights that all networks share"
    assert told.lines[-1].startswith("shared weights: step 30 of 30 after ")


def test_a_run_that_goes_on_takes_the_weights_that_are_there(tmp_path: Path) -> None:
    run_study(study_of(tmp_path), trials=3)
    file = tmp_path / "shared_files" / "supernet-shared.pt"
    written = file.stat().st_mtime_ns
    study = run_study(study_of(tmp_path))
    assert len(study.trials) == 7 and file.stat().st_mtime_ns == written
    judged = [trial.user_attrs.get(JUDGED) for trial in study.trials]
    assert judged == [None, "alone", None, None, None, "alone", "alone"]
    networks = [trial.user_attrs[NETWORK] for trial in study.trials if JUDGED in trial.user_attrs]
    assert len(set(networks)) == 3
    assert run_study(study_of(tmp_path)).trials[-1].number == 6


def test_networks_are_fine_tuned_from_the_shared_weights(tmp_path: Path) -> None:
    study = run_study(study_of(tmp_path, "alone: 2,", "alone: 1, fine_tune: true,", "trials: 7", "trials: 4"))
    last = study.trials[-1].user_attrs
    assert (last[JUDGED], last[MEASUREMENTS]["accuracy"]["weights"]) == ("fine-tuned", "fine-tuned")


def test_the_file_of_another_study_serves_as_well(tmp_path: Path) -> None:
    run_study(study_of(tmp_path), trials=1)
    file = tmp_path / "shared_files" / "supernet-shared.pt"
    changes = (
        "name: shared",
        "name: other",
        SHARED.format(folder=tmp_path).splitlines()[5].strip(),
        f"accuracy: {{supernet: {file}}}",
    )
    study = run_study(study_of(tmp_path, *changes))
    assert {trial.user_attrs[MEASUREMENTS]["accuracy"]["weights"] for trial in study.trials} == {"shared"}


def test_weights_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    run_study(study_of(tmp_path), trials=1)
    file = tmp_path / "shared_files" / "supernet-shared.pt"
    line = SHARED.format(folder=tmp_path).splitlines()[5].strip()

    def message(*changes: str) -> str:
        with pytest.raises(StudyError) as error:
            run_study(study_of(tmp_path, "name: shared", "name: other", *changes))
        return str(error.value).partition(": objectives.accuracy")[2]

    other = f"accuracy: {{supernet: {file}}}"
    assert message(line, other, "blocks: 3", "blocks: 2").startswith(f": {file} has weights of a space whose filters")
    assert message(line, other, "space: {mnasnet:", "space: {mnasnet-flat:") == (
        f": {file} has weights of the space mnasnet; the study searches mnasnet-flat"
    )
    held = f"accuracy: {{supernet: {{file: {file}, train: {{holdout: 0.3}}}}}}"
    assert "images that are held out" in message(line, held)
    assert message(line, "accuracy: {supernet: none.pt}").startswith(": none.pt is no file; `mnas-moo supernet STUDY")


def test_a_budget_needs_trainings_and_no_shared_weights(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match="budget is for networks that are trained alone; with shared weights, give tri"
    ):
        study_of(tmp_path, "trials: 7", "budget: 5 min")
    with pytest.raises(StudyError, match="alone is 7, and there are 7 trials in all"):
        study_of(tmp_path, "alone: 2", "alone: 7")


def test_settings_of_the_training_are_those_of_the_file(tmp_path: Path) -> None:
    settings = training_of(study_of(tmp_path))
    assert (settings.steps, settings.minutes, settings.batch_size, settings.rule) == (30, None, 64, "uniform")
    with pytest.raises(
        StudyError, match=r"objectives.accuracy.shared has minutes: 2.0 and steps: 30; give one of them"
    ):
        study_of(tmp_path, "steps: 30", "steps: 30, minutes: 2.0")
    with pytest.raises(StudyError, match="rule is 'sandwhich'"):
        study_of(tmp_path, "steps: 30", "steps: 30, rule: sandwhich")


def trial(number: int, values: list[float], **attributes: Any) -> optuna.trial.FrozenTrial:
    made = create_trial(values=values, user_attrs=attributes)
    made.number = number
    return made


def test_the_best_are_the_front_and_then_what_is_left_of_it() -> None:
    distribution = optuna.distributions.IntDistribution(0, 9)

    def at(x: int, accuracy: float, ms: float, **attributes: Any) -> optuna.trial.FrozenTrial:
        return create_trial(
            params={"x": x}, distributions={"x": distribution}, values=[accuracy, ms], user_attrs=attributes
        )

    trials = [at(0, 0.9, 9.0), at(1, 0.5, 1.0), at(2, 0.8, 3.0), at(3, 0.7, 4.0), at(4, 0.4, 2.0)]
    directions = [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    assert [params["x"] for params in best(trials, directions, 1)] == [2]
    assert {params["x"] for params in best(trials, directions, 3)} == {0, 1, 2}
    assert [params["x"] for params in best(trials, directions, 4)][3] == 3
    assert len(best(trials, directions, 9)) == 5
    same = [*trials, at(5, 0.95, 0.5, **{SAME_AS: 2})]
    assert {params["x"] for params in best(same, directions, 3)} == {0, 1, 2}


def test_trials_for_the_last_stage_are_put_there_once(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_user_attr("x", 1)
    distribution = {"x": optuna.distributions.IntDistribution(0, 9)}
    for x in range(3):
        study.add_trial(create_trial(params={"x": x}, distributions=distribution, values=[x / 9, x + 1.0]))
    assert stage(study, 6, 2, "alone") == 4
    assert stage(study, 5, 2, "alone") == 5
    assert stage(study, 5, 2, "alone") == 5
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert [each.user_attrs for each in waiting] == [{JUDGED: "alone", STAGE: 5}] * 2
    assert stage(study, 9, 0, "alone") == 9


def test_a_point_of_the_curve_in_words() -> None:
    point = CurvePoint(1200, 61.4, 1.2345, 0.81, 0.6, 0.7)
    assert curve_line(2400, point) == (
        "shared weights: step 1,200 of 2,400 after 61 s, loss 1.234; largest network 81.0% right, a random one 70.0%, "
        "the smallest 60.0%"
    )
    assert dataclasses.asdict(point)["smallest"] == 0.6
