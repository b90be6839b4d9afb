"""The contract of a space: parameters that Optuna can suggest, and the network that their values mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from mnas_moo.spaces.spec import NetworkSpec

if TYPE_CHECKING:
    import numpy as np
    from optuna.distributions import BaseDistribution


class Space(Protocol):
    """A set of networks, each named by at least one assignment of values to parameters (a genome).

    A space is made with keyword settings, among them ``classes``, ``channels`` (of the images) and ``resolution``
    (their height and width in pixels), and does not change after that. It can be pickled.

    >>> import numpy as np
    >>> from mnas_moo.spaces import Space, get
    >>> space: Space = get("mnasnet", preset="digits")
    >>> spec = space.random(np.random.default_rng(0))
    >>> genome = space.params(spec)
    >>> space.spec(genome).canonical() == spec.canonical()
    True
    """

    name: str

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters in the order of decision, stem to head."""
        ...

    def spec(self, params: Mapping[str, Any]) -> NetworkSpec:
        """The network of a genome.

        Raises:
            ValueError: a parameter is missing, unknown, or not one of its choices; the message names it.
        """
        ...

    def params(self, spec: NetworkSpec) -> dict[str, Any]:
        """The canonical genome of a network: ``spec(params(s))`` computes what ``s`` does.

        Raises:
            ValueError: the network is no member of the space.
        """
        ...

    def random(self, rng: np.random.Generator) -> NetworkSpec:
        """The network of a genome drawn uniformly."""
        ...

    def canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The representative of all genomes that mean this network; choices without effect have fixed values.

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        ...

    def features(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Numbers that say more of a genome's network than its choices, such as its multiply-adds, by name.

        The default sampler's model reads them; a plugin's space may do without.

        Raises:
            ValueError: for the reasons that ``spec`` has.
        """
        ...

    def covering(self) -> Iterator[NetworkSpec]:
        """Networks of the space that hold, together, every distinct layer, skip, stem and head of its networks.

        They are some hundred networks, while the space has too many to visit; a lookup table is built from them.
        """
        ...
