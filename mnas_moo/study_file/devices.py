"""The devices of a study: each stands once, and memory is measured by the device of the latency of the same name.

Two latencies of one device would be one number twice, measured twice: the front would count it double. A device is
the same if what runs the networks and how is the same; of phones, what the file says of them decides, and where that
leaves it open, their model, once they are there.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mnas_moo.objectives.objective import is_latency, is_memory, latency_beside

if TYPE_CHECKING:
    from mnas_moo.study_file.document import Key, StudyError
    from mnas_moo.study_file.measuring import NamedLatency

OF_MEMORY = ("host", "adb")
"""Devices whose runtime says how much memory it takes."""

_DIFFER = {
    "host": "threads or data_type",
    "onnxruntime": "threads",
    "adb": "serials, model, accelerator, threads or data_type",
    "lut": "their files",
}
"""In what two devices of a kind may differ."""


class Measuring(Protocol):
    """What is used of a study of networks here; its names are those of ``NetworkStudy``."""

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        ...

    @property
    def measured_names(self) -> tuple[str, ...]:
        """Names of all that is measured."""
        ...

    def latency_of(self, name: str) -> NamedLatency:
        """The source of a latency by the objective's name."""
        ...

    def error(self, key: Key, problem: str) -> StudyError:
        """The error about a key of the file."""
        ...


def check_devices(study_file: Measuring) -> None:
    """Checks that no device is named twice, and that memory has a device which can measure it.

    Raises:
        StudyError: there is one that is, or has none.
    """
    latencies = [name for name in study_file.objective_names if is_latency(name)]
    for name in latencies:
        serials = _phones(study_file.latency_of(name)).get("serials") or []
        twice = [serial for serial in serials if serials.count(serial) > 1]
        if twice:
            raise study_file.error(("objectives", name), f": serials names {twice[0]!r} twice; a phone stands once")
    for first, second in itertools.combinations(latencies, 2):
        if _same(study_file.latency_of(first), study_file.latency_of(second)):
            raise _twice(study_file, first, second)
    for name in study_file.measured_names:
        if is_memory(name):
            _check_memory(study_file, name)


def check_models(study_file: Measuring, models: Mapping[str, str]) -> None:
    """Checks the same of phones that the file says too little of, now that they are there.

    Args:
        study_file: the study.
        models: name of a latency on phones -> their model.

    Raises:
        StudyError: two latencies are timed by the same phones.
    """
    for first, second in itertools.combinations(models, 2):
        one, other = study_file.latency_of(first), study_file.latency_of(second)
        ours, theirs = ({**_phones(each), "model": models[name]} for each, name in ((one, first), (other, second)))
        if one.identity == other.identity and _same_phones(ours, theirs):
            raise _twice(study_file, first, second, f" (a {models[first]})")


def _twice(study_file: Measuring, first: str, second: str, which: str = "") -> StudyError:
    kind = study_file.latency_of(second).device.chosen[0]
    problem = f"is measured by the same device as {first}, {kind}{which}; a device stands once: leave one of them out"
    if kind in _DIFFER:
        problem += f", or let them differ in {_DIFFER[kind]}"
    return study_file.error(("objectives", second), problem)


def _same(one: NamedLatency, other: NamedLatency) -> bool:
    (kind, settings), (other_kind, other_settings) = one.device.chosen, other.device.chosen
    if kind != other_kind or one.device.identity != other.device.identity:
        return False
    if kind == "lut":
        return Path(settings.file).resolve() == Path(other_settings.file).resolve()
    return kind != "adb" or _same_phones(_phones(one), _phones(other))


def _phones(source: NamedLatency) -> dict[str, Any]:
    """The settings of phones; empty of another device."""
    adb = source.device.adb
    return {} if adb is None else adb.model_dump()


def _same_phones(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether it is certain that two latencies are timed by the same phones and program."""
    if ours["benchmark_model"] != theirs["benchmark_model"]:
        return False
    if ours["serials"] and theirs["serials"]:
        return bool(set(ours["serials"]) & set(theirs["serials"]))
    if ours["model"] and theirs["model"]:
        return bool(ours["model"] == theirs["model"])
    # One that says nothing takes all phones there are.
    return not all(each["serials"] or each["model"] for each in (ours, theirs))


def _check_memory(study_file: Measuring, name: str) -> None:
    where = ("objectives" if name in study_file.objective_names else "constraints", name)
    latency = latency_beside(name)
    others = [each for each in study_file.objective_names if is_latency(each)]
    if latency not in study_file.measured_names and ("@" in name or others):
        described = [each.replace("latency_ms", "memory_mb") for each in others]
        problem = f"has no device: it would be that of the objective {latency}, which is missing"
        raise study_file.error(where, problem + (f"; there is {', '.join(described)}" if described else ""))
    kind = study_file.latency_of(latency).chosen[0]
    if kind not in OF_MEMORY:
        problem = f"cannot be measured, as {latency} comes from {kind}, which says nothing of memory; allowed: "
        raise study_file.error(where, problem + f"{latency} of {' or '.join(OF_MEMORY)}")
