"""What a study was run with, as user attributes of the study, for people: device, data, constraints, versions.

Nothing reads them back; what two runs must share is in ``identity``.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mnas_moo.objectives.objective import one_a_device
from mnas_moo.spaces.printable import short

if TYPE_CHECKING:
    import optuna

    from mnas_moo.running.trials import Subject
    from mnas_moo.study_file.study import StudyFile

_PACKAGES = ("mnas-moo", "optuna", "torch")
_THEN = "; then "
_MOST = 5


def facts_of(study_file: StudyFile, subject: Subject, identity: Mapping[str, Any]) -> dict[str, str]:
    """The facts by name, as text.

    Args:
        study_file: the study.
        subject: its subject, prepared.
        identity: what ``identity_of`` says of both.
    """
    pairs = zip(study_file.objective_names, study_file.directions, strict=True)
    facts = {"objectives": ", ".join(f"{name} {direction}" for name, direction in pairs)}
    facts["constraints"] = ", ".join(
        f"{name} {end} {limit:g}" for name, ends in identity["constraints"].items() for end, limit in ends.items()
    )
    if "table" in identity:
        facts["data"] = f"table {identity['table']['name']}"
    else:
        data, images = identity["data"], getattr(subject, "images", 0)
        colours = "grey" if data["channels"] == 1 else "colour"
        facts["data"] = f"{data['kind']}: {images:,} images of {data['classes']} classes, {colours}"
    measured = getattr(subject, "objectives", {})
    timed = {
        name: _device(measured[name].device) for name in one_a_device(measured) if hasattr(measured[name], "device")
    }
    facts["device"] = "; ".join(timed.values() if len(timed) == 1 else map(": ".join, timed.items()))
    facts["versions"] = ", ".join([*map(_version, _PACKAGES), f"Python {platform.python_version()}"])
    return {name: fact or "none" for name, fact in facts.items()}


def store_facts(study: optuna.Study, facts: Mapping[str, str]) -> None:
    """Writes the facts that the study does not have yet, behind those of earlier runs; a user's own values stay."""
    held = study.user_attrs
    for name, fact in facts.items():
        before = held.get(name, "")
        known = before.split(_THEN) if before and isinstance(before, str) else []
        if isinstance(before, str) and fact not in known:
            study.set_user_attr(name, _THEN.join([*known, fact][-_MOST:]))


def _version(package: str) -> str:
    """A package and its version; a checkout that was never installed has none."""
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return package


def _device(device: Mapping[str, Any]) -> str:
    """A device in words: what it is, what ran the networks, with how many threads."""
    threads = device.get("threads")
    words = [device.get("model"), device.get("runtime"), threads and f"{threads} thread{'s' if threads != 1 else ''}"]
    words.append(device.get("data_type"))
    return ", ".join(short(str(word)) for word in words if word)
