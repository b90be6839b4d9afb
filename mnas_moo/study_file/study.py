"""What all kinds of studies have in common: name, storage, sampler and the number of trials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr

from mnas_moo.objectives.objective import Direction
from mnas_moo.reward import AbsoluteReward, MnasReward, Reward
from mnas_moo.study_file.document import Document, Key, StudyError
from mnas_moo.study_file.parts import Count, Part
from mnas_moo.study_file.sampling import Sampler


class StudyFile(Part):
    """One study as its file describes it: what all kinds of studies have.

    Attributes:
        name: of the study in its storage.
        storage: where trials are kept: an Optuna storage URL (sqlite, postgresql, mysql), or journal:///FILE.
        sampler: who proposes parameters.
        trials: finished trials wanted in the study, over all processes and restarts.
    """

    name: Annotated[str, Field(min_length=1)]
    storage: Annotated[str, Field(min_length=1)]
    sampler: Sampler
    trials: Count

    _document: Document = PrivateAttr()
    _tables: str | None = PrivateAttr(default=None)

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Names of the objectives, in the order of a trial's values."""
        raise NotImplementedError

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Their directions."""
        raise NotImplementedError

    @property
    def limits(self) -> dict[str, tuple[float | None, float | None]]:
        """Constrained number -> (min, max)."""
        raise NotImplementedError

    @property
    def files(self) -> Path:
        """Folder of what does not belong in a storage (artifacts, decoded images): beside it, where it is a file."""
        scheme, _, path = self.storage.partition(":///")
        if scheme.split("+")[0] in ("sqlite", "journal") and path:
            return Path(path).with_name(f"{Path(path).stem}_files")
        return Path(f"{self.name}_files")

    def error(self, key: Key, problem: str) -> StudyError:
        """The error for what turns out to be wrong with a key of this file: `file:line: dotted.key problem`."""
        return self._document.error(key, problem)

    def make_reward(self) -> Reward | None:
        """The reward of the sampler, if it has one.

        Raises:
            StudyError: it names no such objectives, or one whose direction it cannot mean.
        """
        kind, sampler = self.sampler.chosen
        where = ("sampler", kind, "reward")
        if kind != "mnas-paper":
            return None
        if sampler.reward is None:
            if len(self.objective_names) > 1:
                problem = "is missing; several objectives need one: reward: {mnas: {target: 75}}"
                raise self.error(where, problem)
            return None
        if len(self.objective_names) == 1:
            raise self.error(where, f"joins two objectives, and there is only {self.objective_names[0]}; leave it out")
        formula, settings = sampler.reward.chosen
        formulas: dict[str, type[Reward]] = {"mnas": MnasReward, "absolute": AbsoluteReward}
        reward = formulas[formula](**settings.model_dump())
        try:
            reward.bind(self.objective_names, self.directions)
        except ValueError as error:
            raise self.error((*where, formula), f": {error}") from error
        return reward

    def check(self) -> None:
        """Checks what the schema cannot.

        Raises:
            StudyError: the first thing that is wrong.
        """
