"""What all kinds of studies have in common: name, storage, sampler and the number of trials."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, Field, PrivateAttr
from pydantic_core import PydanticCustomError

from mnas_moo.objectives.objective import Direction
from mnas_moo.reward import AbsoluteReward, MnasReward, Reward
from mnas_moo.study_file.document import Document, Key, StudyError
from mnas_moo.study_file.folder_name import folder_name
from mnas_moo.study_file.parts import Count, Part
from mnas_moo.study_file.sampling import Sampler

# SQLAlchemy's own pattern of an address, as far as the port; a password may contain a slash, but no @.
_SERVER = re.compile(r"[\w+]+://(?:[^:/]*(?::[^@]*)?@)?(?:\[[^/?]+\]|[^/:?]*)(?::(?P<port>[^/?]*))?")
_PORT = (
    "has a port that is no number from 1 to 65535; it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for @ "
    "in a password"
)


def _address(url: str) -> str:
    """Refuses an address whose port is none; the message shows nothing of it, which may be a part of a password."""
    found = None if url.startswith(("sqlite", "journal")) else _SERVER.match(url)
    port = found and found["port"]
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise PydanticCustomError("part", "{problem}", {"problem": _PORT})
    return url


class StudyFile(Part):
    """A study as its file describes it, of whatever kind.

    Attributes:
        name: name of the study in its storage.
        storage: place of the trials: an Optuna storage URL (sqlite, postgresql, mysql), or journal:///FILE.
        sampler: the sampler that proposes parameters, and its settings.
        trials: number of finished trials wanted in the study, over all processes and restarts; None: a budget says.
    """

    name: Annotated[str, Field(min_length=1)]
    storage: Annotated[str, Field(min_length=1), AfterValidator(_address)]
    sampler: Sampler
    trials: Count | None

    _document: Document = PrivateAttr()
    _tables: str | None = PrivateAttr(default=None)
    _plugins: tuple[str, ...] = PrivateAttr(default=())

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Names of the objectives, in the order of a trial's values."""
        raise NotImplementedError

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Whether each objective is maximised or minimised."""
        raise NotImplementedError

    @property
    def limits(self) -> dict[str, tuple[float | None, float | None]]:
        """Constrained number -> (min, max)."""
        raise NotImplementedError

    @property
    def files(self) -> Path:
        """Folder of artifacts and decoded images: beside the storage's file, else in the working folder."""
        scheme, _, path = self.storage.partition(":///")
        if scheme.startswith("sqlite"):
            path = path.partition("?")[0]  # settings, of which one may be secret
        if scheme.split("+")[0] in ("sqlite", "journal") and Path(path).name:
            return Path(path).with_name(f"{Path(path).stem}_files")
        return Path(f"{folder_name(self.name)}_files")

    @property
    def written(self) -> str:
        """What the file says, as YAML without comments; the storage's address may have a password in it."""
        return str(yaml.safe_dump(self._document.data, sort_keys=False, allow_unicode=True))

    def error(self, key: Key, problem: str) -> StudyError:
        """The error about a key of this file: `file:line: dotted.key problem`."""
        return self._document.error(key, problem)

    def make_reward(self) -> Reward | None:
        """The reward of the sampler, if it has one.

        Raises:
            StudyError: the reward is missing or not needed, or does not fit the objectives or their directions.
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

    def check(self, *, reading: bool = False) -> None:
        """Checks what the schema cannot.

        Args:
            reading: only results are read; what is needed for new trials alone is not checked.

        Raises:
            StudyError: a setting is wrong; the first one found.
        """
