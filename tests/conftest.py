"""Fixtures that several modules' tests share."""

from __future__ import annotations

import inspect
import signal
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest

from mnas_moo.objectives.objective import Direction, Measurement
from mnas_moo.running import objectives
from mnas_moo.running.run import run_study
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.study import StudyFile

# What a shell starts in the background ignores Ctrl-C, and so would programs that tests start and then stop with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

STUDY = """\
name: small
storage: sqlite:///{folder}/small.db
space: {{mnasnet: {{preset: digits, blocks: 3}}}}
data: digits
objectives: {{accuracy: {{train: {{epochs: 1}}}}, latency_ms: {{host: {{}}}}}}
constraints: {{parameters_m: {{max: {limit}}}}}
sampler: {{random: {{seed: 0}}}}
trials: 12
"""


class Formula:
    """An objective that costs nothing: a larger network is more accurate (with exceptions) and slower."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.direction: Direction = "maximize" if name == "accuracy" else "minimize"

    def measure(self, spec: NetworkSpec, seed: int) -> Measurement:
        if self.name == "accuracy":
            return Measurement(1 - 0.03 / (spec.multiply_adds / 1e6) - 0.04 * (seed % 97) / 97, {"epochs": 1})
        if self.name == "latency_ms":
            return Measurement(spec.multiply_adds / 20e6)
        return Measurement(spec.parameters / 1e6)

    def close(self) -> None:
        pass


@contextmanager
def formulas() -> Iterator[None]:
    """Studies run with formulas instead of training and timing; all else is as always."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objectives, "make_objective", lambda study_file, name, space, observer: Formula(name))
        yield


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFile, optuna.Study]:
    """A study of 12 trials of two objectives, some of them infeasible, stored in SQLite as `run` stores it.

    For reading only: all tests have the same one.
    """
    folder = tmp_path_factory.mktemp("study")
    path = Path(folder, "small.yaml")
    path.write_text(STUDY.format(folder=folder, limit=0.015), encoding="utf-8")
    study_file = load_study_file(path)
    with formulas():
        return study_file, run_study(study_file)


TAKE_TIME = (
    "ai_edge_litert",
    "mnas_moo.cli.main",
    "mnas_moo.compare",
    "mnas_moo.objectives.host",
    "mnas_moo.objectives.training.train",
    "mnas_moo.objectives.virtual_phone",
    "mnas_moo.pymoo",
    "mnas_moo.running",
    "mnas_moo.sampler",
    "mnas_moo.studies",
    "multiprocessing",
    "onnxruntime",
    "optuna.testing",
    "playwright",
    "subprocess",
)
"""Modules that search, train, measure or start processes: ``--fast`` leaves out the tests that use them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of ``make test-fast``."""
    parser.addoption(
        "--fast", action="store_true", help="only tests that neither search, train, measure nor start processes"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what takes time where that is asked for."""
    if config.getoption("--fast"):
        slow = {item for item in items if isinstance(item, pytest.Function) and takes_time(item)}
        config.hook.pytest_deselected(items=list(slow))
        items[:] = [item for item in items if item not in slow]


def fixtures_of(item: pytest.Function) -> list[pytest.FixtureDef[Any]]:
    """The fixtures that a test gets, directly or through others."""
    return [definitions[-1] for definitions in item._fixtureinfo.name2fixturedefs.values()]


def takes_time(item: pytest.Function) -> bool:
    """Whether a test uses one of ``TAKE_TIME``, itself or by its fixtures, its parameters and its helpers."""
    arguments = item.callspec.params.values() if hasattr(item, "callspec") else ()
    left: list[Any] = [item.function, *(each.func for each in fixtures_of(item)), *arguments]
    seen: set[types.FunctionType] = set()
    while left:
        function = inspect.unwrap(left.pop())
        if isinstance(function, types.FunctionType) and function not in seen:
            seen.add(function)
            for value in named_by(function):
                home = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", "") or ""
                if any(home == name or home.startswith(f"{name}.") for name in TAKE_TIME):
                    return True
                if home.partition(".")[0] == "tests" or home == function.__module__:
                    left.append(value)
    return item.get_closest_marker("slow") is not None


def named_by(function: types.FunctionType) -> list[Any]:
    """The global objects that a function and the functions within it name; of a mapping, its values."""
    codes, names = [function.__code__], set[str]()
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    named = [function.__globals__[name] for name in names if name in function.__globals__]
    return [value for each in named for value in (each.values() if isinstance(each, Mapping) else [each])]
