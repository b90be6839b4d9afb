"""The trial history as the search sees it: a list that only grows, read incrementally from a study.

Everything a sampler knows is a function of (seed, configuration, this list), so a new process that reads the same
storage knows the same. Trials stand in the order in which they *finished*: a prefix of it never changes, however
many workers there are and whichever of them dies, and what was learnt from a prefix stays valid.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.genomes.tokens import Decision

ATTRIBUTE = "mnas_moo"
"""Key of the private trial attribute: what the sampler that proposed a trial says of it, with a format version."""

Genome = tuple[tuple[Decision, int], ...]


@dataclass(frozen=True)
class Record:
    """One finished trial.

    Attributes:
        number: its number in the study.
        genome: its decisions in the order they were made, without parameters of a single value.
        places: where the value of each decision stands (``Decision.place``).
        values: objective values in the study's units; None unless the trial completed with finite ones.
        constraints: its constraint values, kept where <= 0; those of Optuna's one list or of its names, sorted.
        failed: whether it failed, or had a value that is no number.
        whole: whether the genome is all there is: the trial was not cut short in the middle of its decisions.
        note: what the sampler that proposed it wrote down; empty for a foreign or enqueued trial.
    """

    number: int
    genome: Genome
    places: tuple[float, ...]
    values: tuple[float, ...] | None
    constraints: tuple[float, ...]
    failed: bool
    whole: bool
    note: Mapping[str, Any]

    @property
    def violation(self) -> float:
        """Sum of its constraint values above 0; 0 where it is feasible."""
        return sum(max(value, 0.0) for value in self.constraints)


@dataclass
class Branch:
    """A node of the tree of finished genomes, for spaces that are only known as they are walked."""

    branches: dict[tuple[Decision, int], Branch] = field(default_factory=dict)
    exhausted: bool = False

    def add(self, genome: Genome) -> None:
        """Marks a genome as tried, and every decision of it after which nothing untried is known."""
        if not genome:
            self.exhausted = True
            return
        decision, token = genome[0]
        branch = self.branches.setdefault((decision, token), Branch())
        branch.add(genome[1:])
        tokens = (self.branches.get((decision, k)) for k in range(decision.size))
        self.exhausted = decision.exact and all(branch is not None and branch.exhausted for branch in tokens)

    def follow(self, genome: Genome) -> Branch:
        """The node after these decisions."""
        branch = self
        for step in genome:
            branch = branch.branches.get(step, _NOTHING)
        return branch


_NOTHING = Branch()


class History:
    """Finished trials of one study in the order they finished.

    Attributes:
        finished: all of them, whatever became of them.
        space: the parameters of the first completed trial (single-valued ones left out), in its order; the search
            space as long as ``static`` holds.
        static: whether every completed trial had exactly these parameters.
        running: trials that have not finished, by number.
    """

    def __init__(self) -> None:
        self.finished: list[Record] = []
        self.space: dict[str, BaseDistribution] = {}
        self.static = True
        self.running: dict[int, FrozenTrial] = {}
        self._space: set[Decision] = set()
        self._seen = 0
        self._tree = Branch()
        self._in_tree = 0
        self._decisions: dict[str, Decision] = {}

    def read(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Takes up what is new.

        Args:
            trials: all trials of the study by number, as its storage has them now.

        Returns:
            The trials that finished since the last call, in the order they finished.
        """
        candidates = [*(trials[number] for number in self.running), *trials[self._seen :]]
        self._seen = len(trials)
        self.running = {trial.number: trial for trial in candidates if not trial.state.is_finished()}
        done = [trial for trial in candidates if trial.state.is_finished()]
        # Clocks of several machines may differ: that can change an order between two processes, never lose a trial.
        done.sort(key=lambda trial: (trial.datetime_complete or trial.datetime_start, trial.number))
        for trial in done:
            self._add(trial)
        return done

    @property
    def tree(self) -> Branch:
        """The tree of all whole genomes; grown when asked for, as only conditional spaces need it."""
        for record in self.finished[self._in_tree :]:
            if record.genome and record.whole:
                self._tree.add(record.genome)
        self._in_tree = len(self.finished)
        return self._tree

    def genome(self, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> Genome:
        """The decisions of a trial, in the order of ``params``."""
        return tuple(
            (decision, decision.token(value))
            for name, value in params.items()
            if (decision := self.decision(name, distributions[name])).size > 1
        )

    def decision(self, name: str, distribution: BaseDistribution) -> Decision:
        """The decision of a parameter: the same object as last time where nothing changed."""
        known = self._decisions.get(name)
        # Not `!=`, which Optuna makes slow for choices: it would cost more than all else that is done here.
        if known is None or vars(known.distribution) != vars(distribution):
            known = self._decisions[name] = Decision(name, distribution)
        return known

    def _add(self, trial: FrozenTrial) -> None:
        genome = self.genome(trial.params, trial.distributions)
        values = None
        if trial.state == TrialState.COMPLETE and all(map(math.isfinite, trial.values)):
            values = tuple(trial.values)
        constraints = tuple(float(trial.constraints[name]) for name in sorted(trial.constraints))
        places = tuple(decision.place(trial.params[decision.name]) for decision, _ in genome)
        failed = trial.state == TrialState.FAIL or (trial.state == TrialState.COMPLETE and values is None)
        note = {} if "fixed_params" in trial.system_attrs else trial.system_attrs.get(ATTRIBUTE, {})
        whole = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        self.finished.append(Record(trial.number, genome, places, values, constraints, failed, whole, note))
        if trial.state == TrialState.COMPLETE and genome:
            decisions = {decision for decision, _ in genome}
            if not self.space:
                self.space = {decision.name: decision.distribution for decision, _ in genome}
                self._space = decisions
            elif self.static:
                self.static = decisions == self._space


def key_of(params: Mapping[str, Any]) -> str:
    """A short name of a genome, the same in every process: 32 hexadecimal digits of a hash of its parameters."""
    text = json.dumps({name: params[name] for name in sorted(params)}, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def generator(seed: int, ordinal: int, purpose: str) -> np.random.Generator:
    """The randomness of one trial for one purpose."""
    return np.random.default_rng([seed, ordinal, zlib.crc32(purpose.encode())])


def ordinal_of(trial: FrozenTrial) -> int:
    """A trial's place in the sequence of random numbers: its number, or that of the trial it tries again."""
    return int(trial.system_attrs.get("failed_trial", trial.number))
