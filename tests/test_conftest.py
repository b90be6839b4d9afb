"""What ``--fast`` leaves out: tests that search, train, measure or start processes, themselves or by others."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from mnas_moo.sampler import MnasSampler
from tests.conftest import takes_time


def search() -> object:
    return MnasSampler(seed=0)


def through_a_helper() -> object:
    return [search() for _ in range(1)]


SEARCHES = {"ours": search}


@pytest.fixture
def process() -> Callable[..., object]:
    return subprocess.run


def test_a_test_that_only_computes_takes_no_time(request: pytest.FixtureRequest, tmp_path: object) -> None:
    assert not takes_time(request.node)


def test_a_test_that_searches_takes_time(request: pytest.FixtureRequest) -> None:
    assert takes_time(request.node), MnasSampler


def test_a_test_whose_helpers_helper_searches_takes_time(request: pytest.FixtureRequest) -> None:
    assert takes_time(request.node), through_a_helper


def test_a_test_with_a_table_of_searches_takes_time(request: pytest.FixtureRequest) -> None:
    assert takes_time(request.node), SEARCHES


def test_a_test_whose_fixture_starts_a_process_takes_time(request: pytest.FixtureRequest, process: object) -> None:
    assert takes_time(request.node)


@pytest.mark.parametrize("make", [search])
def test_a_test_whose_argument_searches_takes_time(request: pytest.FixtureRequest, make: object) -> None:
    assert takes_time(request.node)


@pytest.mark.slow
def test_a_slow_test_takes_time(request: pytest.FixtureRequest) -> None:
    assert takes_time(request.node)
