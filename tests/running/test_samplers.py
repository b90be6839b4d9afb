from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.objectives.tabular.dppnet import FILE
from mnas_moo.reward import MnasReward
from mnas_moo.running import samplers
from mnas_moo.running.run import run_study
from mnas_moo.spaces.growth import Growth
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.sampling import Sampler
from tests.study_file.conftest import load_table

SAMPLER = "sampler: {random: {seed: 0}}"

WORD, NUMBER, REAL = CategoricalDistribution(["a", "b", "c"]), IntDistribution(0, 5), FloatDistribution(0.0, 1.0)


def asked(name: str, n_trials: int = 14, directions: tuple[str, ...] = ("minimize",), **settings: Any) -> list[Any]:
    """Parameters of the trials of a study with that sampler."""
    sampler = samplers.make(
        name, **({"seed": 0, "n_objectives": len(directions), "growth": Growth.by_parameter} | settings)
    )
    study = optuna.create_study(directions=directions, sampler=sampler)

    def objective(trial: optuna.Trial) -> Any:
        x = trial.suggest_int("x", 0, 5)
        values = [1.0 + x, *(1.0 + abs(x - 3) + trial.suggest_int("y", 0, 5) for _ in directions[1:])]
        return values[0] if len(directions) == 1 else values

    study.optimize(objective, n_trials=n_trials)
    return [trial.params for trial in study.trials]


def test_a_study_file_has_the_names_that_there_are() -> None:
    assert sorted(Sampler.allowed()) == sorted([*samplers.SAMPLERS, "fbnet", "instanas"])


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_every_sampler_samples_one_objective_and_its_seed_decides(name: str) -> None:
    n_trials = 4 if name == "brute" else 14
    first = asked(name, n_trials)
    assert len(first) == n_trials
    assert asked(name, n_trials) == first
    assert asked(name, n_trials, seed=1) != first


@pytest.mark.parametrize("name", [name for name in samplers.SAMPLERS if name not in ("cmaes", "mnas-paper")])
def test_every_other_sampler_samples_several_objectives(name: str) -> None:
    assert len(asked(name, 12, ("minimize", "minimize"))) == 12


def test_the_papers_sampler_takes_several_objectives_with_a_reward() -> None:
    reward = MnasReward(target=3.0)
    assert len(asked("mnas-paper", 12, ("maximize", "minimize"), reward=reward)) == 12


def test_optunas_samplers_are_as_they_ship() -> None:
    for name, kind in (("nsga2", optuna.samplers.NSGAIISampler), ("tpe", optuna.samplers.TPESampler)):
        sampler = samplers.make(name, 0, n_objectives=2)
        assert type(sampler) is kind
        assert vars(pickle.loads(pickle.dumps(sampler))).keys() == vars(kind(seed=0)).keys()
    assert [trial["x"] for trial in asked("random", 5)] == [
        trial.params["x"] for trial in _random(optuna.samplers.RandomSampler(seed=0), 5).trials
    ]


def _random(sampler: optuna.samplers.BaseSampler, n_trials: int) -> optuna.Study:
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_int("x", 0, 5), n_trials=n_trials)
    return study


def test_a_study_that_goes_on_does_not_begin_with_its_first_points_again() -> None:
    fresh = _random(samplers.make("random", 0, n_objectives=1), 14)
    later = _random(samplers.make("random", 0, n_objectives=1, n_trials=14), 14)
    again = _random(samplers.make("random", 0, n_objectives=1, n_trials=14), 14)
    params = [[trial.params["x"] for trial in study.trials] for study in (fresh, later, again)]
    assert params[0] != params[1] == params[2]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "nsga",
            {},
            "there is no sampler 'nsga'; did you mean 'nsga2'? allowed: mnas, mnas-paper, dppnet, nsga2",
        ),
        ("mnas-paper", {}, "mnas-paper needs a reward that makes one number of 2 objectives"),
        ("cmaes", {}, "cmaes has one objective, not 2"),
        ("dppnet", {}, "dppnet needs an order of growth, and there is none here"),
        ("cmaes", {"n_objectives": 1, "constrained": True}, "cmaes takes no constraints"),
        ("cmaes", {"n_objectives": 1, "distributions": [WORD]}, "cmaes takes numbers, and every parameter here is"),
        ("brute", {"distributions": [WORD, REAL]}, "brute tries every point, and a float without a step has no end"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused_in_one_line(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        samplers.make(name, 0, **({"n_objectives": 2} | settings))
    assert "\n" not in str(caught.value)


def test_what_a_sampler_can_do_is_not_refused() -> None:
    samplers.make("cmaes", 0, n_objectives=1, distributions=[WORD, NUMBER])
    samplers.make("brute", 0, n_objectives=3, constrained=True, distributions=[WORD, NUMBER])


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "NEEDS", {"gp": ("no_such_package", "gp")})
    with pytest.raises(MissingExtraError, match=r"no_such_package is not installed .*mnas-moo\[gp\]"):
        samplers.make("gp", 0, n_objectives=2)


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ("{cmaes: {seed: 0}}", "sampler.cmaes: cmaes has one objective, not 2"),
        ("mnas-paper", "sampler.mnas-paper.reward is missing"),
        (
            "{mnas-paper: {reward: {mnas: {target: 2, latency: memory}}}}",
            "sampler.mnas-paper.reward.mnas: reward: no obj",
        ),
    ],
)
def test_a_sampler_that_cannot_do_it_is_refused_before_there_is_a_storage(
    sampler: str, message: str, past_table: None
) -> None:
    with pytest.raises(StudyError, match=re.escape(f"past.yaml:8: {message}")):
        run_study(load_table("{random: {seed: 0}}", sampler))
    assert not Path("past.log").exists()


def test_the_default_samplers_settings_reach_it(past_table: None) -> None:
    load_table(SAMPLER, "sampler: {mnas: {seed: 0, reference_point: {latency_ms: 3}, model_trials: 60}}")
    study = run_study("past.yaml", trials=3)
    state = study.sampler._state(study)  # type: ignore[attr-defined]
    assert state.settings.reference_point == (None, 3)
    assert state.settings.search.model_trials == 60


def test_a_study_learns_from_another_ones_storage(past_table: None) -> None:
    load_table()
    run_study("past.yaml", trials=5)
    Path("old.yaml").write_text(Path("past.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    load_table("name: past", "name: new", SAMPLER, "sampler: {mnas: {seed: 0, source: old.yaml, shared: [accuracy]}}")
    study = run_study("past.yaml", trials=2)
    transfer = study.sampler._state(study).settings.transfer  # type: ignore[attr-defined]
    assert len(transfer.records) == 5
    assert transfer.objectives == {0: 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("reference_point: {latency: 3}", "sampler.mnas.reference_point names 'latency', which is no objective"),
        ("source: old.yaml", "sampler.mnas.source and shared need each other"),
        ("source: past.yaml, shared: [accuracy]", "past.yaml has no trials yet; run it first"),
        ("model_trials: 3", "sampler.mnas.model_trials"),
    ],
)
def test_wrong_settings_of_the_default_sampler_are_one_line(settings: str, message: str, past_table: None) -> None:
    def attempt() -> None:
        load_table(SAMPLER, f"sampler: {{mnas: {{{settings}}}}}")
        run_study("past.yaml", trials=1)

    with pytest.raises(StudyError, match=re.escape(message)):
        attempt()


GROWING = """\
name: growing
storage: journal:///growing.log
table: dppnet324-growing
sampler: {dppnet: {seed: 0, k: 3STEPS}}
trials: 8
"""


@pytest.mark.skipif("latency_ms_int8" not in FILE.read_text(encoding="utf-8"), reason="the table has no latencies yet")
def test_steps_for_a_table_with_conditional_parameters_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNAS_MOO_TABLES", raising=False)  # the table comes with the package
    steps = ", steps: [length, [layer1.norm, layer2.conv], layer3.norm, layer4.conv]"
    Path("growing.yaml").write_text(GROWING.replace("STEPS", steps), encoding="utf-8")
    with pytest.raises(
        StudyError, match=r"growing.yaml:4: sampler\.dppnet\.steps .* lack layer3\.norm; leave steps out"
    ):
        run_study("growing.yaml")
    assert not Path("growing.log").exists()
    Path("growing.yaml").write_text(GROWING.replace("STEPS", ""), encoding="utf-8")
    lengths = [trial.params["length"] for trial in run_study("growing.yaml").trials]
    assert lengths[:3] == [2, 2, 2] and max(lengths) == 4  # they grow by the table's own order
