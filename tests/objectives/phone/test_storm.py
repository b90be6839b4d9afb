"""Forty networks and more on three phones through every fault there is, at random, on at most two phones at a time."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from mnas_moo.objectives.phone.latency import AdbLatency
from mnas_moo.objectives.virtual_phone.phones import VirtualPhones
from tests.objectives.phone.conftest import latency_of, network

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("offline", {"during": "push", "times": 1, "seconds": 0.5}),
    ("offline", {"during": "run", "times": 1, "seconds": 0.5}),
    ("unauthorized", {}),
    ("server", {}),
    ("crash", {}),
    ("hang", {"times": 1}),
    ("garbage", {}),
    ("truncated", {"at": "count"}),
    ("truncated", {"at": "timings"}),
    ("zero", {}),
    ("disk_full", {}),
    ("wrong_abi", {}),
    ("permission_denied", {"during": "push"}),
    ("permission_denied", {"during": "run"}),
    ("reboot", {"during": "run", "times": 1, "seconds": 0.5}),
    ("another_model", {"model": "Pixel 4"}),
    ("throttling", {"factor": 1.5, "rise": 0.5, "cooling_seconds": 1.0}),
    ("busy", {}),
    ("spike", {}),
    ("never_cools", {"temperature_c": 55.0}),
]


class Storm:
    """Injects all faults one after another, again and again; ``through`` is set once each has been."""

    def __init__(self, phones: VirtualPhones) -> None:
        self.injected: list[str] = []
        self.through = threading.Event()
        self._phones = phones
        self._random = random.Random(0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Storm:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            order = FAULTS.copy()
            self._random.shuffle(order)
            for first, second in zip(order[::2], order[1::2], strict=True):
                sick = self._random.sample(range(len(self._phones)), 2)
                for phone, (name, settings) in zip(sick, (first, second), strict=True):
                    self.injected.append(name)
                    if name == "server":
                        self._phones.server.kill()
                    else:
                        self._phones[phone].fault(name, **settings)
                if self._stop.wait(self._random.uniform(0.5, 2.0)):
                    return
                for phone in sick:
                    self._phones[phone].clear()
                self._stop.wait(0.5)
            self.through.set()


@pytest.mark.slow
def test_forty_networks_get_their_times_through_every_fault(
    phones: VirtualPhones, objective: Callable[..., AdbLatency]
) -> None:
    latency = objective(3)
    values: dict[int, float] = {}
    numbers = itertools.count(8)
    lock = threading.Lock()

    def study(storm: Storm) -> None:
        """As a job of a study, which takes one trial after another, with some time for training."""
        while True:
            with lock:
                channels = next(numbers)
            if channels >= 48 and storm.through.is_set():
                return
            values[channels] = latency.measure(network(channels), 0).value
            time.sleep(0.2)

    with Storm(phones) as storm:
        jobs = [threading.Thread(target=study, args=(storm,)) for _ in range(3)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join(170)
    assert len(values) >= 40
    assert values == pytest.approx({channels: latency_of(network(channels)) for channels in values}, rel=0.05)
    assert set(storm.injected) == {name for name, _ in FAULTS}
