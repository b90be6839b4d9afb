"""Where a study comes from: what was searched, with which settings, on which device, and by which versions.

What a study keeps of it is shown as it is; what was written by others is cut and printable.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.front import direction_names
from mnas_moo.objectives.objective import one_a_device
from mnas_moo.reports.past import label_of
from mnas_moo.running.address import shown_address, without_passwords
from mnas_moo.running.goal import spent_seconds
from mnas_moo.running.identity import IDENTITY
from mnas_moo.running.plan import stored_plan
from mnas_moo.running.trials import measured
from mnas_moo.spaces.printable import printable, short
from mnas_moo.study_file.duration import in_words
from mnas_moo.study_file.study import StudyFile

PACKAGES = ("mnas-moo", "optuna", "torch", "numpy", "ai-edge-litert", "onnxruntime", "torchvision", "moocore")
"""Packages whose versions may move results, where they are installed."""
OF_DEVICE = ("cpu", "model", "device", "cores", "threads", "runtime", "program", "data_type", "accelerator", "backend")
"""What measurements say of a device."""
TIME = "%Y-%m-%d %H:%M"
MOST_CHOICES = 6


def provenance(study: optuna.Study, study_file: StudyFile) -> list[tuple[str, str]]:
    """What there is to say of a study's origin, as pairs of a heading and a text, which may have several lines."""
    trials = study.get_trials(deepcopy=False)
    names = study.metric_names or []
    identity = study._storage.get_study_system_attrs(study._study_id).get(IDENTITY)
    held: Mapping[str, Any] = identity if isinstance(identity, Mapping) else {}
    kind, sampler = study_file.sampler.chosen
    seed = getattr(sampler, "seed", None)
    plan = stored_plan(study)
    pairs = [
        ("objectives", "\n".join(_objectives(study, names, held))),
        ("constraints", "\n".join(_constraints(held.get("constraints")))),
        ("space", _section(held.get("space"))),
        ("table", _section(held.get("table"))),
        ("decisions", "\n".join(_decisions(held.get("parameters")))),
        ("images", _inline(held.get("data"))),
        ("sampler", f"{kind}, {'without a seed' if seed is None else f'seed {seed}'}"),
        ("plan", "\n".join(plan.words) if plan else ""),
        *((f"device of {label_of(name)}", device) for name in names if (device := _device(name, names, held, trials))),
        ("trials", _counts(trials)),
        ("time", _times(trials)),
        ("storage", shown_address(study_file.storage)),
        *((f"attribute {short(key)}", _inline(value)) for key, value in study.user_attrs.items()),
        ("this page", f"made {datetime.now().astimezone().strftime(TIME + ' %z')} with {', '.join(_versions())}"),
    ]
    return [(heading, printable_lines(text)) for heading, text in pairs if text]


def printable_lines(text: str) -> str:
    """A text of several lines in which each is printable."""
    return "\n".join(map(printable, without_passwords(text).split("\n")))


def _objectives(study: optuna.Study, names: Sequence[str], held: Mapping[str, Any]) -> list[str]:
    settings = held.get("objectives")
    lines = []
    for name, direction in zip(names, direction_names(study.directions), strict=False):
        of_it = settings.get(name) if isinstance(settings, Mapping) else None
        how = f"; {_inline(of_it)}" if isinstance(of_it, Mapping) and of_it else ""
        lines.append(f"{label_of(name)}, {direction}d{how}")
    return lines


def _constraints(held: Any) -> list[str]:
    if not isinstance(held, Mapping):
        return []
    ends = {"max": "at most", "min": "at least"}
    return [
        f"{label_of(str(name))} {' and '.join(f'{ends.get(end, end)} {limit}' for end, limit in bounds.items())}"
        for name, bounds in held.items()
        if isinstance(bounds, Mapping)
    ]


def _section(held: Any) -> str:
    """A space or a table: its name, and its settings."""
    if not isinstance(held, Mapping):
        return ""
    settings = held.get("settings")
    return f"{held.get('name')}" + (f"; {_inline(settings)}" if settings else "")


def _decisions(held: Any) -> list[str]:
    """Number of decisions, and how many networks they make if each is free."""
    if not isinstance(held, Mapping) or not held:
        return []
    counts = [
        len(attributes["choices"])
        for each in held.values()
        if isinstance(each, Mapping)
        and isinstance(attributes := each.get("attributes"), Mapping)
        and isinstance(attributes.get("choices"), list)
    ]
    size = 1.0
    for count in counts:
        size *= count
    free = f", {size:.1e} combinations" if len(counts) == len(held) and size < 1e300 else ""
    return [f"{len(held)}{free}"]


def _device(name: str, names: Sequence[str], held: Mapping[str, Any], trials: Sequence[FrozenTrial]) -> str:
    """What a latency, or memory alone, was measured on: as the study keeps it, else as its last trial tells it."""
    if name not in one_a_device(names):
        return ""
    devices = held.get("devices")
    stored = held.get("device") if name == "latency_ms" else devices.get(name) if isinstance(devices, Mapping) else None
    if isinstance(stored, Mapping) and stored:
        return _inline(stored)
    for trial in reversed(trials):
        if found := {key: value for key, value in measured(trial, name).items() if key in OF_DEVICE}:
            return _inline(found)
    return ""


def _inline(value: Any) -> str:
    """A value of a study in one line, as in a study file."""
    if isinstance(value, Mapping):
        return ", ".join(f"{short(str(key))}: {_inner(each)}" for key, each in value.items() if each is not None)
    return short(str(value)) if value is not None else ""


def _inner(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{_inline(value)}}}"
    if isinstance(value, list | tuple):
        shown = ", ".join(_inner(each) for each in value[:MOST_CHOICES])
        return f"[{shown}{', …' if len(value) > MOST_CHOICES else ''}]"
    return short(str(value))


def _counts(trials: Sequence[FrozenTrial]) -> str:
    words = {
        TrialState.COMPLETE: "finished",
        TrialState.FAIL: "failed",
        TrialState.PRUNED: "pruned",
        TrialState.RUNNING: "under way",
        TrialState.WAITING: "waiting",
    }
    counts = {word: sum(trial.state == state for trial in trials) for state, word in words.items()}
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)


def _times(trials: Sequence[FrozenTrial]) -> str:
    begins = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete is not None]
    if not begins or not ends:
        return ""
    spent = in_words(spent_seconds(trials))
    return f"{min(begins).strftime(TIME)} to {max(ends).strftime(TIME)}; trials ran for {spent}"


def _versions() -> list[str]:
    """Versions of this machine's Python and packages."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return [*found, f"Python {platform.python_version()}", platform.platform()]
