"""Trials of tables: parameters are looked up, so that a whole study runs in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from mnas_moo.study_file.tabular_study import TabularStudy


class TabularTrials:
    """What the trials of a table study do: look up."""

    canonical = None

    def __init__(self, study_file: TabularStudy) -> None:
        self.problem = study_file.problem
        self.distributions = self.problem.distributions
        self.seed = study_file.sampler.chosen[1].seed or 0
        table = study_file.table
        # Where the tables lie is no part of what is searched.
        columns = {} if table.bench else {"parameters": table.parameters, "objectives": table.objectives}
        self.identity: dict[str, Any] = {
            "table": {"name": table.bench or Path(table.file or "").name, "settings": columns},
            "objectives": dict(self.problem.directions),
        }

    def prepare(self, stack: ExitStack, observer: Any) -> None:
        """Says how far points that have no row can be trusted."""
        if self.problem.fits:
            fits = (f"{name} R2 {fit.r2:.3f}, tau {fit.tau:.3f}" for name, fit in self.problem.fits.items())
            observer.preparing(f"points without a row are answered by a forest; out of bag: {'; '.join(fits)}")

    def measure(self, study: optuna.Study, trial: optuna.Trial, observer: Any, interrupts: object) -> Mapping[str, Any]:
        """The measurements of a trial; noise is drawn anew for every trial, and by its number alone."""
        params = self.problem.suggest(trial)
        observer.trial_started(trial.number, ", ".join(f"{name}={value}" for name, value in params.items()))
        found = self.problem.measure(params, np.random.default_rng([self.seed, trial.number]))
        return {name: {"value": value} for name, value in found.items()}
