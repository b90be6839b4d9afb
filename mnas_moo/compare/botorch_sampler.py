"""BoTorch as an Optuna sampler: its Gaussian process for mixed spaces, and its noisy expected hypervolume improvement.

The parts are those that BoTorch's documentation recommends, with their defaults: `MixedSingleTaskGP` where a parameter
is categorical, else `SingleTaskGP`; `qLogNoisyExpectedHypervolumeImprovement` (Ament et al. 2023) with the inferred
reference point, `qLogNoisyExpectedImprovement` for one objective; `optimize_acqf_mixed_alternating`; and 2 (D + 1)
first trials of a Sobol sequence. Optuna's own binding (optuna-integration) treats categories as numbers in [0, 1].
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import BaseDistribution
from optuna.samplers import QMCSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.compare.static_sampler import StaticSampler
from mnas_moo.genomes.history import generator
from mnas_moo.genomes.tokens import Decision
from mnas_moo.objectives.extras import require
from mnas_moo.objectives.front import minimised
from mnas_moo.objectives.threads import cpu_threads


class BoTorchSampler(StaticSampler):
    """Searches by BoTorch, for spaces whose parameters are always the same and without constraints.

    Args:
        seed: seed of the search; None: a random one.

    Raises:
        MissingExtraError: BoTorch is not installed.
    """

    def __init__(self, seed: int | None = None) -> None:
        require("botorch", extra="botorch")
        super().__init__(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._first = QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The point of the largest expected gain; one of the Sobol sequence in the first trials."""
        completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        completed = [each for each in completed if np.isfinite(each.values).all()]
        if not search_space or len(completed) < 2 * (len(search_space) + 1):
            return self._first.sample_relative(study, trial, search_space)
        decisions = [Decision(name, distribution) for name, distribution in search_space.items()]
        x = torch.tensor([[each.place(done.params[each.name]) for each in decisions] for done in completed]).double()
        y = torch.from_numpy(-minimised([done.values for done in completed], study.directions))  # (N, M), maximised
        seed = int(generator(self._seed, trial.number, "botorch").integers(2**31))
        with cpu_threads(1), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            found = _best(x, y, decisions)
        return {each.name: each.at(float(place)) for each, place in zip(decisions, found, strict=True)}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value."""
        return self._first.sample_independent(study, trial, param_name, param_distribution)


def _best(x: torch.Tensor, y: torch.Tensor, decisions: list[Decision]) -> list[float]:
    """The point (D,) to be tried, given points (N, D) and their values (N, M), maximised."""
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models.gp_regression import SingleTaskGP
    from botorch.models.gp_regression_mixed import MixedSingleTaskGP
    from botorch.models.model_list_gp_regression import ModelListGP
    from botorch.optim.optimize_mixed import optimize_acqf_mixed_alternating
    from botorch.utils.multi_objective.hypervolume import infer_reference_point
    from botorch.utils.multi_objective.pareto import is_non_dominated
    from gpytorch.mlls import SumMarginalLogLikelihood

    categories = [j for j, each in enumerate(decisions) if not each.ordered]
    models = [
        MixedSingleTaskGP(x, column[:, None], cat_dims=categories) if categories else SingleTaskGP(x, column[:, None])
        for column in y.T
    ]
    model = ModelListGP(*models)
    fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
    if y.shape[1] == 1:
        gain: Any = qLogNoisyExpectedImprovement(models[0], x, prune_baseline=True)
    else:
        reference = infer_reference_point(y[is_non_dominated(y)])
        gain = qLogNoisyExpectedHypervolumeImprovement(model, reference, x, prune_baseline=True)
    values = {j: each.spans[:, 0].tolist() for j, each in enumerate(decisions) if each.exact}
    ends = [(values[j][0], values[j][-1]) if j in values else (0.0, 1.0) for j in range(len(decisions))]
    found, _ = optimize_acqf_mixed_alternating(
        gain,
        torch.tensor(ends, dtype=torch.double).T,
        discrete_dims={j: each for j, each in values.items() if j not in categories},
        cat_dims={j: values[j] for j in categories},
    )
    return [float(place) for place in found[0]]
