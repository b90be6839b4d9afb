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
    >>> sampler = MnasSampler(seed=0, settings=SearchSettings(policy=True))
    >>> SearchSettings(crossover_share=2.0)
    Traceback (most recent call last):
    ValueError: crossover_share is 2.0; it is a share, at most 1

    Attributes:
        initial_trials: completed trials, spread over the space, before the first model. Larger: a better first
            model, later.
        batch_trials: completed trials between two versions of policy, model and pool. Larger: cheaper, and slower
            to react.
        fresh_versions: versions after which the controller of a long study (from version 63 on) is trained afresh;
            before, whenever their number has doubled. Larger: cheaper, and a longer replay when a study is reopened.
        fit_ratio: growth of the history after which the model's hyperparameters are fitted anew. Larger: cheaper,
            less exact.
        policy: whether the controller learns and proposes networks.
        hidden: LSTM units. Larger: a policy that distinguishes more networks, and more time.
        embedding: size of a token's embedding. Larger: a policy that distinguishes more tokens, and more time.
        learning_rate: Adam's step size, for imitation and practice. Larger: the policy learns the last trials
            faster, and forgets.
        entropy: weight of the entropy bonus, in nats. Larger: more varied networks.
        imitation_steps: gradient steps for each version. Larger: closer to the best trials; 0: no imitation.
        fresh_imitation_steps: gradient steps of a fresh start, at most. Larger: closer to the best trials after a
            fresh start.
        minibatch: preferences among objectives in a gradient step. Larger: steadier steps, each slower.
        elite_rank: typical rank of an imitated network, in square roots of the history's length. Larger: weaker
            networks too.
        augmentation: weight of the sum beside the maximum in the Chebyshev distance. Larger: fewer weakly dominated
            networks.
        practice_rounds: PPO updates for each version. Larger: the policy follows the model more; 0: no practice.
        practice_networks: networks of a PPO update. Larger: a steadier gradient, and more time.
        practice_epochs: PPO's passes over these networks. Larger: each update moves the policy farther.
        practice_clip: half-width of PPO's interval of ratios. Larger: each update may move the policy farther.
        model_trials: trials that are modelled, at most: the best and some of the others. The time for
            each trial grows with its square.
        good_share: share of the best among the modelled trials. Larger: a model that is exact at the front and not
            elsewhere.
        fitted_trials: trials that hyperparameters are fitted to, at most. Larger: a better fit; time grows with its
            cube.
        fit_steps: Adam's steps of a fit. Larger: nearer to the optimum, and more time.
        interaction: prior median of the sum of relevances w_i. Larger: networks are less alike before anything is
            known.
        left_out_trials: last trials that are left out one by one, at most, for R² and calibration. Larger: steadier
            figures.
        calibration_limit: largest factor by which calibration widens the model's deviations. Larger: more
            exploration.
        violation_weight: deviations an objective is worse by for each deviation by which a constraint is broken.
            Larger: safer.
        global_trials: trials up to which all pools have networks from all of the space; from then on every second one
            has the neighbours of the front alone. Larger: more exploration.
        pool_networks: networks of all of the space that the acquisition chooses from. Larger: better choices, and more
            time for each trial.
        policy_networks: samples of the policy to begin with. Larger: more of what was learnt; 0: none.
        random_networks: random networks to begin with. Larger: more exploration; 0: none.
        child_networks: children of the front, by crossover and mutation, to begin with. Larger: a denser search
            near it; 0: none.
        neighbour_networks: networks one decision away from the front, at most. 0: none, and the search of a small
            space stalls late.
        neighbour_parents: members of the front whose neighbours are taken. Larger: more of the front, fewer
            neighbours of each.
        kept_networks: networks of a pool that remain, those with the largest expected gain. Larger: more time for each
            trial.
        crossover_share: share of children with two parents. Larger: more recombination of known networks.
        mutated_decisions: decisions of a child that are drawn anew on average, one of these numbers a child.
            Larger: farther children.
        number_steps: deviations by which a number moves, as shares of its range, one of these a move. Larger:
            farther children.
        search_rounds: rounds of the evolutionary search on the model, in which the best have children. 0: none.
        search_rays: rays along which a round selects the best. Larger: a front that is covered more evenly.
        search_elite: best networks along each ray that have children. Larger: a wider search.
        acquisition: what is tried: the largest expected gain in hypervolume; the best mean along a random ray; any
            of the pool.
        gain_rays: rays along which a trial's expected gain is computed. Larger: a more exact gain, and more time.
        reference_margin: how far the reference point lies behind the front's worst, in deviations. Larger: the ends
            count for more.
        reference_errors: how much farther it lies, in leave-one-out errors of the model. Larger: the ends count for
            more where the model is poor.
        largest_trade: deviations of one objective that a deviation of another may cost a member of the front that the
            reference point follows. Larger: the search goes to the very ends of the front.
        policy_draws: samples of the policy in one attempt where the pool has nothing new. Larger: fewer attempts.
        policy_attempts: attempts before all networks of the space are enumerated instead. Larger: the enumeration
            comes later.

    Raises:
        ValueError: a number is out of its range.
    """

    # When the search learns
    initial_trials: int = 20
    batch_trials: int = 10
    fresh_versions: int = 8
    fit_ratio: float = 1.25

    # The controller
    policy: bool = False
    hidden: int = 64
    embedding: int = 24
    learning_rate: float = 3e-3
    entropy: float = 0.02

    # Imitation of the best trials
    imitation_steps: int = 6
    fresh_imitation_steps: int = 100
    minibatch: int = 32
    elite_rank: float = 0.15
    augmentation: float = 0.05

    # Practice on the model
    practice_rounds: int = 1
    practice_networks: int = 64
    practice_epochs: int = 2
    practice_clip: float = 0.2

    # The model
    model_trials: int = 1000
    good_share: float = 0.5
    fitted_trials: int = 256
    fit_steps: int = 40
    interaction: float = 2.0
    left_out_trials: int = 256
    calibration_limit: float = 3.0
    violation_weight: float = 3.0

    # The pool
    global_trials: int = 60
    pool_networks: int = 500
    policy_networks: int = 200
    random_networks: int = 100
    child_networks: int = 500
    neighbour_networks: int = 2000
    neighbour_parents: int = 50
    kept_networks: int = 500
    crossover_share: float = 0.5
    mutated_decisions: tuple[float, ...] = (1.0, 2.0, 3.0)
    number_steps: tuple[float, ...] = (0.02, 0.1)
    search_rounds: int = 3
    search_rays: int = 64
    search_elite: int = 3

    # The choice among the pool
    acquisition: Literal["gain", "mean", "random"] = "gain"
    gain_rays: int = 64
    reference_margin: float = 1.0
    reference_errors: float = 2.0
    largest_trade: float = 10.0
    policy_draws: int = 8
    policy_attempts: int = 8

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
    "fresh_versions": 1,
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
    "kept_networks": 1,
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
