"""Studies of networks that are built, trained and timed; ``tabular_study.py`` has those of tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from pydantic import PrivateAttr, model_validator

from mnas_moo.objectives.objective import Direction, info_of, is_latency, latency_beside, on_device
from mnas_moo.study_file.devices import check_devices
from mnas_moo.study_file.duration import Duration
from mnas_moo.study_file.measuring import Constraints, Host, Latency, NamedLatency, NoSettings, Objectives, Train
from mnas_moo.study_file.parts import Count, OneOf, Part
from mnas_moo.study_file.sampling import Sampler
from mnas_moo.study_file.space_choice import LARGER_PIXELS, SpaceChoice, is_ours, make_space, preset_of
from mnas_moo.study_file.study import StudyFile

if TYPE_CHECKING:
    from mnas_moo.objectives.training.data import DataInfo
    from mnas_moo.spaces.space import Space


LATER: Mapping[str, Any] = {"steps": None, "augmentation": "auto", "balanced": False}
"""Settings of trainings that came later than the first stored studies, with the values that change nothing."""


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
        budget: seconds that the trials may take, from which follows what the file leaves open; written `30 min`.
    """

    space: SpaceChoice
    data: Data
    objectives: Objectives
    constraints: Constraints = Constraints.model_validate({})
    trials: Count | None = None
    budget: Duration | None = None

    _skip_broken: bool = PrivateAttr(default=False)

    elsewhere: ClassVar[tuple[str, ...]] = ("table",)

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Names of the objectives, in the order of a trial's values."""
        return tuple(name for name, _ in self.objectives.items())

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Whether each objective is maximised or minimised."""
        return tuple(info.direction for name in self.objective_names if (info := info_of(name)))

    @property
    def limits(self) -> dict[str, tuple[float | None, float | None]]:
        """Constrained number -> (min, max)."""
        return {name: (bounds.min, bounds.max) for name, bounds in self.constraints.items()}

    @property
    def measured_names(self) -> tuple[str, ...]:
        """Names of all that is measured: the objectives, and other numbers that are constrained."""
        names = self.objective_names
        return (*names, *(name for name, _ in self.constraints.items() if name not in names))

    def identity_of(self, name: str) -> dict[str, Any]:
        """The settings that two runs must share to be one study."""
        if on_device(name):
            return self.latency_of(name).identity
        settings = self._measuring(name)
        identity = settings.model_dump(exclude=set(settings.manner))
        if name == "accuracy" and self.shares_weights:
            assert self.objectives.accuracy is not None
            train = self.objectives.accuracy.training.model_dump(exclude=set(Train.manner))
            return {self.objectives.accuracy.chosen[0]: {**identity, "train": train}}
        for key, value in LATER.items():  # studies that were stored before do not have these keys
            if key in identity and identity[key] == value:
                del identity[key]
        return identity

    @property
    def latency(self) -> Latency:
        """The source of latency; where latency is only constrained, this machine with default settings."""
        return self.objectives.latency_ms or Latency(host=Host())

    def latency_of(self, name: str) -> NamedLatency:
        """The source of a latency by the objective's name, or by that of a memory on the same device."""
        latency = latency_beside(name)
        return self.latency if latency == "latency_ms" else (self.objectives.model_extra or {})[latency]

    def _measuring(self, name: str) -> Part:
        if name == "accuracy":
            return cast("Part", self.objectives.accuracy.chosen[1]) if self.objectives.accuracy else Train()
        return NoSettings()

    @property
    def training(self) -> dict[str, Any]:
        """How networks are trained, defaults included; with shared weights, those that are trained alone at the end."""
        return (self.objectives.accuracy.training if self.objectives.accuracy else Train()).model_dump()

    @property
    def shares_weights(self) -> bool:
        """Whether accuracy is that of weights that the networks share."""
        return self.objectives.accuracy is not None and self.objectives.accuracy.train is None

    @property
    def leaves_length_open(self) -> bool:
        """Whether the length of a training is to follow from the budget."""
        train = self.training
        return "accuracy" in self.measured_names and train["steps"] is None and train["epochs"] is None

    @property
    def skips_broken(self) -> bool:
        """Whether images that cannot be read are left out instead of refused."""
        return self._skip_broken

    def leaves_size_open(self, data: DataInfo) -> bool:
        """Whether the sizes of networks and images are to follow from the images and the budget."""
        return bool(preset_of(self.space, data)) and data.resolution >= LARGER_PIXELS

    def sized(self, size: str, resolution: int) -> NetworkStudy:
        """The same study with a size of ``skeleton_settings.SIZES``, at a resolution in pixels."""
        settings = {**self.space.settings, "preset": size, "resolution": resolution}
        return self.model_copy(update={"space": self.space.model_copy(update={"settings": settings})})

    def planned(self, size: str, resolution: int, steps: int, batch_size: int, trials: int) -> NetworkStudy:
        """The same study with what a plan has chosen; ``size`` is "" where the file has a space of its own."""
        sized = self.sized(size, resolution) if size else self
        changes: dict[str, Any] = {"trials": self.trials or trials}
        if self.leaves_length_open and self.objectives.accuracy is not None:
            assert self.objectives.accuracy.train is not None
            trained = self.objectives.accuracy.train.model_copy(update={"steps": steps, "batch_size": batch_size})
            accuracy = self.objectives.accuracy.model_copy(update={"train": trained})
            changes["objectives"] = self.objectives.model_copy(update={"accuracy": accuracy})
        return sized.model_copy(update=changes)

    @property
    def says_batch_size(self) -> bool:
        """Whether the file has a batch size."""
        train = self.objectives.accuracy.train if self.objectives.accuracy else None
        return train is not None and "batch_size" in train.model_fields_set

    @property
    def checkpoints(self) -> Path:
        """Folder in which trainings under way save what they need to go on."""
        return self.files / "checkpoints"

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
        if self.trials is None and self.budget is None:
            raise self.error(("trials",), "is missing; give the number of networks to try, or a budget: 30 min")
        if self.budget is not None and "accuracy" not in self.measured_names:
            raise self.error(("budget",), "is for studies that train networks; this one measures none's accuracy")
        if self.shares_weights:
            self._check_shared()
        if is_ours(self.space) or not reading:
            self.make_space()
        for name in self.measured_names:
            if is_latency(name) and name != "latency_ms" and name not in self.objective_names:
                raise self.error(("constraints", name), "has no source of latency; it has to be an objective as well")
        if not reading:
            check_devices(self)
        self.make_reward()
        for bound, limit in zip(("min", "max"), self.limits.get("accuracy", ()), strict=False):
            if limit is not None and limit > 1:
                raise self.error(("constraints", "accuracy", bound), f"is {limit}; accuracy is a fraction of 1")

    def _check_shared(self) -> None:
        assert self.objectives.accuracy is not None
        kind, settings = self.objectives.accuracy.chosen
        if self.budget is not None:
            problem = (
                "is for networks that are trained alone; with shared weights, give trials, and minutes of training"
            )
            raise self.error(("budget",), problem)
        if self.trials is not None and settings.alone >= self.trials:
            problem = f"is {settings.alone}, and there are {self.trials} trials in all"
            raise self.error(("objectives", "accuracy", kind, "alone"), problem)


class SpaceStudy(NetworkStudy):
    """A study of which only space and images are used: the rest may be missing, but what is there has to be right."""

    name: str = "space"
    storage: str = "journal:///space.log"
    sampler: Sampler = Sampler.model_validate("random")
    objectives: Objectives = Objectives.model_validate("parameters_m")

    def check(self, *, reading: bool = False) -> None:
        """Checks the space alone."""
        self.make_space()
