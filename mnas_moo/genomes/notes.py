"""What the samplers write to trials and studies, beside ``ATTRIBUTE``: its format, rounded figures, a drawn seed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from optuna.study import Study

from mnas_moo.genomes.history import ATTRIBUTE

FORMAT = 1
"""Number of the format of what is written to trials and studies."""


def rounded(value: Any) -> Any:
    """Plain data for a note: numbers to six digits, and None in place of those that are not finite."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [rounded(each) for each in value]
    return value


def study_seed(study: Study) -> int:
    """The seed drawn for a study whose sampler was given none; the first process draws it and all others read it."""
    key = f"{ATTRIBUTE}:seed"
    stored = study._storage.get_study_system_attrs(study._study_id)
    if key not in stored:
        study._storage.set_study_system_attr(study._study_id, key, secrets.randbits(31))
        stored = study._storage.get_study_system_attrs(study._study_id)
    return int(stored[key])
