"""The order in which the networks of a space grow: what each step decides, and what stands there until then.

DPP-Net (Dong et al. 2018, sec. 3.2) lets networks grow by a layer, "one more operation", from 1 to L. Two kinds of
spaces can grow so. Where the length is a parameter, the parameters of later layers do not exist in a short network.
Where every network has all parameters, as in MnasNet's space, those of later steps have a value at rest, the smallest
or none at all: this kind is ours. A space says its order by an attribute ``growth``; it may do without.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mnas_moo.spaces.names import unknown


@dataclass(frozen=True)
class Growth:
    """An order of growth.

    >>> from optuna.distributions import CategoricalDistribution
    >>> operation = CategoricalDistribution(["none", "conv3x3", "conv5x5"])
    >>> growth = Growth(({"op0": operation}, {"op1": operation}, {"op2": operation}))
    >>> growth.params({"op0": "conv3x3"}, steps=1)
    {'op0': 'conv3x3', 'op1': 'none', 'op2': 'none'}
    >>> growth.grown({"op0": "none", "op1": "conv5x5", "op2": "none"})
    2

    Attributes:
        steps: the parameters that each step decides, with their distributions, at least one.
        rest: value of a parameter until its step; where none is given, the first choice or the smallest number.
        length: the parameter that says how long a network is, and its distribution; None: all networks have all
            parameters.
        lengths: value of ``length`` from each step on, ascending; parameters of steps with a larger one do not exist,
            or, where ``whole``, have no effect.
        whole: whether every network has all parameters, whatever its length.

    Raises:
        ValueError: there is no step, a parameter stands in two, a value at rest is none of its values, or the lengths
            do not fit.
    """

    steps: tuple[Mapping[str, BaseDistribution], ...]
    rest: Mapping[str, Any] = field(default_factory=dict)
    length: tuple[str, BaseDistribution] | None = None
    lengths: tuple[int, ...] = ()
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.steps or not all(self.steps):
            raise ValueError("an order of growth needs at least one step, and each step at least one parameter")
        names = [name for step in self.steps for name in step]
        for name in names:
            if names.count(name) > 1 or (self.length is not None and name == self.length[0]):
                raise ValueError(f"order of growth: parameter {name!r} stands in it twice")
        for name, value in self.rest.items():
            if name not in names:
                raise unknown("order of growth: parameter at rest", name, names)
            distribution = next(step[name] for step in self.steps if name in step)
            if not _is_value(distribution, value):
                raise ValueError(f"order of growth: {name} rests at {value!r}; allowed: {distribution}")
        if self.length is None:
            if self.lengths:
                raise ValueError("order of growth: lengths need the parameter that they are values of")
        elif len(self.lengths) != len(self.steps) or list(self.lengths) != sorted(self.lengths):
            raise ValueError(
                f"order of growth: {len(self.lengths)} lengths for {len(self.steps)} steps; one each, ascending"
            )

    @classmethod
    def of(
        cls,
        distributions: Mapping[str, BaseDistribution],
        steps: Sequence[Sequence[str]],
        rest: Mapping[str, Any] | None = None,
    ) -> Growth:
        """The order of growth of a space whose networks all have the same parameters.

        Args:
            distributions: the space's parameters.
            steps: names of the parameters that each step decides; all must be named.
            rest: see ``Growth``.

        Raises:
            ValueError: a name is unknown or missing, or for the reasons that ``Growth`` has.
        """
        for name in itertools.chain.from_iterable(steps):
            if name not in distributions:
                raise unknown("order of growth: parameter", name, distributions)
        named = set(itertools.chain.from_iterable(steps))
        for name in distributions:
            if name not in named:
                raise ValueError(f"order of growth: no step decides {name!r}; every parameter needs one")
        return cls(tuple({name: distributions[name] for name in step} for step in steps), dict(rest or {}))

    @classmethod
    def by_parameter(cls, distributions: Mapping[str, BaseDistribution]) -> Growth:
        """One parameter a step, in their order: for any space whose first choices and smallest numbers mean the least.

        Raises:
            ValueError: there is no parameter.
        """
        return cls.of(distributions, [[name] for name in distributions])

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """All parameters that can exist, the length first, then in the order of the steps."""
        own = {name: distribution for step in self.steps for name, distribution in step.items()}
        return own if self.length is None else {self.length[0]: self.length[1], **own}

    @cached_property
    def step_of(self) -> dict[str, int]:
        """The step, from 0, that decides each parameter."""
        return {name: i for i, step in enumerate(self.steps) for name in step}

    @cached_property
    def at_rest(self) -> dict[str, Any]:
        """The value of every parameter until its step."""
        own = {name: distribution for step in self.steps for name, distribution in step.items()}
        return {name: self.rest.get(name, _least(distribution)) for name, distribution in own.items()}

    def existing(self, steps: int) -> int:
        """How many steps' parameters exist in a network of so many steps."""
        if self.length is None or self.whole:
            return len(self.steps)
        return sum(length <= self.lengths[steps - 1] for length in self.lengths)

    def params(self, chosen: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """The parameters of a network of the first steps as chosen, and the rest.

        Args:
            chosen: values of at least the parameters of these steps.
            steps: number of steps, from 1 on.
        """
        made = {} if self.length is None else {self.length[0]: self.lengths[steps - 1]}
        for i, step in enumerate(self.steps[: self.existing(steps)]):
            made.update({name: chosen[name] if i < steps else self.at_rest[name] for name in step})
        return made

    def grown(self, params: Mapping[str, Any]) -> int:
        """The number of steps of a network, at least 1: the last one that exists and is not at rest.

        Where the length is a parameter, at least the first one of this length.

        Raises:
            ValueError: a parameter is missing, or the length is none that a step leads to.
        """
        least, most = 1, len(self.steps)
        if self.length is not None:
            length = params.get(self.length[0])
            if length not in self.lengths:
                raise ValueError(f"order of growth: {self.length[0]} is {length!r}; allowed: {self.lengths}")
            least = self.lengths.index(length) + 1
            most = least if self.whole else self.existing(least)
        for i in range(most, least, -1):
            if any(self._value(params, name) != self.at_rest[name] for name in self.steps[i - 1]):
                return i
        return least

    def is_whole(self, params: Mapping[str, Any]) -> bool:
        """Whether these are all parameters of a network."""
        try:
            self.grown(params)
            expected = self.params(params, self.grown(params))
        except (ValueError, KeyError):
            return False
        return expected.keys() <= params.keys()

    def _value(self, params: Mapping[str, Any], name: str) -> Any:
        if name not in params:
            raise ValueError(f"order of growth: parameter {name!r} is missing")
        return params[name]


class Growing(Protocol):
    """A space that says in which order its networks grow."""

    @property
    def growth(self) -> Growth:
        """The order of growth."""
        ...


def _least(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return distribution.low


def _is_value(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and distribution._contains(value)
