"""Predicted latency in a study: the measured networks a predictor is fitted to, and the networks that must be measured.

A network that a completed trial dominates even at the lower end of its predicted latency is not on the front, whatever
its latency is within the interval; its trial gets the prediction. Every other network is measured before its trial is
told. So every member of the front has a measured latency, and the device measures only some of the networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnas_moo.objectives.front import is_feasible, minimised
from mnas_moo.objectives.predictor.latency import PREDICTED
from mnas_moo.running.trials import MEASUREMENTS, SAME_AS, completed_trials, network_of

if TYPE_CHECKING:
    import optuna

    from mnas_moo.spaces.spec import NetworkSpec


def measured_pairs(study: optuna.Study) -> tuple[list[NetworkSpec], list[float], set[str]]:
    """Networks of a study whose latency was measured, every network once.

    Returns:
        The networks, their latencies in milliseconds, and those names of devices that are stored.

    Raises:
        ValueError: a trial's network cannot be read.
    """
    from mnas_moo.spaces.text import from_text

    specs, latencies, devices = [], [], set()
    for trial in completed_trials(study):
        measured = trial.user_attrs.get(MEASUREMENTS, {}).get("latency_ms")
        if measured is not None and not measured.get(PREDICTED) and SAME_AS not in trial.user_attrs:
            try:
                specs.append(from_text(network_of(trial)))
            except ValueError as error:
                raise ValueError(f"trial {trial.number} of {study.study_name} has no network: {error}") from error
            latencies.append(float(measured["value"]))
            devices.add(measured.get("model") or measured.get("cpu"))
    return specs, latencies, devices - {None}


def must_be_measured(
    study: optuna.Study,
    measurements: Mapping[str, Mapping[str, Any]],
    objectives: Sequence[str],
    limits: Mapping[str, tuple[float | None, float | None]],
) -> bool:
    """Whether a network whose latency is predicted could be on the front of a study.

    Args:
        study: the study; a network that one of its completed trials dominates stays dominated.
        measurements: measurements and predictions of the network, by name.
        objectives: names of the objectives, in the order of a trial's values.
        limits: constrained number -> (min, max).
    """
    latency = measurements["latency_ms"]
    if not latency.get(PREDICTED):
        return False
    values = {name: (measured["value"], measured["value"]) for name, measured in measurements.items()}
    values["latency_ms"] = (latency["low_ms"], latency["high_ms"])
    for name, (low, high) in limits.items():
        if (high is not None and values[name][0] > high) or (low is not None and values[name][1] < low):
            return False
    rivals = [trial.values for trial in completed_trials(study) if is_feasible(trial)]
    if not rivals:
        return True
    # The prediction itself is told, so it must be dominated as well; the lower end is the better of the two.
    best = minimised([min(values[name]) for name in objectives], study.directions)
    others = minimised(rivals, study.directions)
    dominated: bool = bool(np.any(np.all(others <= best, axis=1) & np.any(others < best, axis=1)))
    return not dominated
