"""What the spaces of this package share: settings, categorical parameters made of them, and checked genomes.

A space of these is its settings: two are equal where these are, and only they are pickled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from optuna.distributions import BaseDistribution, CategoricalDistribution

from mnas_moo.spaces.names import unknown
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.summary import summary

if TYPE_CHECKING:
    import numpy as np

Choice = tuple[Any, ...]
"""Values of some parameters, in decision order."""


class Settings(Protocol):
    """The settings of a space, which a class method makes of keyword arguments."""

    @classmethod
    def of(cls, preset: str | None = None, **changes: Any) -> Self:
        """A preset with changes."""
        ...


SettingsType = TypeVar("SettingsType", bound=Settings)


class ChoiceSpace(ABC, Generic[SettingsType]):
    """A space whose parameters are all categorical.

    Args:
        settings: the arguments of ``settings_type.of``.
    """

    settings_type: type[SettingsType]

    def __init__(self, **settings: Any) -> None:
        self.settings = self.settings_type.of(**settings)
        self._reset()

    def _reset(self) -> None:
        chosen = self._choices()
        self._values = {name: {value: value for value in values} for name, values in chosen.items()}
        self._distributions = {name: CategoricalDistribution(values) for name, values in chosen.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash((type(self), self.settings))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"

    @property
    @abstractmethod
    def name(self) -> str:
        """The space's name for ``mnas_moo.spaces.get``."""

    @abstractmethod
    def spec(self, params: Mapping[str, Any]) -> NetworkSpec:
        """The network of a genome.

        Raises:
            ValueError: a parameter is missing, unknown, or not one of its choices; the message names it.
        """

    @abstractmethod
    def _choices(self) -> dict[str, tuple[Any, ...]]:
        """The parameters and their choices, in decision order."""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters in the order of decision, stem to head; all are categorical."""
        return dict(self._distributions)

    def random(self, rng: np.random.Generator) -> NetworkSpec:
        """The network of a genome drawn uniformly."""
        return self.spec({name: list(values)[int(rng.integers(len(values)))] for name, values in self._values.items()})

    def features(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Numbers that say more of a genome's network than its choices; see ``summary``.

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        return summary(self.spec(params))

    def _genome(self, params: Mapping[str, Any]) -> Choice:
        if params.keys() != self._values.keys():
            for name in params:
                if name not in self._values:
                    raise unknown(f"space {self.name}: parameter", name, self._values)
            missing = [name for name in self._values if name not in params]
            raise ValueError(f"space {self.name}: parameter {missing[0]!r} is missing ({len(missing)} in all)")
        genome = []
        for name, values in self._values.items():
            try:
                genome.append(values[params[name]])
            except (KeyError, TypeError):
                raise ValueError(
                    f"space {self.name}: parameter {name!r} is {params[name]!r}; "
                    f"allowed: {', '.join(map(repr, values))}"
                ) from None
        return tuple(genome)
