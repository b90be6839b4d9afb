"""How a controller learns from a history: in versions, each a function of a prefix of the history.

Version v has learnt from the first v batches of finished trials. A process that opens an old study replays the
updates since the last fresh start and holds, to the last digit, the controller that an unbroken run would hold.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mnas_moo.adam import Adam
from mnas_moo.controller import Controller
from mnas_moo.genomes.history import Record
from mnas_moo.genomes.tokens import Decision


class Learner(abc.ABC):
    """A controller and its versions.

    Args:
        seed: seed of the initial weights.
        batch: number of trials between two versions.
        hidden: number of LSTM units.
        embedding: size of a token's embedding.
        condition: number of inputs that the policy is conditioned on.
        learning_rate: Adam's step size.

    Attributes:
        version: number of updates that the controller has had.
        controller: controller that is trained.
        diagnostics: diagnostics of the update to each version; whoever stores an entry removes it.
    """

    KEPT = 3
    """Recent versions that are kept, for workers that are still in a batch of an older one."""

    def __init__(
        self, seed: int, batch: int, hidden: int, embedding: int, condition: int, learning_rate: float
    ) -> None:
        self.seed, self.batch, self.learning_rate = seed, batch, learning_rate
        self._shape = (hidden, embedding, condition)
        self.version = 0
        self.diagnostics: dict[int, Mapping[str, Any]] = {}
        self.restart()
        self._policies = {0: self._snapshot()}

    def restart(self) -> None:
        """A fresh controller, whatever the version."""
        self.controller = Controller(self.seed, *self._shape)
        self.optimiser = Adam(self.controller.parameters(), self.learning_rate)

    @property
    def newest(self) -> int:
        """The newest version there is a policy of."""
        return max(self._policies)

    def policy(self, version: int) -> Controller | None:
        """The controller of a version, not to be trained; None if that was not made or is no longer kept."""
        return self._policies.get(version)

    def learn(self, records: Sequence[Record], version: int) -> None:
        """Makes the policy of a version; the kept ones stay usable meanwhile.

        Args:
            records: trials to learn from, in the order they finished; at least ``version * batch``.
            version: version to be made, newer than all kept ones.
        """
        self.version = max(self.version, self.begin(version))
        while self.version < version:
            found = self.update(records)
            self.version += 1
            self.diagnostics[self.version] = found
        policies = {**self._policies, version: self._snapshot()}
        for old in sorted(policies)[: -self.KEPT]:
            del policies[old]
        self._policies = policies  # one assignment: whoever samples meanwhile sees the old ones or the new

    @abc.abstractmethod
    def begin(self, version: int) -> int:
        """The last version before ``version`` whose next update starts with a fresh controller; 0 for version 0."""

    @abc.abstractmethod
    def update(self, records: Sequence[Record]) -> Mapping[str, Any]:
        """One update of the controller, from ``self.version`` to the next; returns its diagnostics, as plain data."""

    def grow(self, records: Sequence[Record]) -> None:
        """Adds all decisions of these records to the controller."""
        decisions: dict[Decision, int] = {}
        for record in records:
            decisions.update(record.genome)
        self.controller.grow(list(decisions), self.optimiser)

    def _snapshot(self) -> Controller:
        return copy.deepcopy(self.controller).requires_grad_(False)
