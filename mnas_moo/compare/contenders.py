"""The samplers that can be compared, by name: ours, Optuna's and OptunaHub's, pymoo's, BoTorch, local search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnas_moo.compare.local_search import LocalSearchSampler
from mnas_moo.objectives.extras import MissingExtraError, require
from mnas_moo.pymoo.sampler import ALGORITHMS, PymooSampler
from mnas_moo.running import samplers
from mnas_moo.study_file.document import nearest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

    from mnas_moo.reward import Reward
    from mnas_moo.spaces.growth import Growth

NAMES = (*samplers.SAMPLERS, "fbnet", "auto", "local", "botorch", *ALGORITHMS)
"""Names of all samplers, ours first."""


@dataclass(frozen=True)
class Task:
    """A problem as a sampler sees it.

    Attributes:
        distributions: distribution of every parameter that can exist, in decision order.
        n_objectives: number of objectives.
        n_constraints: number of bounds on quantities.
        canonical: function from parameters to the one representative of all with the same meaning, for ``mnas``;
            None: all differ.
        features: function from parameters to numbers that describe them, for ``mnas``; None: there is none.
        reward: reward for ``mnas-paper``, which needs one if there are several objectives.
        fbnet: makes FBNet's sampler from a seed; None: the problem is none of networks.
        growth: order of growth, for ``dppnet``; None: there is none.
        computed: objectives that need no measurement, for ``dppnet``; None: all need one.
    """

    distributions: Mapping[str, BaseDistribution]
    n_objectives: int
    n_constraints: int = 0
    canonical: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    features: Callable[[Mapping[str, Any]], Mapping[str, float]] | None = None
    reward: Reward | None = None
    fbnet: Callable[[int], BaseSampler] | None = None
    growth: Growth | None = None
    computed: Callable[[Mapping[str, Any]], Mapping[int, float]] | None = None


def make(name: str, seed: int, task: Task, n_trials: int = 0) -> BaseSampler:
    """Makes a sampler.

    >>> from optuna.distributions import IntDistribution
    >>> task = Task({"width": IntDistribution(1, 8)}, n_objectives=2)
    >>> type(make("nsga2", seed=0, task=task)).__name__
    'NSGAIISampler'

    Args:
        name: one of ``NAMES``.
        seed: seed of the sampler.
        task: problem that the sampler will be used on.
        n_trials: number of trials that the study already has.

    Raises:
        ValueError: the sampler is unknown or cannot do the task.
        MissingExtraError: the sampler needs a package that is not installed.
    """
    if name in ALGORITHMS:
        return PymooSampler(
            name, task.distributions, n_objectives=task.n_objectives, n_constraints=task.n_constraints, seed=seed
        )
    if name == "local":
        return LocalSearchSampler(seed)
    if name == "botorch":
        if task.n_constraints:
            raise ValueError("botorch takes no constraints here; nsga2, tpe, gp and mnas do")
        from mnas_moo.compare.botorch_sampler import BoTorchSampler

        return BoTorchSampler(seed)
    if name == "auto":
        return _auto(seed)
    if name == "fbnet":
        if task.fbnet is None:
            raise ValueError("fbnet trains a supernet of networks, and this is a table")
        return task.fbnet(seed)
    if name not in NAMES:
        raise ValueError(f"there is no sampler {name!r}{nearest(name, NAMES)}")
    return samplers.make(
        name,
        seed,
        n_objectives=task.n_objectives,
        constrained=task.n_constraints > 0,
        distributions=task.distributions.values(),
        canonical=task.canonical,
        features=task.features,
        reward=task.reward,
        growth=task.growth,
        computed=task.computed,
        n_trials=n_trials,
    )


def _auto(seed: int) -> BaseSampler:
    """OptunaHub's AutoSampler; its hub fetches it from GitHub when it is first used, and keeps it."""
    hub = require("optunahub", extra="auto")
    try:
        made: BaseSampler = hub.load_module("samplers/auto_sampler").AutoSampler(seed=seed)
    except Exception as error:  # git's, GitHub's and the network's have no base of their own
        raise ValueError(f"OptunaHub could not fetch auto ({' '.join(str(error).split())})") from error
    return made


def modules(names: Iterable[str]) -> list[str]:
    """The modules that are slow to import and that samplers of these names need."""
    needed = []
    if any(name.startswith("mnas") for name in names):
        needed.append("mnas_moo.sampler")
    if "dppnet" in names:
        needed.append("mnas_moo.dppnet.sampler")
    if "botorch" in names:
        needed += ["mnas_moo.compare.botorch_sampler", "botorch.acquisition.multi_objective.logei", "botorch.models"]
    if "auto" in names:
        needed += ["optunahub", "cmaes"]
    if any(name in ALGORITHMS for name in names):
        needed += ["mnas_moo.pymoo.problems", "pymoo.core.mixed", "pymoo.algorithms.moo.nsga2"]
    return needed


def refusal(name: str, task: Task) -> str | None:
    """Why a sampler of ``NAMES`` cannot do a task, in one line; None if it can.

    >>> from optuna.distributions import IntDistribution
    >>> refusal("cmaes", Task({"width": IntDistribution(1, 8)}, n_objectives=2))
    'cmaes has one objective, not 2; nsga2, tpe, gp and mnas take several'
    """
    try:
        make(name, 0, task)
    except (ValueError, MissingExtraError) as error:
        return str(error)
    return None
