"""Trials of studies of tables: results are looked up, not measured."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from mnas_moo.study_file.tabular_study import TabularStudy


class TabularTrials:
    """The subject of a study of a table: every trial is a look-up."""

    canonical = features = computed = None

    def __init__(self, study_file: TabularStudy) -> None:
        self.wanted = study_file.trials
        self.problem = study_file.problem
        self.distributions, self.growth = self.problem.distributions, self.problem.growth
        self.seed = study_file.sampler.chosen[1].seed or 0
        table = study_file.table
        # The path of the table is no part of the study's identity.
        columns = {} if table.bench else {"parameters": table.parameters, "objectives": table.objectives}
        self.identity: dict[str, Any] = {
            "table": {"name": table.bench or Path(table.file or "").name, "settings": columns},
            "objectives": dict(self.problem.directions),
        }

    def prepare(self, stack: ExitStack, observer: Any) -> None:
        """Tells the observer how well the forest predicts points that have no row."""
        if self.problem.fits:
            fits = (f"{name} R2 {fit.r2:.3f}, tau {fit.tau:.3f}" for name, fit in self.problem.fits.items())
            observer.preparing(f"points without a row are answered by a forest; out of bag: {'; '.join(fits)}")

    def stage(self, study: optuna.Study, wanted: int) -> int:
        """All of them."""
        del study
        return wanted

    def measure(self, study: optuna.Study, trial: optuna.Trial, observer: Any, interrupts: object) -> Mapping[str, Any]:
        """Looks up the measurements of a trial; noise depends on the seed and the trial's number only."""
        params = self.problem.suggest(trial)
        observer.trial_started(trial.number, ", ".join(f"{name}={value}" for name, value in params.items()))
        found = self.problem.measure(params, np.random.default_rng([self.seed, trial.number]))
        return {name: {"value": value} for name, value in found.items()}
