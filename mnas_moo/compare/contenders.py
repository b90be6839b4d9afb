"""Who can be compared: our samplers, Optuna's as they ship, and pymoo's algorithms, each by one name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnas_moo.objectives.extras import MissingExtraError
from mnas_moo.pymoo.sampler import ALGORITHMS, PymooSampler
from mnas_moo.running import samplers
from mnas_moo.study_file.document import nearest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler

    from mnas_moo.reward import Reward

NAMES = (*samplers.SAMPLERS, *ALGORITHMS)
"""All names, ours first."""


@dataclass(frozen=True)
class Task:
    """What a sampler needs to know of a problem.

    Attributes:
        distributions: of every parameter there can be, in decision order.
        n_objectives: how many there are.
        n_constraints: how many bounds.
        canonical: one representative of all parameters that mean the same, for ``mnas``; None: all differ.
        reward: for ``mnas-paper``; None: the problem has one objective, or the sampler is refused.
    """

    distributions: Mapping[str, BaseDistribution]
    n_objectives: int
    n_constraints: int = 0
    canonical: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    reward: Reward | None = None


def make(name: str, seed: int, task: Task, n_trials: int = 0) -> BaseSampler:
    """The sampler of that name.

    Args:
        name: one of ``NAMES``.
        seed: of all its randomness.
        task: what it is to do.
        n_trials: trials that the study holds already.

    Raises:
        ValueError: there is no such sampler, or it cannot do this.
        MissingExtraError: it needs a package that is not installed.
    """
    if name in ALGORITHMS:
        return PymooSampler(
            name, task.distributions, n_objectives=task.n_objectives, n_constraints=task.n_constraints, seed=seed
        )
    if name not in NAMES:
        raise ValueError(f"there is no sampler {name!r}{nearest(name, NAMES)}")
    return samplers.make(
        name,
        seed,
        n_objectives=task.n_objectives,
        constrained=task.n_constraints > 0,
        distributions=task.distributions.values(),
        canonical=task.canonical,
        reward=task.reward,
        n_trials=n_trials,
    )


def modules(names: Iterable[str]) -> list[str]:
    """What takes a while to import before samplers of these names can be made."""
    needed = []
    if any(name.startswith("mnas") for name in names):
        needed.append("mnas_moo.sampler")
    if any(name in ALGORITHMS for name in names):
        needed += ["mnas_moo.pymoo.problems", "pymoo.core.mixed", "pymoo.algorithms.moo.nsga2"]
    return needed


def refusal(name: str, task: Task) -> str | None:
    """Why a sampler of ``NAMES`` cannot do a task, in one line; None if it can."""
    try:
        make(name, 0, task)
    except (ValueError, MissingExtraError) as error:
        return str(error)
    return None
