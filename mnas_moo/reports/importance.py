"""Which decisions mattered for each objective: PED-ANOVA, as Optuna has it (Watanabe et al. 2023).

A decision is important if the trials that are best in an objective chose otherwise there than all trials did. It takes
conditional parameters, and few milliseconds. Importances are shares: those of one objective add up to 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.objectives.front import direction_names

LEAST_TRIALS = 20
"""Before so many trials are finished, nothing can be said."""
BEST = 0.1
"""Share of the trials that count as the best ones."""
LEAST_BEST = 5
"""And their least number, which Optuna advises."""


@dataclass(frozen=True)
class Importance:
    """The importance of each decision.

    Attributes:
        shares: M shares, one for each objective, by the names of the decisions.
        rule: how it was found, in a sentence.
    """

    shares: Mapping[str, tuple[float, ...]]
    rule: str


def importance_of(study: optuna.Study) -> Importance | None:
    """The importance of each decision of a study for each of its objectives; None with too few trials, or no choice.

    >>> space = {"x": optuna.distributions.FloatDistribution(0, 1), "y": optuna.distributions.FloatDistribution(0, 1)}
    >>> study = optuna.create_study()
    >>> for i in range(40):
    ...     params = {"x": i / 40, "y": i * 7 % 40 / 40}
    ...     study.add_trial(optuna.create_trial(value=params["x"], params=params, distributions=space))
    >>> shares = importance_of(study).shares
    >>> shares["x"][0] > 0.8 > shares["y"][0]
    True
    """
    finished = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if np.isfinite(trial.values).all()
    ]
    names = _decisions(finished)
    if len(finished) < LEAST_TRIALS or len(names) < 2:
        return None
    share = max(BEST, LEAST_BEST / len(finished))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=share)
    found = []
    for m, direction in enumerate(direction_names(study.directions)):
        sign = 1.0 if direction == "minimize" else -1.0

        def target(trial: FrozenTrial, m: int = m, sign: float = sign) -> float:
            return sign * float(trial.values[m])

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of decisions that few trials had to take
            found.append(get_param_importances(study, evaluator=evaluator, params=names, target=target))
    best = f"the best {share:.0%} of the {len(finished):,} trials ({max(1, round(share * len(finished))):,})"
    rule = f"How much the choices of {best} differ from those of all (PED-ANOVA of Optuna {optuna.__version__})."
    if share > BEST:
        rule += " With so few trials, this is a hint only."
    return Importance({name: tuple(float(each[name]) for each in found) for name in names}, rule)


def _decisions(trials: Sequence[FrozenTrial]) -> list[str]:
    """The parameters that leave a choice, in the order in which trials have them."""
    seen: dict[str, Any] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if not distribution.single():
                seen.setdefault(name, distribution)
    return list(seen)
