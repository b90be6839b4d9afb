"""The history: order, space, and the tree of conditional spaces."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.genomes.history import STANDARD_ERRORS, Branch, History, generator, key_of, ordinal_of
from mnas_moo.genomes.tokens import Decision

AB = CategoricalDistribution(["a", "b"])
START = datetime(2026, 1, 1)


def trial(
    number: int,
    params: dict[str, Any],
    *,
    state: TrialState = TrialState.COMPLETE,
    seconds: float | None = None,
    values: list[float] | None = None,
    system_attrs: dict[str, Any] | None = None,
    user_attrs: dict[str, Any] | None = None,
) -> FrozenTrial:
    return FrozenTrial(
        number=number,
        state=state,
        value=None,
        values=(values or [1.0, 2.0]) if state == TrialState.COMPLETE else None,
        datetime_start=START,
        datetime_complete=START + timedelta(seconds=seconds or number) if state.is_finished() else None,
        params=params,
        distributions=dict.fromkeys(params, AB),
        user_attrs=user_attrs or {},
        system_attrs=system_attrs or {},
        intermediate_values={},
        trial_id=number,
    )


def test_trials_stand_in_the_order_they_finished_and_stay_there() -> None:
    history = History()
    slow = trial(0, {"x": "a"}, state=TrialState.RUNNING)
    history.read([slow, trial(1, {"x": "b"}, seconds=5), trial(2, {"x": "b"}, seconds=3)])
    assert [record.number for record in history.finished] == [2, 1]
    assert list(history.running) == [0]
    history.read([trial(0, {"x": "a"}, seconds=9), trial(1, {"x": "b"}, seconds=5), trial(2, {"x": "b"}, seconds=3)])
    assert [record.number for record in history.finished] == [2, 1, 0]
    assert not history.running


def errors(found: Any, values: list[float] | None = None) -> tuple[float, ...]:
    history = History()
    history.read([trial(0, {"x": "a"}, values=values, user_attrs={STANDARD_ERRORS: found})])
    return history.finished[0].errors


def test_standard_errors_are_read_from_their_attribute() -> None:
    assert errors([0.01, 0]) == (0.01, 0.0)
    assert errors([3.0], values=[0.5]) == (3.0,)
    history = History()
    history.read([trial(0, {"x": "a"})])
    assert history.finished[0].errors == ()


@pytest.mark.parametrize(
    "wrong",
    [None, "ab", 0.1, {}, [], [0.1], [0.1, 0.2, 0.3], [0.1, -0.1], [0.1, float("nan")], [float("inf"), 0.1],
     [True, False], ["0.1", "0.2"], [[0.1], [0.2]], [0.1, None], [10**400, 0]],
)  # fmt: skip
def test_anything_else_there_counts_as_no_standard_errors(wrong: Any) -> None:
    assert errors(wrong) == ()


def test_a_trial_without_results_has_no_standard_errors() -> None:
    history = History()
    history.read([trial(0, {"x": "a"}, state=TrialState.FAIL, user_attrs={STANDARD_ERRORS: [0.1, 0.1]})])
    assert history.finished[0].errors == ()


def test_only_finite_values_of_completed_trials_are_results() -> None:
    history = History()
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.COMPLETE]
    values = [[1.0, 2.0], None, None, [1.0, float("inf")]]
    history.read([trial(i, {"x": "a"}, state=s, values=v) for i, (s, v) in enumerate(zip(states, values, strict=True))])
    assert [record.values for record in history.finished] == [(1.0, 2.0), None, None, None]


def test_a_space_is_static_until_a_completed_trial_has_other_parameters() -> None:
    history = History()
    trials = [
        trial(0, {"x": "a", "y": "b"}),
        trial(1, {"x": "b"}, state=TrialState.FAIL),
        trial(2, {"y": "a", "x": "b"}),
    ]
    history.read(trials)
    assert history.static
    assert list(history.space) == ["x", "y"]
    history.read([*trials, trial(3, {"x": "b"})])
    assert not history.static


def test_an_enqueued_trial_carries_no_note_of_a_sampler() -> None:
    history = History()
    attrs = {"mnas_moo": {"claim": "k"}, "fixed_params": {"x": "a"}}
    history.read(
        [trial(0, {"x": "a"}, system_attrs=attrs), trial(1, {"x": "a"}, system_attrs={"mnas_moo": {"claim": "k"}})]
    )
    assert [dict(record.note) for record in history.finished] == [{}, {"claim": "k"}]


def test_violations_add_up() -> None:
    history = History()
    history.read([trial(0, {"x": "a"}, system_attrs={"constraints": [-1.0, 2.0, 0.5]})])
    assert history.finished[0].violation == pytest.approx(2.5)


def test_a_branch_is_exhausted_when_all_its_tokens_are() -> None:
    x, y = Decision("x", AB), Decision("y", AB)
    tree = Branch()
    tree.add(((x, 0), (y, 0)))
    tree.add(((x, 1),))
    assert not tree.exhausted
    assert tree.follow(((x, 1),)).exhausted
    assert not tree.follow(((x, 0),)).exhausted
    tree.add(((x, 0), (y, 1)))
    assert tree.exhausted


def test_a_continuous_parameter_is_never_exhausted() -> None:
    decision = Decision("f", FloatDistribution(0, 1))
    tree = Branch()
    for token in range(decision.size):
        tree.add(((decision, token),))
    assert not tree.exhausted


def test_a_retried_trial_keeps_its_ordinal() -> None:
    assert ordinal_of(trial(7, {}, system_attrs={"failed_trial": 3})) == 3
    assert ordinal_of(trial(7, {})) == 7


def test_randomness_is_keyed_by_seed_ordinal_and_purpose() -> None:
    draws = [generator(*key).random() for key in ((0, 1, "a"), (0, 1, "b"), (0, 2, "a"), (1, 1, "a"))]
    assert len(set(draws)) == 4
    assert generator(0, 1, "a").random() == draws[0]


def test_keys_do_not_depend_on_the_order_of_parameters() -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})


def test_reading_takes_up_each_trial_once() -> None:
    study = optuna.create_study()
    history = History()
    for n in range(3):
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2)
        assert len(history.read(study.trials)) == 2
        assert len(history.finished) == 2 * (n + 1)


def test_a_trial_that_failed_may_have_been_cut_short() -> None:
    history = History()
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
    history.read([trial(i, {"x": "a"}, state=state) for i, state in enumerate(states)])
    assert [record.whole for record in history.finished] == [True, True, False]
    assert [record.failed for record in history.finished] == [False, False, True]


def test_parameters_of_a_single_value_are_no_decisions() -> None:
    history = History()
    distributions = {"x": AB, "only": CategoricalDistribution(["one"])}
    genome = history.genome({"only": "one", "x": "b"}, distributions)
    assert genome == ((Decision("x", AB), 1),)


def test_a_decision_is_kept_until_its_distribution_changes() -> None:
    history = History()
    first = history.decision("x", CategoricalDistribution(["a", "b"]))
    assert history.decision("x", CategoricalDistribution(["a", "b"])) is first
    assert history.decision("x", CategoricalDistribution(["a", "c"])) != first


def test_the_tree_holds_whole_genomes_only_and_grows_with_the_history() -> None:
    history = History()
    trials = [trial(0, {"x": "a", "y": "a"}, state=TrialState.FAIL), trial(1, {"x": "b"})]
    history.read(trials)
    x = Decision("x", AB)
    assert history.tree.follow(((x, 1),)).exhausted
    assert not history.tree.follow(((x, 0),)).branches
    history.read([*trials, trial(2, {"x": "a"})])
    assert history.tree.exhausted


def test_genomes_that_nobody_tried_lead_to_an_empty_node() -> None:
    x, y = Decision("x", AB), Decision("y", AB)
    node = Branch().follow(((x, 0), (y, 1)))
    assert not node.exhausted
    assert not node.branches


def test_constraints_are_read_in_the_order_of_their_names() -> None:
    study = optuna.create_study()
    asked = study.ask()
    asked.suggest_float("x", 0, 1)
    asked.set_constraint("b", 2.0)
    asked.set_constraint("a", -1.0)
    study.tell(asked, 0.0)
    history = History()
    history.read(study.trials)
    assert history.finished[0].constraints == (-1.0, 2.0)
