from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from mnas_moo import MnasSampler
from mnas_moo.genomes.history import ATTRIBUTE
from mnas_moo.running import reservations
from mnas_moo.running.database import with_driver
from mnas_moo.running.reservations import Reserved, alone, begin, reserve
from mnas_moo.running.trials import FAILURE, NETWORK
from mnas_moo.running.trouble import StorageError
from mnas_moo.running.workers import WORKER, Worker

SPACE = {name: CategoricalDistribution([1, 2, 3]) for name in "abcd"}


@pytest.fixture(params=["sqlite", "journal"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    storage: Any = f"sqlite:///{tmp_path}/study.db"
    if request.param == "journal":
        storage = JournalStorage(JournalFileBackend(f"{tmp_path}/study.log"))
    return optuna.create_study(storage=storage, directions=["maximize", "minimize"], sampler=MnasSampler(seed=0))


@pytest.fixture(params=["sqlite", "journal", "postgres", "mysql"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.Study:
    """A study in each kind of storage."""
    if request.param == "journal":
        return optuna.create_study(storage=JournalStorage(JournalFileBackend(f"{tmp_path}/study.log")))
    address = f"sqlite:///{tmp_path}/study.db" if request.param == "sqlite" else request.getfixturevalue(request.param)
    return optuna.create_study(storage=with_driver(address))


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


def take(study: optuna.Study, worker: Worker, wanted: int = 10) -> Reserved:
    reserved = reserve(study, worker, wanted)
    assert reserved is not None
    return reserved


def run(study: optuna.Study, trial: optuna.Trial) -> dict[str, Any]:
    params = {name: trial._suggest(name, distribution) for name, distribution in SPACE.items()}
    study.tell(trial, [sum(params.values()), params["a"] * params["b"]])
    return params


def dead(study: optuna.Study) -> Worker:
    """A worker that has ended without a word."""
    with Worker(study) as worker:
        return worker


def test_a_trial_is_its_workers_from_the_write_on_that_creates_it(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(study._storage), "set_trial_system_attr", None)
    with Worker(study) as worker:
        take(study, worker)
        (trial,) = study.trials
        assert trial.state == TrialState.RUNNING
        assert worker.owns(trial)


def test_a_trial_that_was_killed_before_its_first_parameter_goes_on_under_its_number(study: optuna.Study) -> None:
    killed = take(study, dead(study))
    with Worker(study) as worker:
        assert take(study, worker).trial_id == killed.trial_id
        assert take(study, Worker(study)).trial_id != killed.trial_id, "it belongs to a worker that lives"
    assert states(study) == ["RUNNING", "RUNNING"]


@pytest.mark.parametrize("completed", [0, 3])
@pytest.mark.parametrize("suggested", [0, 2, 4])
def test_a_trial_that_was_killed_has_the_parameters_it_would_have_had(
    study: optuna.Study, suggested: int, completed: int
) -> None:
    def first(study: optuna.Study, worker: Worker) -> None:
        for _ in range(completed):
            run(study, begin(study, take(study, worker), SPACE))

    with Worker(study) as worker:
        other = optuna.create_study(directions=study.directions, sampler=MnasSampler(seed=0))
        first(other, worker)
        expected = run(other, begin(other, take(other, worker), SPACE))

        first(study, worker)
        trial = begin(study, take(study, dead(study)), SPACE)
        for name in list(SPACE)[:suggested]:
            trial._suggest(name, SPACE[name])
        study.sampler = MnasSampler(seed=0)  # as a new process has it
        assert run(study, begin(study, take(study, worker), SPACE)) == expected
    assert states(study) == ["COMPLETE"] * (completed + 1)
    assert study.trials[-1].system_attrs.get(ATTRIBUTE) == other.trials[-1].system_attrs.get(ATTRIBUTE)


def test_parameters_that_are_stored_stay_though_the_sampler_would_say_others_now(study: optuna.Study) -> None:
    trial = begin(study, take(study, dead(study)), SPACE)
    stored = [trial._suggest(name, SPACE[name]) for name in ("a", "b")]
    study.sampler = MnasSampler(seed=1)
    with Worker(study) as worker:
        params = run(study, begin(study, take(study, worker), SPACE))
    assert [params["a"], params["b"]] == stored
    assert study.trials[0].params == params
    assert not study.trials[0].system_attrs[ATTRIBUTE], "a note of another network"


def test_no_more_trials_are_under_way_than_are_wanted(study: optuna.Study) -> None:
    with Worker(study) as first, Worker(study) as second, Worker(study) as third:
        one, _ = take(study, first, 2), take(study, second, 2)
        assert reserve(study, third, 2) is None
        study.tell(study.trials[0].number, state=TrialState.FAIL)
        assert take(study, third, 2).trial_id != one.trial_id, "in the place of the one that failed"


def test_a_trial_of_a_killed_worker_is_taken_up_and_not_replaced(study: optuna.Study) -> None:
    with Worker(study) as first, Worker(study) as second:
        take(study, first, 2)
        killed = take(study, dead(study), 2)
        assert take(study, second, 2).trial_id == killed.trial_id


def test_a_killed_trial_that_is_one_too_many_waits_until_more_are_wanted(study: optuna.Study) -> None:
    with Worker(study) as worker:
        killed = take(study, dead(study), 2)
        study.add_trial(create_trial(values=[1.0, 2.0]))
        assert reserve(study, worker, 1) is None
        assert states(study) == ["WAITING", "COMPLETE"]
        assert take(study, worker, 2).trial_id == killed.trial_id


def test_a_trial_that_waits_comes_before_a_new_one(study: optuna.Study) -> None:
    study.enqueue_trial({"a": 3})
    with Worker(study) as worker:
        reserved = take(study, worker)
        assert worker.owns(study.trials[0])
        assert run(study, begin(study, reserved, SPACE))["a"] == 3
        take(study, worker)
    assert states(study) == ["COMPLETE", "RUNNING"]


def test_only_workers_that_die_while_they_measure_count_against_the_network(study: optuna.Study) -> None:
    assert [take(study, dead(study)).died for _ in range(3)] == [0, 0, 0]
    study._storage.set_trial_user_attr(study.trials[0]._trial_id, NETWORK, "in1x8x8")
    assert [take(study, dead(study)).died for _ in range(3)] == [1, 2, 3]


def test_a_killed_trial_that_was_copied_already_is_not_measured_again(study: optuna.Study) -> None:
    killed = take(study, dead(study))
    copy = create_trial(state=TrialState.WAITING, system_attrs={"failed_trial": 0, "retry_history": [0]})
    study.add_trial(copy)
    with Worker(study) as worker:
        reserved = take(study, worker)
    assert reserved.trial_id != killed.trial_id
    assert states(study) == ["FAIL", "RUNNING"]
    assert study.trials[0].user_attrs == {FAILURE: "interrupted"}


def test_a_running_trial_of_another_program_is_left_alone_and_not_counted(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.RUNNING))
    with Worker(study) as worker:
        assert take(study, worker, 1).trial_id != study.trials[0]._trial_id


def test_a_worker_whose_lock_the_server_has_lost_looks_again_before_it_writes(
    monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    study = optuna.create_study(storage=with_driver(postgres))
    storage: Any = study._storage
    real = storage.get_all_trials
    looks: list[int] = []

    def look(*args: Any, **kwargs: Any) -> Any:
        trials = real(*args, **kwargs)
        looks.append(len(trials))
        if len(looks) == 1:
            with storage._backend.engine.connect() as connection:
                ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                assert connection.exec_driver_sql(ended).scalar()
            study.add_trial(create_trial(state=TrialState.RUNNING, system_attrs={WORKER: other.note()}))
        return trials

    with Worker(study) as worker, Worker(study) as other:
        monkeypatch.setattr(storage, "get_all_trials", look)
        assert reserve(study, worker, 1) is None, "another worker has begun the only trial meanwhile"
    assert looks[0] == 0
    assert looks[-1] == 1


@pytest.fixture(params=["postgres", "mysql"])
def address(request: pytest.FixtureRequest) -> str:
    """An empty database on a server."""
    return with_driver(request.getfixturevalue(request.param))


UNDER_WAY = {
    "a trial is created": "INSERT INTO trials (study_id, number, state) VALUES (1, 1, 'RUNNING')",
    "a trial is completed": "UPDATE trials SET state = 'COMPLETE' WHERE trial_id = 1",
    "a parameter is stored": (
        "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)"
        f" VALUES (1, 'a', 0, '{distribution_to_json(SPACE['a'])}')"
    ),
}


@pytest.mark.parametrize("what", UNDER_WAY)
def test_what_a_worker_sent_before_it_was_killed_is_waited_for(address: str, what: str) -> None:
    study = optuna.create_study(storage=address)
    killed = take(study, dead(study))
    found: list[Reserved | None] = []
    last = sqlalchemy.create_engine(address).connect()
    if "created" in what:  # as Optuna does
        last.exec_driver_sql("SELECT study_id FROM studies FOR UPDATE")
    last.exec_driver_sql(UNDER_WAY[what])
    with Worker(study) as worker:
        thread = threading.Thread(target=lambda: found.append(reserve(study, worker, 1)))
        thread.start()
        thread.join(0.5)  # it would have ended by now if it did not wait
        assert not found
        last.commit()
        thread.join()
    if "completed" in what:
        assert found == [None]
        assert study.trials[0].system_attrs[WORKER]["run"] != worker.note()["run"]
    else:
        assert found == [Reserved(killed.trial_id)]
        assert study.trials[0].params == ({"a": 1} if "parameter" in what else {})


def test_a_server_that_keeps_no_lock_ends_the_run_with_a_line(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    @contextmanager
    def lost(study: optuna.Study) -> Iterator[None]:
        asked.append("lock")
        raise reservations._LockLostError("connection was killed")
        yield

    monkeypatch.setattr(reservations, "alone", lost)
    with Worker(study) as worker, pytest.raises(StorageError, match="5 times in a row: connection was killed"):
        reserve(study, worker, 1)
    assert len(asked) == 5


def test_one_worker_at_a_time_reserves(anywhere: optuna.Study) -> None:
    order: list[str] = []
    inside, told = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait()
        told.set()
        with alone(anywhere):
            order.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with alone(anywhere):
        inside.set()
        told.wait()
        thread.join(0.05)  # it would come in now if it could
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
