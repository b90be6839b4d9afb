"""What Optuna's conformance suite leaves out: growth, seeds, resuming, workers, duplicates, and all kinds of trials."""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from mnas_moo.dppnet.sampler import ProgressiveSampler
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.dppnet.state import PREDICTOR
from mnas_moo.genomes.history import ATTRIBUTE
from mnas_moo.objectives.tabular.published import bench_table
from mnas_moo.spaces.growth import Growth

OPERATION = CategoricalDistribution([0, 1, 2])
STATIC = Growth(tuple({f"op{i}": OPERATION} for i in range(5)))
LENGTH = IntDistribution(1, 4)
CONDITIONAL = Growth(tuple({f"op{i}": OPERATION} for i in range(4)), {}, ("length", LENGTH), (1, 2, 3, 4))
DIRECTIONS = ["maximize", "minimize"]
QUICK = ProgressiveSettings(k=8, fit_steps=10, hidden=8, embedding=4)


def static(trial: optuna.Trial) -> tuple[float, float]:
    operations = [trial.suggest_categorical(f"op{i}", [0, 1, 2]) for i in range(5)]
    return sum(operations) / 10, 1.0 + sum(value**2 for value in operations)


def conditional(trial: optuna.Trial) -> tuple[float, float]:
    operations = [trial.suggest_categorical(f"op{i}", [0, 1, 2]) for i in range(trial.suggest_int("length", 1, 4))]
    return sum(operations) / 8, 1.0 + sum(1 + value**2 for value in operations)


def make(growth: Growth = STATIC, **options: Any) -> ProgressiveSampler:
    return ProgressiveSampler(growth, **{"seed": 0, "settings": QUICK, **options})


def create(sampler: ProgressiveSampler, **options: Any) -> optuna.Study:
    return optuna.create_study(directions=DIRECTIONS, sampler=sampler, **options)


def genomes(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [tuple(sorted(trial.params.items())) for trial in study.trials]


def notes(study: optuna.Study) -> list[Any]:
    return [trial.system_attrs.get(ATTRIBUTE) for trial in study.trials]


both = pytest.mark.parametrize(("growth", "function"), [(STATIC, static), (CONDITIONAL, conditional)])
Function = Callable[[optuna.Trial], tuple[float, float]]


def test_networks_grow_from_one_step_to_all_and_then_vary_at_full_length() -> None:
    study = create(make(CONDITIONAL))
    study.optimize(conditional, n_trials=3 + 8 * 5)
    lengths = [trial.params["length"] for trial in study.trials]
    assert lengths[:3] == [1, 1, 1]
    assert lengths[3:27] == [2] * 8 + [3] * 8 + [4] * 8
    sources = {note["source"] for note in notes(study)[27:]}
    assert "neighbour" in sources
    assert sources <= {"neighbour", "exploration", "random"}


def test_mutants_are_their_parents_with_one_more_operation() -> None:
    study = create(make(CONDITIONAL))
    study.optimize(conditional, n_trials=3 + 8 * 2)
    rounds = [[t for t in study.trials if t.params["length"] == length] for length in (2, 3)]
    parents = {tuple(trial.params[f"op{i}"] for i in range(2)) for trial in rounds[0]}
    assert all(tuple(trial.params[f"op{i}"] for i in range(2)) in parents for trial in rounds[1])


@both
def test_two_runs_equal_one_to_the_last_digit(growth: Growth, function: Function) -> None:
    def failing(trial: optuna.Trial) -> tuple[float, float]:
        values = function(trial)
        if trial.number % 7 == 3:
            raise RuntimeError("out of memory")
        return values

    unbroken = create(make(growth))
    unbroken.optimize(failing, n_trials=45, catch=RuntimeError)
    resumed = create(make(growth))
    for first in (10, 10, 25):
        resumed.sampler = make(growth)
        resumed.optimize(failing, n_trials=first, catch=RuntimeError)
    assert genomes(resumed) == genomes(unbroken)
    assert notes(resumed) == notes(unbroken)


def test_a_seed_fixes_the_trials_and_a_drawn_one_is_stored() -> None:
    runs = []
    for seed in (3, 3, 4):
        study = create(make(seed=seed))
        study.optimize(static, n_trials=20)
        runs.append(genomes(study))
    assert runs[0] == runs[1] != runs[2]
    drawn = create(make(seed=None))
    drawn.optimize(static, n_trials=20)
    again = optuna.create_study(directions=DIRECTIONS, storage=drawn._storage)
    assert again.sampler is not drawn.sampler
    drawn.sampler = pickle.loads(pickle.dumps(drawn.sampler))
    drawn.optimize(static, n_trials=5)
    assert len(set(genomes(drawn))) == 25


@both
def test_every_network_is_tried_before_any_again(growth: Growth, function: Function) -> None:
    study = create(make(growth, settings=ProgressiveSettings(k=30, fit_steps=2, hidden=4, embedding=2)))
    count = 3**5 if growth is STATIC else 3 + 9 + 27 + 81
    study.optimize(function, n_trials=count)
    assert len(set(genomes(study))) == count
    study.optimize(function, n_trials=2)
    assert len(study.trials) == count + 2
    assert notes(study)[-1]["source"] == "again"


def test_four_threads_try_no_network_twice() -> None:
    study = create(make())
    study.optimize(static, n_trials=60, n_jobs=4)
    assert len(set(genomes(study))) == 60


def _work(storage: str, trials: int) -> None:
    optuna.load_study(study_name="s", storage=storage, sampler=make()).optimize(static, n_trials=trials)


def _hang(storage: str) -> None:
    def hang(trial: optuna.Trial) -> tuple[float, float]:
        static(trial)
        time.sleep(600)
        return 0.0, 1.0

    optuna.load_study(study_name="s", storage=storage, sampler=make()).optimize(hang, n_trials=1)


def _spawn(target: Callable[..., None], *arguments: Any) -> multiprocessing.Process:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mnas_moo.dppnet.sampler"])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def test_processes_on_one_database_try_no_network_twice_and_a_killed_one_blocks_nobody(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = create(make(), storage=storage, study_name="s")
    lost = _spawn(_hang, storage)
    deadline = time.monotonic() + 60
    while not any(len(t.params) == 5 for t in study.get_trials(states=[TrialState.RUNNING])):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lost.pid is not None
    os.kill(lost.pid, signal.SIGKILL)
    lost.join()
    processes = [_spawn(_work, storage, 15) for _ in range(2)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    study = optuna.load_study(storage=storage, study_name="s")
    assert len(study.get_trials(states=[TrialState.COMPLETE])) == 30
    assert len(set(genomes(study))) == 31


def test_failed_pruned_and_nan_trials_are_no_results_and_are_not_tried_again() -> None:
    def mixed(trial: optuna.Trial) -> tuple[float, float]:
        values = static(trial)
        if trial.number % 4 == 1:
            raise RuntimeError
        if trial.number % 4 == 2:
            return math.nan, values[1]
        return values

    study = create(make())
    study.optimize(mixed, n_trials=60, catch=RuntimeError)
    study.ask(STATIC.distributions)
    state = study.sampler._state(study)  # type: ignore[attr-defined]
    assert {each.record.number % 4 for each in state.past if each.is_result} == {0, 3}
    assert len(set(genomes(study)[:60])) == 60


def test_infeasible_networks_do_not_grow_while_feasible_ones_can() -> None:
    def constrained(trial: optuna.Trial) -> tuple[float, float]:
        values = conditional(trial)
        trial.set_constraint("first", 1.0 if trial.params["op0"] == 2 else -1.0)
        return values

    study = create(make(CONDITIONAL, settings=ProgressiveSettings(k=2, exploration=0.0, fit_steps=60)))
    study.optimize(constrained, n_trials=2 + 2 * 2)
    infeasible = [trial.number for trial in study.trials if trial.params["op0"] == 2]
    assert all(number < 2 for number in infeasible)


def test_enqueued_trials_run_first_and_are_learnt_from() -> None:
    study = create(make())
    wanted = {f"op{i}": 2 for i in range(5)}
    study.enqueue_trial(wanted)
    study.enqueue_trial({"op0": 1})
    study.optimize(static, n_trials=30)
    assert study.trials[0].params == wanted
    assert study.trials[1].params["op0"] == 1
    assert len(set(genomes(study))) == 30


def test_a_round_that_is_over_is_told_with_the_rank_correlation_of_what_was_predicted() -> None:
    study = create(make(CONDITIONAL, settings=ProgressiveSettings(k=8, fit_steps=120)))
    study.optimize(conditional, n_trials=3 + 8 * 4)
    told = [note[PREDICTOR] for note in notes(study) if PREDICTOR in note]
    assert [each["round"] for each in told] == [1, 2, 3]
    assert [each["steps"] for each in told] == [2, 3, 4]
    assert all(len(each["tau"]) == 2 and each["networks"] == 8 for each in told)
    assert told[-1]["tau"][0] > 0.5


def test_a_computed_objective_is_not_predicted() -> None:
    def computed(params: Any) -> dict[int, float]:
        return {1: 1.0 + sum(1 + value**2 for name, value in params.items() if name != "length")}

    study = create(make(CONDITIONAL, computed=computed))
    study.optimize(conditional, n_trials=20)
    predicted = [note["predicted"] for note in notes(study) if "predicted" in note]
    assert all(accuracy is not None and cost is None for accuracy, cost in predicted)
    assert predicted
    told = [note[PREDICTOR]["tau"] for note in notes(study) if PREDICTOR in note]
    assert told[0][1] is None


def test_the_other_predictor_is_the_default_samplers_model() -> None:
    settings = ProgressiveSettings(k=8, predictor="surrogate")
    study = create(make(settings=settings))
    study.optimize(static, n_trials=40)
    told = [note[PREDICTOR] for note in notes(study) if PREDICTOR in note]
    assert told[-1]["tau"][1] > 0.3
    assert len(set(genomes(study))) == 40


def test_a_small_space_of_one_objective_is_solved() -> None:
    study = optuna.create_study(direction="maximize", sampler=ProgressiveSampler(STATIC, seed=0, settings=QUICK))
    study.optimize(lambda trial: static(trial)[0], n_trials=70)
    assert study.best_value == 1.0


def test_a_third_of_all_trainings_finds_the_front_of_real_cells() -> None:
    problem = bench_table("dppnet324-growing", "")
    study = optuna.create_study(
        directions=list(problem.directions.values()), sampler=ProgressiveSampler(problem.growth, seed=0)
    )
    for _ in range(108):
        trial = study.ask()
        found = problem.measure(problem.suggest(trial))
        study.tell(trial, [found[name] for name in problem.directions])
    assert problem.regret([trial.values for trial in study.best_trials]) < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"growth": None}, "there is no order of growth"),
        ({"k": 0}, "k is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be 0 or above"),
        ({"k": 3, "settings": QUICK}, "k and settings are both given"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ProgressiveSampler(**{"growth": STATIC, **options})
    assert "\n" not in str(caught.value)


def test_a_parameter_without_a_place_in_the_order_is_refused() -> None:
    study = create(make())
    with pytest.raises(ValueError, match="parameter 'width' has no place in the order of growth"):
        study.optimize(lambda trial: (float(trial.suggest_int("width", 1, 3)), 1.0), n_trials=1)
