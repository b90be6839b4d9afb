"""What two runs must share to be one study: stored with the study, and compared before a run continues it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

import optuna

from mnas_moo.running.address import shown_address
from mnas_moo.running.trials import Subject
from mnas_moo.study_file.document import shown
from mnas_moo.study_file.study import StudyFile

IDENTITY = "mnas_moo:study"
"""System attribute of a study: what two runs must share to be the same study."""
_FORMAT = 1


def identity_of(study_file: StudyFile, subject: Subject) -> dict[str, Any]:
    """What two runs must share to be the same study, as plain data; paths and devices of the training are no part."""
    constraints = {
        name: {end: limit for end, limit in (("max", high), ("min", low)) if limit is not None}
        for name, (low, high) in study_file.limits.items()
    }
    parameters = {
        name: json.loads(optuna.distributions.distribution_to_json(distribution))
        for name, distribution in subject.distributions.items()
    }
    identity = {"format": _FORMAT, **subject.identity, "constraints": constraints, "parameters": parameters}
    return dict(json.loads(json.dumps(identity)))


def check_identity(study_file: StudyFile, study: optuna.Study, identity: dict[str, Any]) -> None:
    """Compares a study in the storage with the file's; one without an identity (new, or made without a file) gets it.

    Raises:
        StudyError: the two differ; the message has what the file asks for and what the storage holds.
    """
    advice = "give the new study another name or storage"
    where = f"study {study_file.name!r} in {shown_address(study_file.storage)}"
    names = list(study_file.objective_names)
    held = study._storage.get_study_system_attrs(study._study_id).get(IDENTITY)
    if held is None:
        trials = study.get_trials(deepcopy=False)
        known = study.metric_names or ([] if trials else names)
        directions = [direction.name.lower() for direction in study.directions]
        if list(known) != names or directions != list(study_file.directions):
            theirs = ", ".join(map(" ".join, zip(directions, known or ["unnamed"] * len(directions), strict=False)))
            problem = f": the file asks for {', '.join(names)}, but {where} holds {theirs}; {advice}"
            raise study_file.error(("objectives",), problem)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(names)
        study._storage.set_study_system_attr(study._study_id, IDENTITY, identity)
        return
    if held.get("format") != _FORMAT:
        raise study_file.error(("storage",), f": {where} was written by another version of mnas-moo; {advice}")
    if ("table" in identity) != ("table" in held):
        ours, theirs = (
            f"the table {asked['table']['name']}" if "table" in asked else f"networks of {asked['space']['name']}"
            for asked in (identity, held)
        )
        problem = f": the file is a study of {ours}, but {where} holds one of {theirs}; {advice}"
        raise study_file.error(("name",), problem)
    for section in ("space", "table", "objectives", "constraints", "data"):
        if section in identity and identity[section] != held[section]:
            ours, theirs = _words(identity[section]), _words(held[section])
            problem = f": the file asks for {ours}, but {where} holds {theirs}; {advice}"
            raise study_file.error((section,), problem)
    devices, stored = _devices(identity), _devices(held)
    for name, device in devices.items():
        if problem := _another_device(device, stored.get(name, {}), where, advice):
            raise study_file.error(("objectives", name), problem)
    ours, theirs = identity["parameters"], held["parameters"]
    if ours != theirs:
        name = next(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
        problem = f"has parameter {name} otherwise than {where}, though it is the same by name; {advice}"
        raise study_file.error(("table" if "table" in identity else "space",), problem)
    if any(device.keys() - stored.get(name, {}).keys() for name, device in devices.items()):
        # It was stored before the devices were known, or by a version that did not ask for the program.
        found: dict[str, Any] = {}
        if "device" in identity:
            found["device"] = {**identity["device"], **held.get("device", {})}
        if "devices" in identity:
            before = held.get("devices", {})
            found["devices"] = {name: {**each, **before.get(name, {})} for name, each in identity["devices"].items()}
        study._storage.set_study_system_attr(study._study_id, IDENTITY, {**held, **found})


def _another_device(ours: Mapping[str, Any], theirs: Mapping[str, Any], where: str, advice: str) -> str:
    """Why latencies of one device cannot stand beside those of the other; empty: they can.

    What older versions did not store is not compared. "program" is "runtime" in words, which may say more on one phone
    than on another. Only "virtual" is left out where it is not so.
    """
    if not ours or not theirs:
        return ""
    if ours["model"] != theirs["model"]:
        one, other = ours["model"], theirs["model"]
        return f": the device is a {one}, but {where} holds latencies of a {other}; {advice}, or attach a {other}"
    if "runtime" in theirs and ours.get("virtual") != theirs.get("virtual"):
        one, other = (f"{'virtual' if side.get('virtual') else 'real'} {side['model']}" for side in (ours, theirs))
        return f": the device is a {one}, but {where} holds latencies of a {other}; {advice}, or attach a {other}"
    if "runtime" in ours and "runtime" in theirs and ours["runtime"] != theirs["runtime"]:
        one, other = (f"{side.get('program') or 'a program'} ({side['runtime']})" for side in (ours, theirs))
        return (
            f": the phone has {one}, but {where} holds latencies by {other}; {advice}, or put that program on the phone"
        )
    if any(ours[key] != theirs[key] for key in ours.keys() & theirs.keys() - {"program"}):
        one, other = _words(ours), _words(theirs)
        return f": the device is a {one}, but {where} holds latencies of a {other}; {advice}, or attach a {other}"
    return ""


def _devices(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The devices of an identity by the name of their latency."""
    alone = {"latency_ms": identity["device"]} if "device" in identity else {}
    return {**alone, **identity.get("devices", {})}


def _words(section: Mapping[str, Any]) -> str:
    """A section of an identity in the words of a study file."""
    if set(section) == {"name", "settings"}:
        return f"{section['name']} {_words(section['settings'])}" if section["settings"] else str(section["name"])
    inner = (f"{k}: {_words(v)}" if isinstance(v, Mapping) else f"{k}: {shown(v)}" for k, v in section.items())
    return "{" + ", ".join(inner) + "}"
