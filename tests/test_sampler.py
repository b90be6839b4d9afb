"""What Optuna's conformance suite leaves out: seeds, resuming, workers, duplicates, and all kinds of trials."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from mnas_moo.genomes.history import ATTRIBUTE, STANDARD_ERRORS
from mnas_moo.objectives.front import hypervolume, pareto_mask
from mnas_moo.reward import MnasReward
from mnas_moo.sampler import MnasSampler

SPACE = {f"p{i}": CategoricalDistribution([0, 1, 2]) for i in range(6)}
DIRECTIONS = ["maximize", "minimize"]
Make = Callable[..., MnasSampler]


def default(seed: int | None = 0) -> MnasSampler:
    return MnasSampler(seed=seed)


def paper(seed: int | None = 0) -> MnasSampler:
    return MnasSampler.paper(reward=MnasReward(target=6.0), seed=seed)


both = pytest.mark.parametrize("make", [default, paper])


def objective(trial: optuna.Trial) -> tuple[float, float]:
    values = [trial.suggest_categorical(name, d.choices) for name, d in SPACE.items()]
    return sum(values) / 12, 1.0 + sum(value**2 for value in values)


def conditional(trial: optuna.Trial) -> tuple[float, float]:
    """Four kinds of trials, 12 genomes in all."""
    kind = trial.suggest_categorical("kind", ["a", "b"])
    if kind == "a":
        first = trial.suggest_int("x", 0, 3)
        return first / 4, 1.0 + first
    first, second = trial.suggest_int("y", 0, 1), trial.suggest_categorical("z", [0, 1, 2, 3])
    return (first + second) / 4, 2.0 + first * second


def create(sampler: MnasSampler, **options: Any) -> optuna.Study:
    return optuna.create_study(directions=DIRECTIONS, sampler=sampler, **options)


def genomes(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [tuple(sorted(trial.params.items())) for trial in study.trials]


@both
@pytest.mark.parametrize("function", [objective, conditional])
def test_a_seed_fixes_the_trials(make: Make, function: Any) -> None:
    runs = []
    for seed in (3, 3, 4):
        study = create(make(seed))
        study.optimize(function, n_trials=11)
        runs.append(genomes(study))
    assert runs[0] == runs[1] != runs[2]


@both
@pytest.mark.parametrize("function", [objective, conditional])
@pytest.mark.parametrize("first", [10, 27, 40])
def test_two_runs_equal_one_to_the_last_digit(make: Make, function: Any, first: int) -> None:
    def failing(trial: optuna.Trial) -> tuple[float, float]:
        values = function(trial)
        if trial.number % 7 == 3:
            raise RuntimeError("out of memory")
        return values

    unbroken = create(make())
    unbroken.optimize(failing, n_trials=55, catch=RuntimeError)
    resumed = create(make())
    resumed.optimize(failing, n_trials=first, catch=RuntimeError)
    resumed.sampler = make()
    resumed.optimize(failing, n_trials=55 - first, catch=RuntimeError)
    assert genomes(resumed) == genomes(unbroken)
    notes = [[trial.system_attrs.get(ATTRIBUTE) for trial in study.trials] for study in (resumed, unbroken)]
    assert notes[0] == notes[1]


@both
def test_another_process_goes_on_with_a_database_to_the_last_digit(make: Make, tmp_path: Path) -> None:
    unbroken = create(make())
    unbroken.optimize(objective, n_trials=24)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    create(make(), storage=storage, study_name="s").optimize(objective, n_trials=12)
    process = _spawn(_work, storage, 12, make)
    process.join(120)
    assert process.exitcode == 0
    assert genomes(optuna.load_study(storage=storage, study_name="s")) == genomes(unbroken)


@both
def test_a_drawn_seed_is_stored_and_used_again(make: Make) -> None:
    storage = optuna.storages.InMemoryStorage()
    study = create(make(None), storage=storage, study_name="s")
    study.optimize(objective, n_trials=5)
    state = study.sampler._state(study)  # type: ignore[attr-defined]
    again = optuna.load_study(study_name="s", storage=storage, sampler=make(None))
    again.optimize(objective, n_trials=5)
    assert again.sampler._state(again).seed == state.seed  # type: ignore[attr-defined]
    other = create(make(None))
    other.optimize(objective, n_trials=1)
    assert other.sampler._state(other).seed != state.seed  # type: ignore[attr-defined]


@both
def test_a_pickled_sampler_goes_on_where_it_was(make: Make) -> None:
    unbroken = create(make())
    unbroken.optimize(objective, n_trials=50)
    study = create(make())
    study.optimize(objective, n_trials=30)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    study.optimize(objective, n_trials=20)
    assert genomes(study) == genomes(unbroken)


@both
def test_one_sampler_serves_two_studies(make: Make) -> None:
    alone = create(make())
    alone.optimize(objective, n_trials=45)
    sampler = make()
    storage = optuna.storages.InMemoryStorage()
    studies = [create(sampler, storage=storage) for _ in range(2)]
    for _ in range(45):
        for study in studies:
            study.optimize(objective, n_trials=1)
    assert genomes(studies[0]) == genomes(studies[1]) == genomes(alone)


@both
def test_four_threads_number_every_trial_once(make: Make) -> None:
    study = create(make())
    study.optimize(objective, n_trials=80, n_jobs=4)
    assert [trial.number for trial in study.trials] == list(range(80))
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    if make is default:
        assert len(set(genomes(study))) == 80


def _work(storage: str, trials: int, make: Make) -> None:
    torch.set_num_threads(1)
    optuna.load_study(study_name="s", storage=storage, sampler=make()).optimize(objective, n_trials=trials)


def _spawn(target: Callable[..., None], *arguments: Any) -> multiprocessing.Process:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mnas_moo.sampler"])  # torch is imported once for all processes
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def test_three_processes_on_one_sqlite_file_never_try_a_network_twice(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    create(default(), storage=storage, study_name="s")
    processes = [_spawn(_work, storage, 14, default) for _ in range(3)]
    for process in processes:
        process.join(120)
    study = optuna.load_study(study_name="s", storage=storage)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(trial.number for trial in study.trials) == list(range(42))
    # The space is unknown until a first trial completes: those begun before cannot know of each other.
    known = [trial for trial in study.trials if ATTRIBUTE in trial.system_attrs]
    assert len(known) >= 36
    assert max(Counter(genomes_of(known)).values()) == 1
    assert len(set(genomes(study))) == 42


def genomes_of(trials: list[optuna.trial.FrozenTrial]) -> list[tuple[Any, ...]]:
    return [tuple(sorted(trial.params.items())) for trial in trials]


def _hang(storage: str, make: Make) -> None:
    def hang(trial: optuna.Trial) -> tuple[float, float]:
        objective(trial)
        time.sleep(600)
        return 0.0, 1.0

    optuna.load_study(study_name="s", storage=storage, sampler=make()).optimize(hang, n_trials=1)


@both
def test_a_killed_worker_loses_nothing_and_blocks_nobody(make: Make, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    study = create(make(), storage=storage, study_name="s")
    study.optimize(objective, n_trials=3)
    process = _spawn(_hang, storage, make)
    deadline = time.monotonic() + 60
    while not any(len(t.params) == 6 for t in study.get_trials(states=[TrialState.RUNNING])):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    study.optimize(objective, n_trials=42)
    finished = study.get_trials(states=[TrialState.COMPLETE])
    assert len(finished) == 45
    study.ask(SPACE)
    assert len(study.sampler._state(study).learnable) == 45  # type: ignore[attr-defined]
    if make is default:
        lost = study.get_trials(states=[TrialState.RUNNING])[0]
        assert tuple(sorted(lost.params.items())) not in genomes_of(finished)


def test_threads_of_a_slow_learner_do_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = default()
    study = create(sampler)
    study.optimize(objective, n_trials=20)
    learning, release = threading.Event(), threading.Event()
    learner = sampler._state(study).learner
    learn = learner.learn

    def slow(*arguments: Any) -> None:
        learning.set()
        assert release.wait(60)
        learn(*arguments)

    monkeypatch.setattr(learner, "learn", slow)
    thread = threading.Thread(target=study.optimize, args=(objective,), kwargs={"n_trials": 1})
    thread.start()
    assert learning.wait(60)
    study.optimize(objective, n_trials=2)  # would hang if it waited
    release.set()
    thread.join()
    assert len(study.trials) == 23


@both
def test_nan_failed_and_pruned_trials_are_not_learnt_from(make: Make) -> None:
    def mixed(trial: optuna.Trial) -> tuple[float, float]:
        accuracy, latency = objective(trial)
        if trial.number % 4 == 1:
            raise RuntimeError
        if trial.number % 4 == 2:
            return float("nan"), latency
        if trial.number % 4 == 3:
            return float("inf"), latency
        return accuracy, latency

    study = create(make())
    study.optimize(mixed, n_trials=90, catch=RuntimeError)
    study.ask(SPACE)
    state = study.sampler._state(study)  # type: ignore[attr-defined]
    results = [record for record in state.learnable if record.values is not None]
    assert {record.number % 4 for record in results} == {0}
    assert len(results) >= 20


def test_pruned_trials_are_not_learnt_from_nor_tried_again() -> None:
    def pruned(trial: optuna.Trial) -> float:
        value = trial.suggest_int("x", 0, 9)
        if value % 2:
            raise optuna.TrialPruned
        return value

    study = optuna.create_study(sampler=default())
    study.optimize(pruned, n_trials=10)
    assert sorted(trial.params["x"] for trial in study.trials) == list(range(10))
    study.ask({"x": IntDistribution(0, 9)})
    assert len(study.sampler._state(study).learnable) == 5  # type: ignore[attr-defined]


def test_every_network_of_a_small_space_is_tried_before_any_again() -> None:
    study = create(default())

    def small(trial: optuna.Trial) -> tuple[float, float]:
        return trial.suggest_int("x", 0, 5), 1.0 + trial.suggest_categorical("y", [0, 1, 2, 3])

    study.optimize(small, n_trials=24)
    assert len(set(genomes(study))) == 24
    study.optimize(small, n_trials=3)
    assert len(study.trials) == 27


def test_a_conditional_space_is_tried_whole_before_any_network_again() -> None:
    study = create(default())
    study.optimize(conditional, n_trials=12)
    assert len(set(genomes(study))) == 12
    study.optimize(conditional, n_trials=2)
    assert len(study.trials) == 14


def canonical(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """y has no effect where x is 0."""
    return {**params, "y": 0} if params["x"] == 0 else params


def test_genomes_of_one_network_count_as_one() -> None:
    study = create(MnasSampler(seed=0, canonical=canonical))

    def function(trial: optuna.Trial) -> tuple[float, float]:
        return float(trial.suggest_int("x", 0, 2)), 1.0 + trial.suggest_int("y", 0, 4)

    study.optimize(function, n_trials=11)
    assert len({tuple(canonical(trial.params).items()) for trial in study.trials}) == 11
    pickle.loads(pickle.dumps(study.sampler))


def test_the_paper_may_propose_a_network_again() -> None:
    study = create(paper())
    study.optimize(lambda t: (t.suggest_int("x", 0, 1) / 2, 1.0), n_trials=6)
    assert len(set(genomes(study))) == 2


def test_enqueued_trials_run_first_and_are_learnt_from_like_foreign_ones() -> None:
    wanted = [dict.fromkeys(SPACE, k) for k in range(3)]
    for make, learnt in ((default, 23), (paper, 20)):
        study = create(make())
        for params in wanted:
            study.enqueue_trial(params)
        study.optimize(objective, n_trials=23)
        assert [trial.params for trial in study.trials[:3]] == wanted
        study.ask(SPACE)
        assert len(study.sampler._state(study).learnable) == learnt  # type: ignore[attr-defined]


def test_an_enqueued_network_is_not_proposed_while_it_waits() -> None:
    study = create(default())
    study.optimize(lambda t: (t.suggest_int("x", 0, 3), 1.0), n_trials=1)
    rest = {0, 1, 2, 3} - {study.trials[0].params["x"]}
    waiting = rest.pop()
    running = [study.ask({"x": IntDistribution(0, 3)}) for _ in range(2)]
    study.enqueue_trial({"x": waiting})
    assert {trial.params["x"] for trial in running} | {study.trials[0].params["x"]} <= {0, 1, 2, 3}
    assert len({trial.params["x"] for trial in running}) == 2


def test_default_learns_from_trials_of_another_sampler() -> None:
    study = create(optuna.samplers.RandomSampler(seed=0))  # type: ignore[arg-type]
    study.optimize(objective, n_trials=200)
    study.sampler = default()
    study.optimize(objective, n_trials=20)
    assert study.sampler._state(study).learner.newest == 21  # a version every ten trials, whoever made them
    assert len(set(genomes(study)[200:]) - set(genomes(study)[:200])) == 20
    on_front = pareto_mask([trial.values for trial in study.trials], DIRECTIONS)
    assert on_front[200:].mean() > 2 * on_front[:200].mean()


def test_another_configuration_learns_from_the_whole_history() -> None:
    study = create(paper())
    study.optimize(objective, n_trials=40)
    study.sampler = MnasSampler.paper(reward=MnasReward(target=3.0), seed=9)
    study.optimize(objective, n_trials=1)
    assert study.sampler._state(study).learner.newest == 2


def test_constraints_lead_the_search_into_the_feasible_region() -> None:
    def constrained(trial: optuna.Trial) -> tuple[float, float]:
        accuracy, latency = objective(trial)
        trial.set_constraint("sum", sum(trial.params.values()) - 3)  # met by about a tenth of random networks
        return accuracy, latency

    study = create(default())
    study.optimize(constrained, n_trials=140)
    feasible = [all(c <= 0 for c in trial.constraints.values()) for trial in study.trials]
    assert np.mean(feasible[20:80]) > 3 * np.mean(feasible[:20])
    assert sum(feasible) > 60  # there are 78 in all
    assert all(sum(trial.params.values()) <= 3 for trial in study.best_trials)
    learnt = create(paper())
    learnt.optimize(constrained, n_trials=60)
    learnt.ask(SPACE)
    assert all(record.violation == 0 for record in learnt.sampler._state(learnt).learnable)  # type: ignore[attr-defined]


def test_all_parameter_types_are_learnt() -> None:
    def function(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -4, 4)
        y = trial.suggest_float("y", 1e-4, 1.0, log=True)
        n = trial.suggest_int("n", 1, 500, log=True)
        k = trial.suggest_categorical("k", ["a", "b", None])
        return x**2 + (np.log10(y) + 2) ** 2 + abs(np.log10(n) - 1) + (k != "b")

    study = optuna.create_study(sampler=default())
    study.optimize(function, n_trials=200)
    values = [trial.value for trial in study.trials]
    assert np.median(values[-50:]) < 0.5 * np.median(values[:50])


def test_a_retried_trial_keeps_its_randomness() -> None:
    study = create(default())
    study.optimize(objective, n_trials=2)
    asked = study.ask()
    first = asked.suggest_int("new", 0, 1000)
    state = study.sampler._state(study)  # type: ignore[attr-defined]
    state.walks.clear()
    study.add_trial(optuna.create_trial(state=TrialState.WAITING, system_attrs={"failed_trial": asked.number}))
    assert study.ask().suggest_int("new", 0, 1000) == first


@both
def test_torch_is_left_as_it_was(make: Make) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    np.random.seed(1)  # noqa: NPY002
    numpy_before = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]  # noqa: NPY002
    study = create(make())
    study.optimize(objective, n_trials=45)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (torch.get_num_threads(), torch.get_default_dtype()) == before[1:]
    assert np.random.get_state()[1].tolist() == numpy_before  # type: ignore[index,union-attr]  # noqa: NPY002


class CountingStorage(optuna.storages.InMemoryStorage):
    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def get_all_trials(self, *arguments: Any, **keywords: Any) -> Any:
        if keywords.get("states", arguments[2] if len(arguments) > 2 else None) is None:
            self.calls["read"] += 1
        return super().get_all_trials(*arguments, **keywords)

    def set_trial_system_attr(self, *arguments: Any) -> None:
        self.calls["write"] += 1
        super().set_trial_system_attr(*arguments)


@pytest.mark.parametrize(("make", "reads"), [(default, 2), (paper, 1)])
def test_storage_calls_a_trial_are_few_and_constant(make: Make, reads: int) -> None:
    storage = CountingStorage()
    study = create(make(), storage=storage)
    study.optimize(objective, n_trials=5)
    counts = []
    for _ in range(30):
        storage.calls.clear()
        study.tell(study.ask(SPACE), [0.5, 1.0])
        counts.append((storage.calls["read"], storage.calls["write"]))
    assert set(counts) == {(reads, 1)}


def test_a_study_that_the_reward_cannot_mean_is_refused_before_the_first_trial() -> None:
    study = create(MnasSampler.paper(seed=0))
    with pytest.raises(ValueError, match=r"2 objectives.*no reward"):
        study.optimize(objective, n_trials=1)
    turned = optuna.create_study(directions=["minimize", "minimize"], sampler=paper())
    with pytest.raises(ValueError, match="not maximize"):
        turned.optimize(objective, n_trials=1)
    three = optuna.create_study(directions=["maximize", "minimize", "minimize"], sampler=paper())
    with pytest.raises(ValueError, match="name them"):
        three.optimize(lambda t: (*objective(t), 0.0), n_trials=1)
    three.set_metric_names(["top1", "ms", "size"])
    named = MnasReward(target=6.0, accuracy="top1", latency="ms")
    three.sampler = MnasSampler.paper(reward=named, seed=0)
    three.optimize(lambda t: (*objective(t), 0.0), n_trials=21)


def test_a_trial_without_a_latency_warns_and_is_left_out() -> None:
    study = create(paper())
    with pytest.warns(UserWarning, match=r"trial 0 is not learnt from: latency is 0\.0"):
        study.optimize(lambda t: (objective(t)[0], 0.0), n_trials=2)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"baseline_decay": 1.0}, {"clip": 0.0}, {"hidden": 0}, {"seed": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MnasSampler.paper(**wrong)


def test_default_covers_more_of_the_front_than_random_search() -> None:
    space = {f"p{i}": CategoricalDistribution([0, 1, 2]) for i in range(16)}

    def run(sampler: Any) -> float:
        study = create(sampler)
        for _ in range(120):
            trial = study.ask(space)
            values = np.array(list(trial.params.values()))
            weight = np.arange(1, 17)
            study.tell(trial, [float((values * weight).sum()) / 272, 1.0 + float((values**2 * weight[::-1]).sum())])
        return hypervolume([trial.values for trial in study.trials], [0.0, 600.0], DIRECTIONS)

    ours = [run(default(seed)) for seed in range(2)]
    random = [run(optuna.samplers.RandomSampler(seed)) for seed in range(2)]
    assert min(ours) > max(random)


def test_the_float_distribution_of_a_dynamic_range_is_followed() -> None:
    study = create(default())
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=3)
    study.optimize(lambda t: (t.suggest_float("x", 5, 6), 1.0), n_trials=3)
    assert all(5 <= trial.params["x"] <= 6 for trial in study.trials[3:])
    assert study.trials[-1].distributions["x"] == FloatDistribution(5, 6)


def test_a_reference_point_keeps_the_search_where_it_is_of_interest() -> None:
    def share(sampler: MnasSampler) -> float:
        study = create(sampler)
        study.optimize(objective, n_trials=100)
        return float(np.mean([trial.values[1] < 7.0 for trial in study.trials[30:]]))

    free, kept = share(default()), share(MnasSampler(seed=0, reference_point=[None, 7.0]))
    assert kept > 1.5 * free


def test_a_reference_point_that_nothing_reaches_is_headed_for() -> None:
    study = create(MnasSampler(seed=0, reference_point=[0.99, 20.0]))  # accuracy 1 has a latency of 25
    study.optimize(objective, n_trials=80)
    assert max(trial.values[0] for trial in study.trials) >= 0.9


def test_accuracy_is_transferred_from_another_phone() -> None:
    """Accuracy of a trial is known to depend on p0 to p2 before the first one here; latency is all new."""

    def phone(weights: list[float]) -> Callable[[optuna.Trial], tuple[float, float]]:
        def on_it(trial: optuna.Trial) -> tuple[float, float]:
            values = [trial.suggest_categorical(name, d.choices) for name, d in SPACE.items()]
            # Only one combination in 27 is accurate.
            return float(values[:3] == [2, 0, 1]), 1.0 + float(np.dot(weights, values))

        return on_it

    old = create(default())
    old.optimize(phone([1, 1, 1, 1, 1, 1]), n_trials=120)
    accurate = []
    for sampler in (default(), MnasSampler(seed=0, source=old, shared={0: 0})):
        study = create(sampler)
        study.optimize(phone([3, 1, 4, 1, 5, 9]), n_trials=40)
        accurate.append(np.mean([trial.values[0] for trial in study.trials[20:]]))
    assert accurate[1] > accurate[0]
    assert accurate[1] > 0.25


@pytest.mark.parametrize("n_objectives", [1, 3, 4])
def test_any_number_of_objectives(n_objectives: int) -> None:
    def several(trial: optuna.Trial) -> list[float]:
        values = [trial.suggest_categorical(name, d.choices) for name, d in SPACE.items()]
        return [float(sum((value - target) ** 2 for value in values)) for target in (0, 1, 2, 0.5)][:n_objectives]

    def volume(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(directions=["minimize"] * n_objectives, sampler=sampler)
        study.optimize(several, n_trials=60)
        return hypervolume([trial.values for trial in study.trials], [25.0] * n_objectives)

    assert volume(default()) > volume(optuna.samplers.RandomSampler(seed=0))


def test_a_conditional_space_is_learnt_jointly() -> None:
    """Six layers of which the first parameter says how many exist; each layer has its own choice."""

    def layers(trial: optuna.Trial) -> tuple[float, float]:
        count = trial.suggest_int("layers", 1, 6)
        kernels = [trial.suggest_categorical(f"kernel{i}", [0, 1, 2, 3]) for i in range(count)]
        good = sum(kernel == i % 4 for i, kernel in enumerate(kernels))
        return good / 6, count + 0.3 * sum(kernel > 1 for kernel in kernels)

    def volume(sampler: optuna.samplers.BaseSampler) -> float:
        study = create(sampler)  # type: ignore[arg-type]
        study.optimize(layers, n_trials=90)
        return hypervolume([trial.values for trial in study.trials], [0.0, 10.0], DIRECTIONS)

    ours, theirs = volume(default()), volume(optuna.samplers.NSGAIISampler(seed=0))
    assert ours > 1.05 * theirs
    study = create(default())
    study.optimize(layers, n_trials=90)
    assert len(set(genomes(study))) == 90


def test_workers_that_ask_at_once_get_different_networks() -> None:
    study = create(default())
    study.optimize(objective, n_trials=40)
    asked = [study.ask() for _ in range(10)]
    for trial in asked:
        objective(trial)
    assert len({tuple(trial.params.values()) for trial in asked}) == 10


def test_a_lucky_result_does_not_pin_the_search() -> None:
    """One trial in twenty reports far too much, and is not believed as far as it is reported."""

    def noisy(trial: optuna.Trial) -> tuple[float, float]:
        accuracy, latency = objective(trial)
        luck = np.random.default_rng(trial.number)
        return accuracy + 0.05 * luck.standard_normal() + 0.5 * (trial.number % 20 == 7), latency

    study = create(default())
    study.optimize(noisy, n_trials=100)
    state = study.sampler._state(study)  # type: ignore[attr-defined]
    surrogate = state.front_learner.pool.surrogate
    lucky = np.array([record.number % 20 == 7 for record in state.learnable if record.number in surrogate.numbers])
    surprise = surrogate.fitted[:, 0] - surrogate.values[:, 0]  # minimised: what is expected is worse than the report
    assert surprise[lucky].mean() > 4 * abs(surprise[~lucky].mean())
    assert surprise[lucky].min() > 0


def doubtful(trial: optuna.Trial) -> tuple[float, float]:
    """Accuracies with noise, some with much, which is told."""
    accuracy, latency = objective(trial)
    rng = np.random.default_rng(trial.number)
    error = 0.3 if rng.random() < 0.5 else 0.01
    trial.set_user_attr(STANDARD_ERRORS, [error, 0.0])
    return accuracy + error * float(rng.standard_normal()), latency


def test_standard_errors_lead_to_other_networks_and_zeros_to_the_same() -> None:
    runs = []
    for errors in ([0.0, 0.0], None, [0.2, 0.0]):
        study = create(default())
        for _ in range(40):
            trial = study.ask()
            values = objective(trial)
            if errors is not None:
                trial.set_user_attr(STANDARD_ERRORS, errors)
            study.tell(trial, values)
        runs.append(genomes(study))
    assert runs[0] == runs[1] != runs[2]
    assert runs[1][:20] == runs[2][:20]


def test_a_study_with_standard_errors_is_resumed_to_the_last_digit(tmp_path: Path) -> None:
    unbroken = create(default())
    unbroken.optimize(doubtful, n_trials=48)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    for trials in (23, 25):
        resumed = create(default(), storage=storage, study_name="s", load_if_exists=True)
        resumed.optimize(doubtful, n_trials=trials)
    assert genomes(resumed) == genomes(unbroken)


def test_the_models_size_is_bounded() -> None:
    study = create(MnasSampler(seed=0, model_trials=50))
    study.optimize(objective, n_trials=90)
    pool = study.sampler._state(study).front_learner.pool  # type: ignore[attr-defined]
    assert len(pool.surrogate.rows) == 50
    assert pool.surrogate.front.any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reference_point": [1.0]}, "reference_point has 1 values for a study of 2 objectives"),
        ({"model_trials": 3}, "model_trials is 3; it must be at least 50"),
        ({"shared": {0: 0}}, "source and shared need each other"),
    ],
)
def test_wrong_options_are_refused_in_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create(MnasSampler(seed=0, **wrong)).ask()
