from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard._serializer import serialize_frozen_trial

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.objective import DeviceError
from mnas_moo.running.reservations import reserve
from mnas_moo.running.run import TrialFailuresError, run_study
from mnas_moo.running.storage import find_study, open_study
from mnas_moo.running.trials import FAILURE, MEASUREMENTS, NETWORK, Observer
from mnas_moo.running.workers import Worker
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.text import from_text
from mnas_moo.study_file.load import load_study_file
from tests.running.conftest import Fake, values, write


def test_a_study_has_the_trials_it_wants_with_all_that_was_measured(tmp_path: Path) -> None:
    study = run_study(write(tmp_path))
    assert len(study.trials) == 5
    assert study.metric_names == ["parameters_m", "multiply_adds_m"]
    for trial in study.trials:
        spec = from_text(trial.user_attrs[NETWORK])
        assert trial.values == [spec.parameters / 1e6, spec.multiply_adds / 1e6]
        assert {name: m["value"] for name, m in trial.user_attrs[MEASUREMENTS].items()} == dict(
            zip(study.metric_names, trial.values, strict=True)
        )


def test_a_study_goes_on_where_it_was(tmp_path: Path) -> None:
    file = write(tmp_path)
    first = values(run_study(file, trials=2))
    more = values(run_study(file))
    assert more[:2] == first
    assert len(more) == 5
    assert len({tuple(v) for v in more}) == 5, "a restart with the same seed tried its first networks again"


def test_ten_trials_and_ten_more_are_twenty_to_the_digit(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    sampler = ("{random: {seed: 0}}", "{mnas: {seed: 3}}")
    file = write(parts, *sampler)
    run_study(file, trials=10)
    assert values(run_study(file, trials=20)) == values(run_study(write(whole, *sampler), trials=20))


@pytest.mark.parametrize("sampler", ["mnas", "{mnas-paper: {seed: 1}}", "nsga2", "tpe", "random"])
def test_every_sampler_of_a_study_file_samples(sampler: str, tmp_path: Path) -> None:
    single = () if "paper" not in sampler else ("parameters_m: , ", "")
    assert len(run_study(write(tmp_path, "{random: {seed: 0}}", sampler, *single)).trials) == 5


def test_the_papers_sampler_gets_its_reward(tmp_path: Path, fake: dict[str, Fake]) -> None:
    fake["accuracy"] = Fake("accuracy", lambda spec, seed: 0.5)
    file = write(
        tmp_path,
        "{parameters_m: , multiply_adds_m: }",
        "{accuracy: train, parameters_m: , multiply_adds_m: }",
        "{random: {seed: 0}}",
        "{mnas-paper: {seed: 1, reward: {mnas: {target: 0.1, latency: multiply_adds_m, alpha: 0, beta: -1}}}}",
    )
    study = run_study(file)
    assert len(study.trials) == 5
    reward = file.make_reward()
    assert reward is not None
    assert reward(0.5, 0.2) == 0.25


def test_a_finished_study_is_left_alone(tmp_path: Path, fake: dict[str, Fake]) -> None:
    file = write(tmp_path)
    run_study(file)
    fake["parameters_m"] = Fake("parameters_m", lambda spec, seed: 1 / 0)
    assert len(run_study(file).trials) == 5
    assert fake["parameters_m"].closed == 0


def test_failed_trials_do_not_count_and_say_why(tmp_path: Path, fake: dict[str, Fake]) -> None:
    calls: list[int] = []

    def sometimes(spec: NetworkSpec, seed: int) -> float:
        calls.append(seed)
        if len(calls) in (1, 3):
            raise ValueError("no\nluck")
        if len(calls) == 4:
            raise OSError("gone")
        return float("nan") if len(calls) == 5 else len(calls)

    fake["multiply_adds_m"] = Fake("multiply_adds_m", sometimes)
    study = run_study(write(tmp_path))
    assert len(values(study)) == 5
    assert [t.user_attrs[FAILURE] for t in study.trials if t.state == TrialState.FAIL] == [
        "multiply_adds_m: no luck",
        "multiply_adds_m: no luck",
        "multiply_adds_m: OSError: gone",
        "multiply_adds_m is nan",
    ]
    assert fake["multiply_adds_m"].closed == 1


def test_ten_failures_in_a_row_end_the_run_with_the_last_reason(tmp_path: Path, fake: dict[str, Fake]) -> None:
    calls: list[int] = []

    def fails(spec: NetworkSpec, seed: int) -> float:
        calls.append(seed)
        if len(calls) == 6:
            return 1.0
        raise RuntimeError(f"call {len(calls)}")

    fake["parameters_m"] = Fake("parameters_m", fails)
    message = "counts: 10 trials in a row failed; the last one, trial 15: parameters_m: RuntimeError: call 16"
    with pytest.raises(TrialFailuresError, match=message):
        run_study(write(tmp_path))
    assert len(calls) == 16


def test_a_missing_extra_ends_the_run_at_once(tmp_path: Path, fake: dict[str, Fake]) -> None:
    def missing(spec: NetworkSpec, seed: int) -> float:
        raise MissingExtraError("install it")

    fake["parameters_m"] = Fake("parameters_m", missing)
    file = write(tmp_path)
    with pytest.raises(MissingExtraError, match="install it"):
        run_study(file)
    study = find_study(file)
    assert study is not None
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]


def test_an_interrupted_trial_does_not_count_and_is_first_in_the_next_run(
    tmp_path: Path, fake: dict[str, Fake]
) -> None:
    calls: list[int] = []

    def interrupted(spec: NetworkSpec, seed: int) -> float:
        calls.append(seed)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return float(spec.parameters)

    fake["parameters_m"] = Fake("parameters_m", interrupted)
    file = write(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_study(file)
    study = find_study(file)
    assert study is not None
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE] * 2 + [TrialState.FAIL, TrialState.WAITING]
    assert study.trials[2].user_attrs[FAILURE] == "interrupted"
    assert fake["parameters_m"].closed == 1

    study = run_study(file)
    assert len(values(study)) == 5
    assert study.trials[3].state == TrialState.COMPLETE
    assert study.trials[3].params == study.trials[2].params
    assert FAILURE not in study.trials[3].user_attrs
    assert calls[3] == calls[2], "the same network is measured with the same seed"


def test_ctrl_c_while_a_trial_is_stored_waits_until_it_is(tmp_path: Path) -> None:
    import signal

    class Impatient(Observer):
        def trial_finished(self, study: optuna.Study, trial: FrozenTrial, completed: Sequence[FrozenTrial]) -> None:
            if trial.number == 1:
                signal.raise_signal(signal.SIGINT)

    file = write(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_study(file, observer=Impatient())
    study = find_study(file)
    assert study is not None
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_device_the_run_ends_and_the_next_one_goes_on_with_what_was_measured(
    tmp_path: Path, fake: dict[str, Fake]
) -> None:
    trained: list[int] = []
    attached = False

    def train(spec: NetworkSpec, seed: int) -> float:
        trained.append(seed)
        return 0.5

    def time(spec: NetworkSpec, seed: int) -> float:
        if not attached:
            raise DeviceError("Pixel 6 (serial 1) is unauthorised; confirm the dialog on it")
        return 2.0

    fake["parameters_m"], fake["multiply_adds_m"] = Fake("parameters_m", train), Fake("multiply_adds_m", time)
    file = write(tmp_path)
    with pytest.raises(DeviceError, match="confirm the dialog"):
        run_study(file, trials=1)
    (trial,) = find_study(file).get_trials(states=(TrialState.FAIL,))  # type: ignore[union-attr]
    assert trial.user_attrs[FAILURE] == "Pixel 6 (serial 1) is unauthorised; confirm the dialog on it"
    attached = True
    study = run_study(file, trials=1)
    assert values(study) == [[0.5, 2.0]]
    assert study.trials[1].params == trial.params
    assert len(trained) == 1
    assert fake["multiply_adds_m"].closed == 2


def test_a_constraint_says_by_how_much_it_is_broken_to_optuna_and_to_the_dashboard_alike(tmp_path: Path) -> None:
    bounds = "constraints: {peak_memory_mb: {max: 0.065}, parameters_m: {min: 0.0085, max: 0.016}}\n"
    study = run_study(write(tmp_path, "sampler", f"{bounds}sampler"), trials=8)
    broken = 0
    for trial in study.trials:
        spec = from_text(trial.user_attrs[NETWORK])
        parameters, memory = spec.parameters / 1e6, spec.peak_memory_bytes / 1e6
        expected = [parameters - 0.016, 0.0085 - parameters, memory - 0.065]
        assert list(trial.constraints.values()) == pytest.approx(expected)
        assert serialize_frozen_trial(study._study_id, trial, {})["constraints"] == list(trial.constraints.values())
        feasible = all(value <= 0 for value in expected)
        broken += not feasible
        if not feasible:
            assert trial.number not in [best.number for best in study.best_trials]
    assert 0 < broken < 8


def test_a_trial_of_a_killed_worker_does_not_block_and_is_tried_again(tmp_path: Path) -> None:
    file = load_study_file(write(tmp_path)._document.path, storage=f"sqlite:///{tmp_path}/counts.db")
    study = run_study(file, trials=1)
    storage: Any = study._storage
    dead = study.ask({"block1.operation": study.trials[0].distributions["block1.operation"]})
    storage._backend.record_heartbeat(dead._trial_id)
    with storage._backend.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00'")
    study = run_study(file, trials=3)
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE,
    ]  # fmt: skip
    assert study.trials[2].params["block1.operation"] == dead.params["block1.operation"]


@pytest.mark.parametrize("url", ["sqlite:///{}/counts.db", "journal:///{}/counts.log"])
def test_a_run_that_wants_fewer_trials_than_are_finished_leaves_no_dead_trial_as_running(
    url: str, tmp_path: Path
) -> None:
    file = load_study_file(write(tmp_path)._document.path, storage=url.format(tmp_path))
    study = run_study(file, trials=3)
    with Worker(study) as killed:
        assert reserve(study, killed, 5) is not None
    assert study.trials[3].state == TrialState.RUNNING
    assert run_study(file, trials=2).trials[3].state == TrialState.WAITING
    assert [trial.state for trial in run_study(file, trials=4).trials] == [TrialState.COMPLETE] * 4


@pytest.mark.parametrize("url", ["sqlite:///{}/counts.db", "journal:///{}/counts.log"])
def test_a_run_goes_on_though_another_one_has_finished_its_trial(
    url: str, tmp_path: Path, fake: dict[str, Fake]
) -> None:
    """As after a computer has slept so long that its run was taken for dead."""
    file = load_study_file(write(tmp_path)._document.path, storage=url.format(tmp_path))
    said: list[str] = []

    class Listening(Observer):
        def waiting(self, why: str) -> None:
            said.append(why)

    def measure(spec: NetworkSpec, seed: int) -> float:
        elsewhere = open_study(file)
        if len(elsewhere.trials) == 2:
            elsewhere.tell(1, [7.0, 7.0])
        return 1.0

    fake["parameters_m"] = Fake("parameters_m", measure)
    study = run_study(file, trials=4, observer=Listening())
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 4
    assert study.trials[1].values == [7.0, 7.0]
    assert said == ["trial 1 was finished by another run, which had taken this one for dead"]


def test_a_run_waits_for_the_last_trial_of_another_one_and_takes_it_up_when_that_is_killed(tmp_path: Path) -> None:
    file = write(tmp_path)
    study = run_study(file, trials=2)

    class Dying(Observer):
        def waiting(self, why: str) -> None:
            assert why == "the last trials are under way in other runs"
            assert len(open_study(file).trials) == 3
            other.__exit__()

    with Worker(study) as other:
        assert reserve(study, other, 3) is not None
        study = run_study(file, trials=3, observer=Dying())
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize("url", ["sqlite:///{}/counts.db", "journal:///{}/counts.log"])
def test_a_study_is_kept_in_a_file(url: str, tmp_path: Path) -> None:
    file = load_study_file(write(tmp_path)._document.path, storage=url.format(tmp_path))
    run_study(file, trials=2)
    assert len(run_study(file, trials=3).trials) == 3
    assert file.files == tmp_path / "counts_files"


def test_a_run_asks_the_storage_the_same_few_times_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what Optuna does: network, measurements, all constraints, and all trials read twice."""
    calls: list[str] = []
    cached = optuna.storages.JournalStorage
    for name in ("set_trial_user_attr", "set_trial_system_attr", "get_all_trials", "set_study_system_attr"):
        real = getattr(cached, name)

        def counted(self: Any, *args: Any, _name: str = name, _real: Any = real, **kwargs: Any) -> Any:
            calls.append(_name)
            return _real(self, *args, **kwargs)

        monkeypatch.setattr(cached, name, counted)
    file = write(tmp_path, "sampler", "constraints: {parameters_m: {max: 0.01}, peak_memory_mb: {max: 1}}\nsampler")
    run_study(file, trials=1)
    calls.clear()
    run_study(file, trials=3)
    at_three = {name: calls.count(name) for name in set(calls)}
    calls.clear()
    run_study(file, trials=7)
    per_trial = {name: (calls.count(name) - at_three[name]) / 2 for name in at_three}
    assert per_trial["set_trial_user_attr"] == 2
    assert per_trial["set_trial_system_attr"] == 1
    assert per_trial["get_all_trials"] <= 4
    assert "set_study_system_attr" not in per_trial
