from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator

import pytest

from mnas_moo.objectives.host.latency import HostLatency, ProcessLatency
from mnas_moo.spaces.spec import Layer, NetworkSpec

SMALL = NetworkSpec((3, 16, 16), Layer("conv", 3, 8, 3, 2, skip="none"), (Layer("mbconv", 8, 8, 3),), 16, 10)
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
LARGE = dataclasses.replace(SMALL, input_shape=(3, 160, 160))


@pytest.fixture
def host() -> Iterator[HostLatency]:
    objective = HostLatency(maximum_seconds=0.1)
    yield objective
    objective.close()


def worker_of(objective: ProcessLatency) -> subprocess.Popen[bytes]:
    assert objective._worker is not None
    return objective._worker._process
