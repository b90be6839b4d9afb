"""The rounds of the search: which networks may be trained next, and in which order.

Round 0 has networks of one step. Every further round grows the best networks of the last one by a step, in all ways;
the predictor says what to expect of these mutants, and the best K are to be trained (Dong et al. 2018, sec. 3.2). The
paper stops at full length; since a study may go on, the rounds after that (ours) take neighbours of the front, one
decision away from its members, and random networks. A round is a function of the trials that finished before it: each
ends when as many trials as it has networks to train have completed after its begin, whoever proposed them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.dppnet.predictor import LEAST_RESULTS, Params, Result, fitted
from mnas_moo.dppnet.selection import order
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.genomes.history import Record, generator, key_of
from mnas_moo.genomes.tokens import Decision
from mnas_moo.spaces.growth import Growth
from mnas_moo.surrogate.view import Canonical, Features

Floats = npt.NDArray[np.float64]
Computed = Callable[[Params], Mapping[int, float]]
"""Objectives of a network that need no measurement: position in the study -> value in its units."""

SPARE = 4
"""A round with so many possible mutants for each network to train is not counted: some will be left over."""
ATTEMPTS = 200
"""Random networks that are drawn where a round has no more, before all of a space are gone through."""
WAYS = 50
"""Ways in which a member of the front that is shorter than the longest networks grows, at most."""
RANDOM = 5
"""Random networks of full length for each network to train, among the neighbours of the front."""


@dataclass(frozen=True)
class Problem:
    """What is searched, and how.

    Attributes:
        growth: order of growth.
        signs: (M,) 1 where an objective is minimised, -1 where it is maximised.
        seed: seed of the search.
        settings: settings of the search.
        canonical: see ``MnasSampler``.
        features: see ``MnasSampler``.
        computed: see ``Computed``; None: all objectives must be measured.
    """

    growth: Growth
    signs: tuple[float, ...]
    seed: int
    settings: ProgressiveSettings
    canonical: Canonical | None = None
    features: Features | None = None
    computed: Computed | None = None

    def name(self, params: Params) -> str:
        """A name that all genomes of a network share."""
        if self.canonical is not None:
            return key_of(self.canonical(params))
        own = self.growth.distributions  # parameters of a single value are left out, as in the claims of MnasSampler
        return key_of({name: value for name, value in params.items() if name not in own or not own[name].single()})


@dataclass(frozen=True)
class Past:
    """A finished trial.

    Attributes:
        record: what the history says of it.
        params: its parameters.
        name: name of its network; None where its parameters are no whole network of the space.
        steps: number of steps that its network has grown; 0 where ``name`` is None.
    """

    record: Record
    params: Params
    name: str | None
    steps: int

    @property
    def is_result(self) -> bool:
        """Whether it completed with finite values, feasible or not."""
        return self.name is not None and self.record.values is not None


@dataclass(frozen=True)
class Candidate:
    """A network that may be trained.

    Attributes:
        params: its parameters.
        name: name of the network.
        source: how it was found: start, mutant, exploration, neighbour, random, walk or again.
        predicted: M objectives in the study's units, None for those that are computed; None without a prediction.
    """

    params: dict[str, Any]
    name: str
    source: str
    predicted: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class Round:
    """The networks of a round.

    Attributes:
        number: number of the round, from 0.
        steps: number of steps that its networks have grown, at most.
        candidates: networks in the order in which they should be trained; the first K of them are selected.
    """

    number: int
    steps: int
    candidates: Sequence[Candidate]


def size(problem: Problem, number: int, past: Sequence[Past]) -> int:
    """How many trials must complete until the next round: K, or the number of networks if there are fewer.

    Args:
        problem: what is searched.
        number: number of the round.
        past: trials that finished before it.
    """
    k, growth = problem.settings.k, problem.growth
    if number >= len(growth.steps):
        return k
    parents = parents_of(problem, number, past) if number else ()
    most = max(len(parents), 1) * _choices(growth, number)
    if most >= SPARE * k:
        return k
    return min(k, len(_mutants(problem, number, parents, _tried(past), k * SPARE)))


def make(problem: Problem, number: int, past: Sequence[Past]) -> Round:
    """A round, which is a function of its arguments.

    Args:
        problem: what is searched.
        number: number of the round.
        past: trials that finished before it.
    """
    growth, settings = problem.growth, problem.settings
    steps = min(number + 1, len(growth.steps))
    rng = generator(problem.seed, number, "round")
    tried = _tried(past)
    if number == 0:
        start = _mutants(problem, 0, (), tried, settings.k)
        return Round(0, steps, [start[i] for i in rng.permutation(len(start))])
    parents = parents_of(problem, number, past)
    if number < len(growth.steps):
        found = _mutants(problem, number, parents, tried, settings.mutants)
    else:
        found = _neighbours(problem, number, parents, tried)
    results = [Result(each.record, each.params) for each in past if each.is_result]
    if not found or len(results) < LEAST_RESULTS:
        return Round(number, steps, [found[i] for i in rng.permutation(len(found))])
    predictor = fitted(
        settings,
        growth,
        results,
        problem.signs,
        int(rng.integers(2**31)),
        problem.canonical,
        problem.features,
    )
    prediction = predictor.predict([each.params for each in found])
    values, predicted = _with_computed(problem, found, prediction.values)
    known = None
    if number >= len(growth.steps):
        feasible = [result.record for result in results if result.record.violation <= 0]
        known = np.array([record.values for record in feasible]).reshape(-1, len(problem.signs)) * problem.signs
    by = order(values * problem.signs, prediction.violation, known)
    kept = min(settings.k, len(found))
    explored = min(round(settings.exploration * kept), len(found) - kept)
    chosen, rest = by[: kept - explored], by[kept - explored :]
    some = set(rng.choice(rest, explored, replace=False).tolist())
    candidates = [Candidate(found[i].params, found[i].name, found[i].source, predicted[i]) for i in range(len(found))]
    return Round(
        number,
        steps,
        [
            *(candidates[i] for i in chosen),
            *(Candidate(found[i].params, found[i].name, "exploration", predicted[i]) for i in sorted(some)),
            *(candidates[i] for i in rest if i not in some),
        ],
    )


def parents_of(problem: Problem, number: int, past: Sequence[Past]) -> list[Past]:
    """The K best networks that a round's are made from: those of the last length, and at full length all.

    Where all networks have all parameters, shorter ones are networks of the last length too, with values at rest.
    """
    results = [each for each in past if each.is_result]
    shorter = [each for each in results if each.steps <= number]
    of_length = shorter if problem.growth.length is None else [each for each in shorter if each.steps == number]
    among = results if number >= len(problem.growth.steps) else of_length or shorter
    if not among:
        return []
    values = np.array([each.record.values for each in among], dtype=float) * problem.signs  # (N, M)
    violation = np.array([each.record.violation for each in among])
    return [among[i] for i in order(values, violation)[: problem.settings.k]]


def overflow(problem: Problem, steps: int, ordinal: int, taken: Set[str]) -> Iterator[Candidate]:
    """Networks for a trial whose round has no more: random ones, then any that is left, and at last one that is tried.

    Args:
        problem: what is searched.
        steps: number of steps of the round's networks.
        ordinal: ``ordinal_of`` the trial.
        taken: names of the networks that were tried or are claimed.
    """
    growth, rng = problem.growth, generator(problem.seed, ordinal, "overflow")
    for _ in range(ATTEMPTS):
        yield _candidate(problem, _random(growth, steps, rng), "random")
    lengths = [*range(steps, len(growth.steps) + 1), *range(steps - 1, 0, -1)]
    for length in lengths:
        decisions = _decisions(growth, length)
        if all(decision.exact for decision in decisions):
            for tokens in itertools.product(*(range(decision.size) for decision in decisions)):
                chosen = {d.name: d.value(token, 0.0) for d, token in zip(decisions, tokens, strict=True)}
                candidate = _candidate(problem, growth.params(chosen, length), "walk")
                if candidate.name not in taken:
                    yield candidate
    yield _candidate(problem, _random(growth, len(growth.steps), rng), "again")


def _tried(past: Sequence[Past]) -> set[str]:
    return {each.name for each in past if each.name is not None}


def _candidate(problem: Problem, params: dict[str, Any], source: str) -> Candidate:
    return Candidate(params, problem.name(params), source)


def _decisions(growth: Growth, steps: int) -> list[Decision]:
    """The decisions of the first steps."""
    return [Decision(name, d) for step in growth.steps[:steps] for name, d in step.items()]


def _choices(growth: Growth, step: int) -> float:
    """Number of ways to take a step, from 0; inf where a token stands for several values."""
    decisions = [Decision(name, d) for name, d in growth.steps[step].items()]
    return math.prod(decision.size if decision.exact else math.inf for decision in decisions)


def _random(growth: Growth, steps: int, rng: np.random.Generator) -> dict[str, Any]:
    chosen = {d.name: d.value(int(rng.integers(d.size)), rng.random()) for d in _decisions(growth, steps)}
    return growth.params(chosen, steps)


def _mutants(problem: Problem, number: int, parents: Sequence[Past], tried: Set[str], most: int) -> list[Candidate]:
    """Different untried networks, grown from each parent by one step (from nothing, where there is none)."""
    growth, rng = problem.growth, generator(problem.seed, number, "mutants")
    roots: list[Params] = [parent.params for parent in parents]
    if not roots:  # nothing has completed: random networks, and none to begin with
        roots = [_random(growth, number, rng) for _ in range(problem.settings.k)] if number else [{}]
    found: dict[str, Candidate] = {}
    for root in roots:
        for params in _grown(growth, root, number, max(1, most // len(roots)), rng):
            candidate = _candidate(problem, params, "mutant" if parents else "start")
            if candidate.name not in tried:
                found.setdefault(candidate.name, candidate)
    return list(found.values())


def _grown(growth: Growth, root: Params, step: int, most: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """A network grown by one step, from 0, in all ways, or in so many of them."""
    decisions = [Decision(name, d) for name, d in growth.steps[step].items()]
    if _choices(growth, step) <= most:
        ways = list(itertools.product(*(range(decision.size) for decision in decisions)))
    else:
        ways = _spread(decisions, most, rng)
    for tokens in ways:
        values = {d.name: d.value(token, rng.random()) for d, token in zip(decisions, tokens, strict=True)}
        yield growth.params({**growth.at_rest, **root, **values}, step + 1)


def _spread(decisions: Sequence[Decision], n: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """N genomes in which every decision takes all of its tokens in turn, in a random order (a Latin hypercube)."""
    columns = []
    for decision in decisions:
        turns = [rng.permutation(decision.size) for _ in range(math.ceil(n / decision.size))]
        columns.append(np.concatenate(turns)[:n].tolist())
    return list(zip(*columns, strict=True))


def _neighbours(problem: Problem, number: int, parents: Sequence[Past], tried: Set[str]) -> list[Candidate]:
    """Different untried networks, one decision or step away from a parent, and random ones of full length."""
    growth, rng, settings = problem.growth, generator(problem.seed, number, "neighbours"), problem.settings
    made = [params for parent in parents for params in _near(growth, parent, rng)]
    if len(made) > settings.mutants:
        made = [made[i] for i in sorted(rng.choice(len(made), settings.mutants, replace=False).tolist())]
    found: dict[str, Candidate] = {}
    for params in made:
        candidate = _candidate(problem, params, "neighbour")
        found.setdefault(candidate.name, candidate)
    for _ in range(RANDOM * settings.k):
        candidate = _candidate(problem, _random(growth, len(growth.steps), rng), "random")
        found.setdefault(candidate.name, candidate)
    return [candidate for name, candidate in found.items() if name not in tried]


def _near(growth: Growth, parent: Past, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Networks one decision away from a parent; where the length is a parameter, also those one step away."""
    steps = parent.steps if growth.length is not None else len(growth.steps)
    for decision in _decisions(growth, steps):
        for place in decision.steps(decision.place(parent.params[decision.name])):
            yield growth.params({**parent.params, decision.name: decision.at(float(place))}, steps)
    if growth.length is None:
        return
    if steps > 1:
        yield growth.params(parent.params, steps - 1)
    if steps < len(growth.steps):
        yield from _grown(growth, parent.params, steps, WAYS, rng)


def _with_computed(
    problem: Problem, found: Sequence[Candidate], expected: Floats
) -> tuple[Floats, list[tuple[float | None, ...]]]:
    """(N, M) values by which networks are judged, and what of them is predicted."""
    values, predicted = expected.copy(), []
    for i, candidate in enumerate(found):
        exact = problem.computed(candidate.params) if problem.computed is not None else {}
        for m, value in exact.items():
            values[i, m] = value
        predicted.append(tuple(None if m in exact else float(values[i, m]) for m in range(values.shape[1])))
    return values, predicted
