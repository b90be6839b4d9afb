"""The history of a study as the search sees it: a list that only grows, read incrementally.

Everything a sampler knows is a function of (seed, configuration, this list), so a new process that reads the same
storage knows the same. Trials are listed in the order in which they *finished*: a prefix of the list never changes,
however many workers there are and whichever of them dies, so what was learnt from a prefix stays valid.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.genomes.tokens import Decision

ATTRIBUTE = "mnas_moo"
"""Key of the system attribute of a trial in which the sampler that proposed it keeps its note and a format version."""
STANDARD_ERRORS = "standard_errors"
"""Key of the user attribute of a trial with the standard errors of its values, in their order and units; 0: unknown."""

LARGEST = sys.float_info.max

Genome = tuple[tuple[Decision, int], ...]
"""Decisions and their tokens, in the order in which they were made."""


@dataclass(frozen=True)
class Record:
    """One finished trial.

    Attributes:
        number: number of the trial in the study.
        genome: decisions in the order they were made, without parameters of a single value.
        places: ``Decision.place`` of each decision's value.
        values: objective values in the study's units; None unless the trial completed with finite ones.
        constraints: constraint values, satisfied where <= 0, in the order of their sorted names.
        failed: whether the trial failed, or completed with a value that is not finite.
        whole: whether the genome is complete: the trial did not fail in the middle of its decisions.
        note: note of the sampler that proposed the trial; empty if another sampler did or the trial was enqueued.
        errors: standard errors of the values, in their units, 0 where one is unknown; empty where none is known.

    >>> from optuna.distributions import IntDistribution
    >>> layers = Decision("layers", IntDistribution(1, 4))
    >>> record = Record(0, ((layers, 1),), (0.375,), (0.9, 12.0), (-1.0, 0.5), failed=False, whole=True, note={})
    >>> record.violation
    0.5
    """

    number: int
    genome: Genome
    places: tuple[float, ...]
    values: tuple[float, ...] | None
    constraints: tuple[float, ...]
    failed: bool
    whole: bool
    note: Mapping[str, Any]
    errors: tuple[float, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the decisions, in their order."""
        return tuple(decision.name for decision, _ in self.genome)

    @property
    def violation(self) -> float:
        """Sum of the constraint values above 0; 0 for a feasible trial."""
        return sum(max(value, 0.0) for value in self.constraints)


@dataclass
class Branch:
    """A node of the tree of finished genomes, for conditional spaces, which are only known as far as they were tried.

    Attributes:
        branches: node after each decision and token that was tried here.
        exhausted: whether no untried genome is known that begins with the decisions up to this node.

    >>> from optuna.distributions import CategoricalDistribution
    >>> kernel = Decision("kernel", CategoricalDistribution([3, 5]))
    >>> tree = Branch()
    >>> tree.add(((kernel, 0),))
    >>> tree.exhausted, tree.follow(((kernel, 0),)).exhausted
    (False, True)
    >>> tree.add(((kernel, 1),))
    >>> tree.exhausted
    True
    """

    branches: dict[tuple[Decision, int], Branch] = field(default_factory=dict)
    exhausted: bool = False

    def add(self, genome: Genome) -> None:
        """Marks a genome as tried, and each of its nodes as exhausted after which no untried genome is known."""
        if not genome:
            self.exhausted = True
            return
        decision, token = genome[0]
        branch = self.branches.setdefault((decision, token), Branch())
        branch.add(genome[1:])
        tokens = (self.branches.get((decision, k)) for k in range(decision.size))
        self.exhausted = decision.exact and all(branch is not None and branch.exhausted for branch in tokens)

    def follow(self, genome: Genome) -> Branch:
        """The node after these decisions; an empty one where they were never tried."""
        branch = self
        for step in genome:
            branch = branch.branches.get(step, _NOTHING)
        return branch


_NOTHING = Branch()


class History:
    """Finished trials of one study in the order they finished.

    Attributes:
        finished: all finished trials, completed, pruned or failed.
        space: parameters of the first completed trial in its order, without those of a single value; the search space
            as long as ``static`` is true.
        static: whether every completed trial had exactly these parameters.
        running: trials that have not finished, by number.

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study()
    >>> study.optimize(lambda trial: trial.suggest_int("x", 1, 3), n_trials=2)
    >>> history = History()
    >>> [trial.number for trial in history.read(study.trials)]
    [0, 1]
    >>> len(history.finished), list(history.space), history.static
    (2, ['x'], True)
    >>> history.read(study.trials)
    []
    """

    def __init__(self) -> None:
        self.finished: list[Record] = []
        self.space: dict[str, BaseDistribution] = {}
        self.static = True
        self.running: dict[int, FrozenTrial] = {}
        self._space: list[Decision] = []
        self._seen = 0
        self._tree = Branch()
        self._in_tree = 0
        self._decisions: dict[str, Decision] = {}

    def read(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Adds the trials that finished since the last call.

        Args:
            trials: all trials of the study in the order of their numbers, as its storage has them now.

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
        """The tree of all complete genomes; built when asked for, as only conditional spaces need it."""
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
        """The decision of a parameter: the same object as in the last call if its distribution is the same."""
        known = self._decisions.get(name)
        if known is not None and known.distribution is distribution:  # trials of a storage share their distributions
            return known
        # Not `!=`: Optuna's comparison of choices is slower than everything else that is done here.
        if known is None or vars(known.distribution) != vars(distribution):
            known = self._decisions[name] = Decision(name, distribution)
        return known

    def _add(self, trial: FrozenTrial) -> None:
        genome = self.genome(trial.params, trial.distributions)
        values = None
        if trial.state == TrialState.COMPLETE and all(map(math.isfinite, trial.values)):
            values = tuple(trial.values)
        constraints = tuple(float(trial.constraints[name]) for name in sorted(trial.constraints))
        places = tuple(
            decision.place(trial.params[decision.name]) if decision.ordered else float(token)
            for decision, token in genome
        )
        failed = trial.state == TrialState.FAIL or (trial.state == TrialState.COMPLETE and values is None)
        note = {} if "fixed_params" in trial.system_attrs else trial.system_attrs.get(ATTRIBUTE, {})
        whole = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        errors = _errors(trial.user_attrs.get(STANDARD_ERRORS), len(values or ()))
        self.finished.append(Record(trial.number, genome, places, values, constraints, failed, whole, note, errors))
        if trial.state == TrialState.COMPLETE and genome:
            decisions = [decision for decision, _ in genome]
            if not self.space:
                self.space = {decision.name: decision.distribution for decision in decisions}
                self._space = decisions
            elif self.static and decisions != self._space:  # of the same order mostly, which is quicker to see
                self.static = set(decisions) == set(self._space)


def _errors(found: object, objectives: int) -> tuple[float, ...]:
    """The standard errors in a trial's attribute; empty where it holds anything else, as anyone may write it."""
    if not isinstance(found, list | tuple) or len(found) != objectives:
        return ()
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in found)
    return tuple(map(float, found)) if numbers and all(0 <= each <= LARGEST for each in found) else ()


def key_of(params: Mapping[str, Any]) -> str:
    """32 hexadecimal digits that identify the parameters of a trial, the same in every process and in any order.

    >>> key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps({name: params[name] for name in sorted(params)}, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def generator(seed: int, ordinal: int, purpose: str) -> np.random.Generator:
    """A random generator for one trial and one purpose.

    Args:
        seed: seed of the sampler.
        ordinal: ``ordinal_of`` the trial.
        purpose: name of what the numbers are for; other purposes get other numbers.
    """
    return np.random.default_rng([seed, ordinal, zlib.crc32(purpose.encode())])


def ordinal_of(trial: FrozenTrial) -> int:
    """The number by which a trial's random generators are seeded: its own, or that of the failed trial it repeats."""
    return int(trial.system_attrs.get("failed_trial", trial.number))
