"""The storage beside Optuna's own: the same trials, read with fewer objects made and parsed; and Optuna's suite."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import FrozenTrial, TrialState, create_trial

from mnas_moo.running import quick_storage
from mnas_moo.running.quick_storage import QuickStorage

DISTRIBUTIONS = {
    "kernel": CategoricalDistribution((3, 5, None, "x")),
    "width": FloatDistribution(0.5, 2.0, log=True),
    "layers": IntDistribution(1, 9, step=2),
}


class TestConformance(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> BaseStorage:
        return QuickStorage(f"sqlite:///{tmp_path}/of_suite.db")


def trial_of(state: TrialState, values: list[float] | None) -> FrozenTrial:
    """A trial with something of everything that is stored."""
    return create_trial(
        state=state,
        values=values,
        params={"width": 0.75, "kernel": None, "layers": 3},
        distributions={name: DISTRIBUTIONS[name] for name in ("width", "kernel", "layers")},
        user_attrs={"z": [1, {"a": None}], "a": "ä"},
        system_attrs={"mnas_moo": {"claim": "c"}},
        intermediate_values={3: float("nan"), 1: float("inf"), 2: -1.5},
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of two studies, the second with trials of every state."""
    url = f"sqlite:///{tmp_path}/two.db"
    optuna.create_study(study_name="other", storage=url).add_trial(trial_of(TrialState.FAIL, None))
    study = optuna.create_study(study_name="study", storage=url, directions=["minimize", "maximize"])
    study.ask({"layers": DISTRIBUTIONS["layers"]})
    for state, values in (
        (TrialState.COMPLETE, [float("inf"), 0.1]),
        (TrialState.FAIL, None),
        (TrialState.PRUNED, None),
        (TrialState.WAITING, None),
        (TrialState.COMPLETE, [2.0, float("-inf")]),
    ):
        study.add_trial(trial_of(state, values))
    return url


def pair(url: str) -> tuple[RDBStorage, QuickStorage, int]:
    """Optuna's storage, ours, and the key of the study."""
    theirs, ours = RDBStorage(url), QuickStorage(url)
    return theirs, ours, theirs.get_study_id_from_name("study")


def plain(trials: list[FrozenTrial]) -> list[list[str]]:
    """Everything in trials as text, since NaN differs from itself; of the order of entries, that of the parameters."""
    return [
        [str(list(trial.params))]
        + [
            f"{name}: {sorted(map(str, held.items())) if isinstance(held, dict) else held}"
            for name, held in sorted(vars(trial).items())
        ]
        for trial in trials
    ]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_trials_are_those_that_optuna_reads(url: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    theirs, ours, study = pair(url)
    found = ours.get_all_trials(study)
    assert len(found) == 6
    assert plain(found) == plain(theirs.get_all_trials(study))
    assert [list(trial.params) for trial in found[1:3]] == [["width", "kernel", "layers"]] * 2
    started = found[0].datetime_start
    assert started is not None
    assert abs(started - datetime.datetime.now()) < datetime.timedelta(minutes=5)
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("states", [(TrialState.COMPLETE,), (TrialState.RUNNING, TrialState.WAITING), ()])
def test_states_are_chosen_as_by_optuna(url: str, states: tuple[TrialState, ...]) -> None:
    theirs, ours, study = pair(url)
    assert plain(ours.get_all_trials(study, states=states)) == plain(theirs.get_all_trials(study, states=states))


@pytest.mark.parametrize("few", [0, 100])
def test_trials_that_are_new_or_were_under_way_are_read_alone(
    url: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_storage, "FEW", few)
    theirs, ours, study = pair(url)
    keys = [trial._trial_id for trial in theirs.get_all_trials(study)]
    for included, after in (({keys[1], keys[3]}, keys[4]), (set(), keys[5]), ({keys[5]}, keys[2]), (set(keys), -1)):
        found = ours._get_trials(study, None, included, after)
        assert plain(found) == plain(theirs._get_trials(study, None, included, after))
        assert {trial._trial_id for trial in found} == included | {key for key in keys if key > after}


def test_a_study_that_is_not_there_is_optunas_error(url: str) -> None:
    with pytest.raises(KeyError):
        QuickStorage(url).get_all_trials(99)


def test_each_distribution_is_parsed_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ours, study = pair(url)
    quick_storage._distribution.cache_clear()
    ours.get_all_trials(study)
    assert quick_storage._distribution.cache_info().misses == len(DISTRIBUTIONS)
    first, second = (trial.distributions for trial in ours.get_all_trials(study, deepcopy=False)[1:3])
    assert all(first[name] is second[name] for name in DISTRIBUTIONS)
