from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import TPESampler

from mnas_moo.compare import contenders
from mnas_moo.compare.tabular_run import task_of
from mnas_moo.pymoo.sampler import PymooSampler
from mnas_moo.sampler import MnasSampler
from tests.compare.conftest import formula


def test_a_sampler_that_cannot_do_a_problem_is_refused_with_a_reason() -> None:
    task = task_of(formula())
    assert "one objective, not 2" in str(contenders.refusal("cmaes", task))
    assert "needs a reward" in str(contenders.refusal("mnas-paper", task))
    assert contenders.refusal("mnas", task) is None
    floats = formula({"layers": FloatDistribution(0, 1)})
    assert "float without a step" in str(contenders.refusal("brute", task_of(floats)))


def test_a_missing_package_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cmaes", None)
    one = contenders.Task(formula().distributions, 1)
    assert "mnas-moo[cmaes]" in str(contenders.refusal("cmaes", one))


def test_names_make_our_sampler_optunas_and_pymoos() -> None:
    task = task_of(formula())
    assert isinstance(contenders.make("mnas", 0, task), MnasSampler)
    assert type(contenders.make("tpe", 0, task)).__module__.startswith("optuna.")
    assert isinstance(contenders.make("pymoo-spea2", 0, task), PymooSampler)
    assert contenders.NAMES[0] == "mnas"


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"there is no sampler 'nsga1'.*did you mean 'nsga"):
        contenders.make("nsga1", 0, task_of(formula()))


def test_auto_is_what_the_hub_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("optunahub")
    monkeypatch.setenv("OPTUNAHUB_CACHE_HOME", str(tmp_path))
    package = tmp_path / "github.com/optuna/optunahub-registry/main/package/samplers/auto_sampler"
    package.mkdir(parents=True)  # as after a first use, so that no network is needed
    (package / "__init__.py").write_text("from optuna.samplers import TPESampler as AutoSampler\n", encoding="utf-8")
    assert isinstance(contenders.make("auto", 0, task_of(formula())), TPESampler)


def test_auto_is_refused_where_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = pytest.importorskip("optunahub")

    def unreachable(package: str) -> None:
        raise OSError("Could not resolve host:\n github.com")

    monkeypatch.setattr(hub, "load_module", unreachable)
    refusal = contenders.refusal("auto", task_of(formula()))
    assert refusal == "OptunaHub could not fetch auto (Could not resolve host: github.com)"


def test_only_modules_of_the_samplers_named_are_imported_in_advance() -> None:
    assert contenders.modules(["random", "tpe"]) == []
    assert contenders.modules(["mnas", "mnas-paper"]) == ["mnas_moo.sampler"]
    assert "pymoo.core.mixed" in contenders.modules(["random", "pymoo-nsga2"])
