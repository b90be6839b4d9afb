"""All numbers of the default sampler: what each is, its unit, and what a larger one does.

They were chosen on published tables of networks (``studies/benchmarks/sampler_parts.py`` takes the parts away one by
one) and are the same for every study; ``MnasSampler(settings=…)`` takes others, for experiments. The published numbers
of MnasNet's own search are arguments of ``MnasSampler.paper``. Tolerances of the arithmetic stay where they are used.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal


@dataclass(frozen=True)
class SearchSettings:
    """Settings of the default search.

    >>> from mnas_moo import MnasSampler
    >>> without_policy = SearchSettings(policy_networks=0, imitation_steps=0, practice_rounds=0)
    >>> sampler = MnasSampler(seed=0, settings=without_policy)
    >>> SearchSettings(crossover_share=2.0)
    Traceback (most recent call last):
    ValueError: crossover_share is 2.0; it is a share, at most 1

    Raises:
        ValueError: a number is out of its range.
    """

    # When the search learns
    initial_trials: int = 20
    """Completed trials, spread over the space, before the first model. Larger: a better first model, later."""
    batch_trials: int = 10
    """Completed trials between two versions of policy, model and pool. Larger: cheaper, and slower to react."""
    fresh_ratio: float = 2.0
    """Growth of the history after which the controller is trained afresh. Larger: a longer replay at a restart."""
    fit_ratio: float = 1.25
    """Growth of the history after which the model's hyperparameters are fitted anew. Larger: cheaper, less exact."""

    # The controller
    hidden: int = 64
    """LSTM units. Larger: a policy that distinguishes more networks, and more time."""
    embedding: int = 24
    """Size of a token's embedding. Larger: a policy that distinguishes more tokens, and more time."""
    learning_rate: float = 3e-3
    """Adam's step size, for imitation and practice. Larger: the policy learns the last trials faster, and forgets."""
    entropy: float = 0.02
    """Weight of the entropy bonus, in nats. Larger: more varied networks."""

    # Imitation of the best trials
    imitation_steps: int = 6
    """Gradient steps a version. Larger: closer to the best trials; 0: no imitation."""
    fresh_imitation_steps: int = 100
    """Gradient steps of a fresh start, at most. Larger: closer to the best trials after a fresh start."""
    minibatch: int = 32
    """Preferences among objectives in a gradient step. Larger: steadier steps, each slower."""
    elite_rank: float = 0.15
    """Typical rank of an imitated network, in square roots of the history's length. Larger: weaker networks too."""
    augmentation: float = 0.05
    """Weight of the sum beside the maximum in the Chebyshev distance. Larger: fewer weakly dominated networks."""

    # Practice on the model
    practice_rounds: int = 1
    """PPO updates a version. Larger: the policy follows the model more; 0: no practice."""
    practice_networks: int = 64
    """Networks of a PPO update. Larger: a steadier gradient, and more time."""
    practice_epochs: int = 2
    """PPO's passes over these networks. Larger: each update moves the policy farther."""
    practice_clip: float = 0.2
    """Half-width of PPO's interval of ratios. Larger: each update may move the policy farther."""

    # The model
    model_trials: int = 1000
    """Trials that are modelled, at most: the best and some of the others. Time a trial grows with its square."""
    good_share: float = 0.5
    """Share of the best among the modelled trials. Larger: a model that is exact at the front and not elsewhere."""
    fitted_trials: int = 256
    """Trials that hyperparameters are fitted to, at most. Larger: a better fit; time grows with its cube."""
    fit_steps: int = 40
    """Adam's steps of a fit. Larger: nearer to the optimum, and more time."""
    interaction: float = 2.0
    """Prior median of the sum of relevances w_i. Larger: networks are less alike before anything is known."""
    left_out_trials: int = 256
    """Last trials that are left out one by one, at most, for R² and calibration. Larger: steadier figures."""
    calibration_limit: float = 3.0
    """Largest factor by which calibration widens the model's deviations. Larger: more exploration."""
    violation_weight: float = 3.0
    """Deviations an objective is worse by for each deviation by which a constraint is broken. Larger: safer."""

    # The pool
    pool_networks: int = 500
    """Networks that the acquisition chooses from. Larger: better choices, and more time a trial."""
    policy_networks: int = 200
    """Samples of the policy to begin with. Larger: more of what was learnt; 0: none."""
    random_networks: int = 100
    """Random networks to begin with. Larger: more exploration; 0: none."""
    child_networks: int = 500
    """Children of the front, by crossover and mutation, to begin with. Larger: a denser search near it; 0: none."""
    neighbour_networks: int = 500
    """Networks one decision away from the front, at most. 0: none, and the search of a small space stalls late."""
    neighbour_parents: int = 20
    """Members of the front whose neighbours are taken. Larger: more of the front, fewer neighbours of each."""
    crossover_share: float = 0.5
    """Share of children with two parents. Larger: more recombination of known networks."""
    mutated_decisions: tuple[float, ...] = (1.0, 2.0, 3.0)
    """Decisions of a child that are drawn anew on average, one of these numbers a child. Larger: farther children."""
    number_steps: tuple[float, ...] = (0.02, 0.1)
    """Deviations by which a number moves, as shares of its range, one of these a move. Larger: farther children."""
    search_rounds: int = 3
    """Rounds of the evolutionary search on the model, in which the best have children. 0: none."""
    search_rays: int = 64
    """Rays along which a round selects the best. Larger: a front that is covered more evenly."""
    search_elite: int = 3
    """Best networks along each ray that have children. Larger: a wider search."""

    # The choice among the pool
    acquisition: Literal["gain", "mean", "random"] = "gain"
    """What is tried: the largest expected gain in hypervolume; the best mean along a random ray; any of the pool."""
    gain_rays: int = 64
    """Rays along which a trial's expected gain is computed. Larger: a more exact gain, and more time."""
    reference_margin: float = 1.0
    """How far the reference point lies behind the front's worst, in deviations. Larger: the ends count for more."""
    policy_draws: int = 8
    """Samples of the policy in one attempt where the pool has nothing new. Larger: fewer attempts."""
    policy_attempts: int = 8
    """Attempts before all networks of the space are enumerated instead. Larger: the enumeration comes later."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = LEAST.get(field.name, 0)
            if isinstance(value, int | float) and not value >= least:
                raise ValueError(f"{field.name} is {value}; it must be at least {least}")
            if field.name in _SHARES and not value <= 1:
                raise ValueError(f"{field.name} is {value}; it is a share, at most 1")
        if self.acquisition not in ("gain", "mean", "random"):
            raise ValueError(f"acquisition is {self.acquisition!r}; it must be 'gain', 'mean' or 'random'")


LEAST = {
    "initial_trials": 2,
    "batch_trials": 1,
    "fresh_ratio": 1.01,
    "fit_ratio": 1.01,
    "hidden": 1,
    "embedding": 1,
    "minibatch": 1,
    "practice_networks": 2,
    "practice_epochs": 1,
    "model_trials": 50,
    "fitted_trials": 2,
    "left_out_trials": 2,
    "calibration_limit": 1.0,
    "pool_networks": 1,
    "search_rays": 1,
    "search_elite": 1,
    "gain_rays": 1,
    "policy_draws": 1,
    "policy_attempts": 1,
}
"""The smallest allowed value where it is not 0."""
_SHARES = ("good_share", "crossover_share")

DEFAULTS = SearchSettings()
"""The default settings."""
