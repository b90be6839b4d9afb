from __future__ import annotations

import math

import numpy as np
import optuna

from mnas_moo.genomes.notes import rounded, study_seed


def test_a_note_holds_plain_numbers_of_six_digits_and_none_for_what_is_no_number() -> None:
    value = {"a": math.pi, "b": [float("nan"), 1], "c": np.float64(1e-9 / 3), "d": "text", "e": None}
    assert rounded(value) == {"a": 3.14159, "b": [None, 1], "c": 3.33333e-10, "d": "text", "e": None}


def test_a_seed_is_drawn_once_for_a_study() -> None:
    study = optuna.create_study()
    assert study_seed(study) == study_seed(study)
    assert study_seed(study) != study_seed(optuna.create_study())
