"""The default configuration: what the sampler keeps of a study whose whole Pareto front is searched.

A trial tries the network that the model expects most of; no network is tried twice while others remain.
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
from mnas_moo.genomes.tokens import Decision
from mnas_moo.policy.front_learner import FrontLearner, preferences
from mnas_moo.policy.study_state import FORMAT, Canonical, StudyState, Walk
from mnas_moo.surrogate.surrogate import Transfer


@dataclass(frozen=True)
class FrontSettings:
    """Configuration of ``MnasSampler``; its arguments."""

    canonical: Canonical | None = None
    reference_point: tuple[float | None, ...] | None = None
    transfer: Transfer = field(default_factory=Transfer)
    model_trials: int = 1000


class FrontState(StudyState):
    """The default: the network that the model expects most of, and no network tried twice while others remain.

    A trial's note holds its claim, the name of the network it is about to try: it is written first and then all
    claims are read, so of two workers that chose the same at once at least one sees the other and chooses again.
    """

    CANDIDATES = 8  # drawn from the policy at a time, until one is new
    DRAWS = 8  # times that many before the policy is given up for a walk through the whole space

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
        wanted = s.reference_point or (None,) * len(signs)
        if len(wanted) != len(signs):
            raise ValueError(f"reference_point has {len(wanted)} values for a study of {len(signs)} objectives")
        foreign = [m for m in s.transfer.objectives if not 0 <= m < len(signs)]
        if foreign:
            raise ValueError(f"shared names objective {foreign[0]} of a study of {len(signs)}, from 0 on")
        region = np.array([np.nan if value is None else value for value in wanted])
        self.front_learner = FrontLearner(self.seed, signs, s.transfer, region, s.model_trials)
        return self.front_learner

    def can_learn(self, record: Record) -> bool:
        """Completed trials of any sampler, infeasible ones too, and failed ones; each as what it is."""
        return bool(record.genome) and (record.values is not None or record.failed)

    def wanted(self, ordinal: int) -> int:
        """A version for each batch of completed trials."""
        return sum(record.values is not None for record in self.learnable) // self.learner.batch

    def plan(self, study: Study, trial: FrozenTrial) -> None:
        """Chooses the whole genome beforehand; ``step`` follows it as far as the trial does."""
        if not self.history.static:
            self.propose(study, trial, [])

    def step(self, trial: FrozenTrial, decision: Decision) -> Any:
        """The plan's value, or the policy's where the plan has none or would end in a network that was tried."""
        with self.lock:
            plan = self.proposed.get(trial.number, {})
            if decision.name in plan:
                value = plan[decision.name]
                made = (*self.history.genome(trial.params, trial.distributions), (decision, decision.token(value)))
                # A range may have changed since the plan was made.
                if decision.at(decision.place(value)) == value and not self.history.tree.follow(made).exhausted:
                    return value
            return super().step(trial, decision)

    def condition(self, ordinal: int) -> torch.Tensor | None:
        """The trial's preference."""
        if len(self.directions) == 1:
            return None
        preference = preferences(generator(self.seed, ordinal, "preference"), 1, len(self.directions))
        return torch.from_numpy(preference.astype(np.float32))

    def took(self, done: list[FrozenTrial]) -> None:
        """Keeps the names of all networks tried, and of those under way."""
        self._unnamed += done
        for trial in done:
            self.proposed.pop(trial.number, None)
        if self.history.space:  # before, nobody knows which parameters make a whole network
            self.tried.update(filter(None, map(self._name_of, self._unnamed)))
            self._unnamed = []
            names = {number: self._name_of(trial) for number, trial in self.history.running.items()}
            self.claims = {number: name for number, name in names.items() if name is not None}

    def propose(self, study: Study, trial: FrozenTrial, decisions: list[Decision]) -> dict[str, Any]:
        """A genome that nobody has tried or is trying; empty where a conditional space is to be walked instead."""
        with self.lock:
            params: dict[str, Any] = {}
            for params in self._candidates(trial, decisions):
                name = self._name(params)
                if self._is_taken(name, trial.number):
                    continue
                note: dict[str, Any] = {"format": FORMAT, "claim": name}
                study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, note)
                self.read(study)
                if not self._is_taken(name, trial.number):
                    break
            else:
                if not self.history.static:
                    return {}
            self.proposed[trial.number] = params
            return params

    def allowed(self, walk: Walk, decision: Decision) -> torch.Tensor:
        """Tokens after which something untried may remain; all of them if nothing does."""
        branch = self.history.tree.follow(tuple(walk.genome))
        open_ = [not branch.follow(((decision, token),)).exhausted for token in range(decision.size)]
        return torch.tensor([open_ if any(open_) else [True] * decision.size])

    def _candidates(self, trial: FrozenTrial, decisions: list[Decision]) -> Iterator[dict[str, Any]]:
        """Genomes in the order they should be tried: the generation's, then from the policy, then all there are.

        Ends with one that was tried if there is nothing else. In a conditional space there are only the generation's.
        """
        ordinal = ordinal_of(trial)
        generation = self.front_learner.generation
        if generation is not None and not self.complete:
            past = generation.beliefs.numbers
            results = [record for record in self.learnable if record.values is not None and record.number not in past]
            running = [
                generation.encoding.row(params)
                for number, other in self.history.running.items()
                if number != trial.number and (params := self._params_of(other))
            ]
            order = generation.order(results, running, generator(self.seed, ordinal, "gain"))
            yield from map(generation.encoding.params, order)
        if not self.history.static:
            return
        if generation is None:
            yield self._spread(ordinal, decisions)
        _, policy = self.follow(trial)
        policy.grow(decisions)
        condition = self.condition(ordinal)
        rng = generator(self.seed, ordinal, "tokens")
        shape = (self.CANDIDATES, len(decisions))
        conditions = None if condition is None else condition.expand(self.CANDIDATES, -1)
        for _ in range(self.DRAWS if not self.complete else 1):
            tokens, _ = policy.rollout(decisions, rng.random(shape), conditions)
            yield from (self.values(ordinal, decisions, row) for row in tokens)
        if not self.complete and all(decision.exact for decision in decisions):
            start = [int(rng.integers(decision.size)) for decision in decisions]
            for steps in itertools.product(*(range(decision.size) for decision in decisions)):
                row = np.array([(a + b) % d.size for a, b, d in zip(start, steps, decisions, strict=True)])
                yield self.values(ordinal, decisions, row)
            self.complete = True
        tokens, _ = policy.rollout(decisions, rng.random(shape), conditions)
        yield self.values(ordinal, decisions, tokens[0])

    def _spread(self, ordinal: int, decisions: Sequence[Decision]) -> dict[str, Any]:
        """A first genome: each decision takes all of its tokens in turn, in a random order (a Latin hypercube)."""
        tokens = []
        for j, decision in enumerate(decisions):
            block, place = divmod(ordinal, decision.size)
            tokens.append(generator(self.seed, block, f"order {j}").permutation(decision.size)[place])
        return self.values(ordinal, decisions, np.array(tokens))

    def _is_taken(self, name: str, number: int) -> bool:
        return name in self.tried or any(claim == name for other, claim in self.claims.items() if other != number)

    def _name(self, params: Mapping[str, Any]) -> str:
        return key_of(self.settings.canonical(params) if self.settings.canonical else params)

    def _params_of(self, trial: FrozenTrial) -> Mapping[str, Any]:
        """The parameters a trial under way has or will have, as far as they are known."""
        return trial.system_attrs.get("fixed_params") or self.proposed.get(trial.number) or trial.params

    def _name_of(self, trial: FrozenTrial) -> str | None:
        """The network a trial claims, has or will have; None while that is not known."""
        note = trial.system_attrs.get(ATTRIBUTE, {})
        fixed = trial.system_attrs.get("fixed_params")
        if "claim" in note and fixed is None and (self.history.static or not trial.state.is_finished()):
            return str(note["claim"])
        params = trial.params if fixed is None else fixed
        if trial.state.is_finished() and not self.history.static:
            return (
                self._name({name: params[name] for name in params if not trial.distributions[name].single()})
                if params
                else None
            )
        if self.history.space and self.history.space.keys() <= params.keys():
            return self._name(params)
        return None
