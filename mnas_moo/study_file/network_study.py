"""Studies of networks that are built, trained and timed; ``tabular_study.py`` has those of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from pydantic import model_validator

from mnas_moo.objectives.objective import Direction
from mnas_moo.study_file.measuring import Constraints, Host, Latency, NoSettings, Objectives, Train
from mnas_moo.study_file.parts import OneOf, Part
from mnas_moo.study_file.space_choice import SpaceChoice, is_ours, make_space
from mnas_moo.study_file.study import StudyFile

if TYPE_CHECKING:
    from mnas_moo.objectives.training.data import DataInfo
    from mnas_moo.spaces.space import Space


class Data(OneOf):
    """Labelled images: those in scikit-learn's wheel, or a folder and how it is laid out."""

    digits: Literal["digits"] | None = None
    folder: str | None = None
    cifar10: str | None = None
    imagenet: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        """Reads `digits` or a path; a folder of the name digits is written with a separator (`./digits`)."""
        if isinstance(value, str):
            value = {"digits": "digits"} if value == "digits" else {"folder": value}
        return value

    @property
    def source(self) -> str | dict[str, str]:
        """The images as ``mnas_moo.objectives.training.data`` takes them."""
        kind, path = self.chosen
        return kind if kind == "digits" else {kind: path}


class NetworkStudy(StudyFile):
    """A study of networks that are built, trained and timed.

    Attributes:
        space: the space that is searched.
        data: the images that networks are trained on.
        objectives: the numbers that are optimised.
        constraints: bounds on the numbers of a feasible network.
    """

    space: SpaceChoice
    data: Data
    objectives: Objectives
    constraints: Constraints = Constraints()

    elsewhere: ClassVar[tuple[str, ...]] = ("table",)

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Names of the objectives, in the order of a trial's values."""
        return tuple(name for name, _ in self.objectives.items())

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Whether each objective is maximised or minimised."""
        return tuple(Objectives.directions[name] for name in self.objective_names)

    @property
    def limits(self) -> dict[str, tuple[float | None, float | None]]:
        """Constrained number -> (min, max)."""
        return {name: (bounds.min, bounds.max) for name, bounds in self.constraints.items()}

    @property
    def measured_names(self) -> tuple[str, ...]:
        """Names of all that is measured: the objectives, and other numbers that are constrained."""
        names = self.objective_names
        return (*names, *(name for name, _ in self.constraints.items() if name not in names))

    def settings_of(self, name: str) -> dict[str, Any]:
        """Settings, defaults included, of one of ``measured_names``."""
        return self._measuring(name).model_dump()

    def identity_of(self, name: str) -> dict[str, Any]:
        """The settings that two runs must share to be one study."""
        if name == "latency_ms":
            return self.latency.identity
        settings = self._measuring(name)
        return settings.model_dump(exclude=set(settings.manner))

    @property
    def latency(self) -> Latency:
        """The source of latency; where latency is only constrained, this machine with default settings."""
        return self.objectives.latency_ms or Latency(host=Host())

    def _measuring(self, name: str) -> Part:
        if name == "latency_ms":
            return cast("Part", self.latency.chosen[1])
        if name == "accuracy":
            return cast("Part", self.objectives.accuracy.chosen[1]) if self.objectives.accuracy else Train()
        return NoSettings()

    def make_space(self, data: DataInfo | None = None) -> Space:
        """The space with the file's settings; see ``space_choice.make_space``."""
        return make_space(self.space, self.error, data, self._plugins)

    def check(self, *, reading: bool = False) -> None:
        """Checks what the schema cannot: space, settings and reward.

        Args:
            reading: only results are read, so that a plugin's space, which is code, is not made.

        Raises:
            StudyError: a setting is wrong; the first one found.
        """
        if is_ours(self.space) or not reading:
            self.make_space()
        self.make_reward()
        for bound, limit in zip(("min", "max"), self.limits.get("accuracy", ()), strict=False):
            if limit is not None and limit > 1:
                raise self.error(("constraints", "accuracy", bound), f"is {limit}; accuracy is a fraction of 1")
