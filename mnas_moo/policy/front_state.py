"""The default configuration: the network with the largest expected gain, and none twice while others remain.

``MnasSampler`` calls the hooks of ``StudyState``; those that differ are here, in the same order. A trial's note holds
its claim, the name of the network that it is about to try. It is written first and then all claims are read, so of two
workers that chose the same at once at least one sees the other's claim and chooses again. The note also holds the
source of the proposal and the results expected of it (``Proposal``), from which reports show how good the model is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from mnas_moo.genomes.history import ATTRIBUTE, Record, generator, key_of, ordinal_of
from mnas_moo.genomes.notes import FORMAT, rounded
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.front_learner import FrontLearner, preferences
from mnas_moo.policy.study_state import StudyState, Walk
from mnas_moo.settings import SearchSettings
from mnas_moo.surrogate.pool import Pool, Ranking
from mnas_moo.surrogate.proposals import SOURCES
from mnas_moo.surrogate.surrogate import Transfer
from mnas_moo.surrogate.view import Canonical, Features, Reader

DEVIATIONS = 1.96
"""Half-width of the stored interval of an expected value: 95 % of results lie within, if the model is right."""


@dataclass(frozen=True)
class FrontSettings:
    """Configuration of ``MnasSampler``: its arguments, where they are explained."""

    canonical: Canonical | None = None
    features: Features | None = None
    reference_point: tuple[float | None, ...] | None = None
    transfer: Transfer = field(default_factory=Transfer)
    search: SearchSettings = field(default_factory=SearchSettings)


@dataclass(frozen=True)
class Proposal:
    """A genome that may be tried.

    Attributes:
        params: values of the parameters by name.
        source: name of its source: policy, mutation, neighbour or random in the pool; start for the first trials; walk
            where all networks of the space are enumerated; again where nothing untried is left.
        expected: M triples (low, median, high) in the study's units, with 95 % of results expected between low and
            high; None without a model.
        gain: expected gain in hypervolume, on the model's scales; None without a model.
    """

    params: dict[str, Any]
    source: str
    expected: Sequence[Sequence[float]] | None = None
    gain: float | None = None


class FrontState(StudyState):
    """State of a study whose whole Pareto front is searched.

    Args:
        study: study that is sampled.
        seed: seed of the search; None: the one that is stored with the study, or is drawn for it.
        settings: configuration of the sampler.

    Attributes:
        tried: names of the networks of finished trials.
        claims: names of the networks of running trials, by trial number.
        proposed: parameters that running trials of this process were given, by trial number.
        complete: whether all networks of the space were enumerated once, so that nothing untried is left.
    """

    def __init__(self, study: Study, seed: int | None, settings: FrontSettings) -> None:
        self.settings = settings
        self.tried: set[str] = set()
        self.claims: dict[int, str] = {}
        self.proposed: dict[int, dict[str, Any]] = {}
        self.complete = False
        self._unnamed: list[FrozenTrial] = []
        self.directions = study.directions
        super().__init__(study, seed)

    def make_learner(self, study: Study) -> FrontLearner:
        """One model and one policy for the front."""
        signs = [1.0 if d == StudyDirection.MINIMIZE else -1.0 for d in self.directions]
        s = self.settings
        worst = s.reference_point or (None,) * len(signs)
        if len(worst) != len(signs):
            raise ValueError(f"reference_point has {len(worst)} values for a study of {len(signs)} objectives")
        foreign = [m for m in s.transfer.objectives if not 0 <= m < len(signs)]
        if foreign:
            raise ValueError(f"shared names objective {foreign[0]} of a study of {len(signs)}, from 0 on")
        region = np.array([np.nan if value is None else value for value in worst])  # (M,)
        reader = Reader(s.canonical, s.features)
        self.front_learner = FrontLearner(self.seed, signs, s.transfer, region, s.search, reader)
        return self.front_learner

    def can_learn_from(self, record: Record) -> bool:
        """Completed trials of any sampler, also infeasible ones, and failed ones."""
        return bool(record.genome) and (record.values is not None or record.failed)

    def on_trials_read(self, done: list[FrozenTrial]) -> None:
        """Keeps the names of all networks tried, and of those under way."""
        self._unnamed += done
        for trial in done:
            self.proposed.pop(trial.number, None)
        if self.history.space:  # before, it is unknown which parameters make a whole network
            self.tried.update(filter(None, map(self._name_of, self._unnamed)))
            self._unnamed = []
            names = {number: self._name_of(trial) for number, trial in self.history.running.items()}
            self.claims = {number: name for number, name in names.items() if name is not None}

    def version_for(self, ordinal: int) -> int:
        """A version for each batch of completed trials."""
        return sum(record.values is not None for record in self.learnable) // self.learner.batch

    def sample_at_once(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """Parameters of a network that no trial has tried or claims; empty where a conditional space has no plan."""
        with self.lock:
            params: dict[str, Any] = {}
            learning: list[dict[str, Any]] = []
            for proposal in self._proposals(trial, decisions):
                params = proposal.params
                name = self._name(params)
                if self._is_taken(name, trial.number):
                    continue
                learning += self.take_diagnostics()
                self._note(study, trial, name, proposal, learning)
                self.read_trials(study)
                if not self._is_taken(name, trial.number):
                    break
            else:
                if not self.history.static:
                    return {}
            self.proposed[trial.number] = params
            return params

    def before_first_parameter(self, study: Study, trial: FrozenTrial) -> None:
        """Chooses the whole genome beforehand; ``sample_parameter`` follows it as far as the trial does."""
        if not self.history.static:
            self.sample_at_once(study, trial, [])

    def sample_parameter(self, trial: FrozenTrial, decision: Decision) -> Any:
        """The plan's value, or the policy's where the plan has none or leads to networks that were all tried."""
        with self.lock:
            plan = self.proposed.get(trial.number, {})
            if decision.name in plan:
                value = plan[decision.name]
                made = (*self.history.genome(trial.params, trial.distributions), (decision, decision.token(value)))
                # A range may have changed since the plan was made.
                if decision.at(decision.place(value)) == value and not self.history.tree.follow(made).exhausted:
                    return value
            return super().sample_parameter(trial, decision)

    def allowed_tokens(self, walk: Walk, decision: Decision) -> torch.Tensor:
        """(1, K) whether an untried network may remain after each token; all true where none remains."""
        branch = self.history.tree.follow(tuple(walk.genome))
        open_ = [not branch.follow(((decision, token),)).exhausted for token in range(decision.size)]
        return torch.tensor([open_ if any(open_) else [True] * decision.size])

    def preference_for(self, ordinal: int) -> torch.Tensor | None:
        """(1, M) the trial's preference among the objectives; None where there is one."""
        if len(self.directions) == 1:
            return None
        preference = preferences(generator(self.seed, ordinal, "preference"), 1, len(self.directions))
        return torch.from_numpy(preference.astype(np.float32))

    def _note(
        self, study: Study, trial: FrozenTrial, name: str, proposal: Proposal, learning: list[dict[str, Any]]
    ) -> None:
        note: dict[str, Any] = {"format": FORMAT, "claim": name, "source": proposal.source}
        if proposal.expected is not None:
            note |= {"expected": rounded(proposal.expected), "gain": rounded(proposal.gain)}
        if learning:
            note["learning"] = learning
        study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, note)

    def _proposals(self, trial: FrozenTrial, decisions: list[Decision]) -> Iterator[Proposal]:
        """Genomes in the order they should be tried: the pool's, then the policy's, then all of the space.

        Ends with one that was tried if there is nothing else. In a conditional space only the pool's are given.
        """
        ordinal, search = ordinal_of(trial), self.settings.search
        pool = self.front_learner.pool
        if pool is not None and not self.complete:
            ranking = self._rank(pool, trial)
            yield from (self._of_pool(pool, ranking, int(i)) for i in ranking.order)
        if not self.history.static:
            return
        if pool is None:
            yield Proposal(self._spread(ordinal, decisions), "start")
        _, policy = self.policy_for(trial)
        policy.grow(decisions)
        preference = self.preference_for(ordinal)
        rng = generator(self.seed, ordinal, "tokens")
        shape = (search.policy_draws, len(decisions))
        condition = None if preference is None else preference.expand(search.policy_draws, -1)
        for _ in range(search.policy_attempts if not self.complete else 1):
            tokens, _ = policy.rollout(decisions, rng.random(shape), condition)
            yield from (Proposal(self.values(ordinal, decisions, genome), "policy") for genome in tokens)
        if not self.complete and all(decision.exact for decision in decisions):
            start = [int(rng.integers(decision.size)) for decision in decisions]
            for steps in itertools.product(*(range(decision.size) for decision in decisions)):
                genome = np.array([(a + b) % d.size for a, b, d in zip(start, steps, decisions, strict=True)])
                yield Proposal(self.values(ordinal, decisions, genome), "walk")
            self.complete = True
        tokens, _ = policy.rollout(decisions, rng.random(shape), condition)
        yield Proposal(self.values(ordinal, decisions, tokens[0]), "again")

    def _rank(self, pool: Pool, trial: FrozenTrial) -> Ranking:
        """The pool as a trial sees it now."""
        past = pool.surrogate.numbers
        results = [record for record in self.learnable if record.values is not None and record.number not in past]
        running = [
            pool.encoding.row(params)
            for number, other in self.history.running.items()
            if number != trial.number and (params := self._params_of(other))
        ]
        return pool.rank(results, running, generator(self.seed, ordinal_of(trial), "gain"))

    def _of_pool(self, pool: Pool, ranking: Ranking, i: int) -> Proposal:
        """A network of the pool, and what is expected of it."""
        expected = []
        for m, scale in enumerate(pool.surrogate.scales):
            mean, deviation = ranking.mean[i, m], ranking.deviation[i, m]
            # The scale is monotone, so quantiles on it are quantiles in the study's units.
            quantiles = scale.inverse([mean - DEVIATIONS * deviation, mean, mean + DEVIATIONS * deviation])  # (3,)
            expected.append(sorted((quantiles * pool.surrogate.signs[m]).tolist()))
        gain = float(ranking.gain[i])
        return Proposal(pool.encoding.params(pool.rows[i]), SOURCES[pool.sources[i]], expected, gain)

    def _spread(self, ordinal: int, decisions: Sequence[Decision]) -> dict[str, Any]:
        """A first genome: each decision takes all of its tokens in turn, in a random order (a Latin hypercube)."""
        tokens = []
        for j, decision in enumerate(decisions):
            turn, position = divmod(ordinal, decision.size)
            tokens.append(generator(self.seed, turn, f"order {j}").permutation(decision.size)[position])
        return self.values(ordinal, decisions, np.array(tokens))

    def _is_taken(self, name: str, number: int) -> bool:
        return name in self.tried or any(claim == name for other, claim in self.claims.items() if other != number)

    def _name(self, params: Mapping[str, Any]) -> str:
        return key_of(self.settings.canonical(params) if self.settings.canonical else params)

    def _params_of(self, trial: FrozenTrial) -> Mapping[str, Any]:
        """The parameters that a running trial has or will have, as far as they are known."""
        return trial.system_attrs.get("fixed_params") or self.proposed.get(trial.number) or trial.params

    def _name_of(self, trial: FrozenTrial) -> str | None:
        """Name of the network that a trial claims, has or will have; None while that is unknown."""
        note = trial.system_attrs.get(ATTRIBUTE, {})
        fixed = trial.system_attrs.get("fixed_params", {})
        if "claim" in note and not fixed and (self.history.static or not trial.state.is_finished()):
            return str(note["claim"])
        # Parameters of a single value are left out, as in a claim.
        if trial.state.is_finished() and not self.history.static:
            params = {name: value for name, value in trial.params.items() if not trial.distributions[name].single()}
            return self._name(params) if params else None
        params = {**fixed, **trial.params}  # an enqueued trial may fix only some
        if self.history.space.keys() <= params.keys():
            return self._name({name: params[name] for name in self.history.space})
        return None
