"""Study files: what is searched, measured and kept, as data. Nothing in one is evaluated; it may name a class.

The schema is pydantic's; what it cannot know (spaces and their settings, which objectives a reward joins) is checked
by building the thing. Every complaint is one line, `file:line: dotted.key …`, and the first one found is the only one.
Relative paths (of a storage, of data) start from the folder the program runs in.

Here are what all studies have in common and the studies of networks; ``table_study.py`` has those of tables.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from mnas_moo.study_file.document import Document, Key, StudyError, nearest, one_line, read_document, shown

if TYPE_CHECKING:
    from mnas_moo.objectives.training.data import DataInfo
    from mnas_moo.reward import Reward
    from mnas_moo.spaces.space import Space

__all__ = ["NetworkStudy", "StudyError", "StudyFile", "bundled", "load_study_file"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
_Model = TypeVar("_Model", bound=BaseModel)
Direction = Literal["maximize", "minimize"]
DataType = Literal["float32", "int8"]


class Part(BaseModel):
    """A mapping whose keys are known: an unknown one is named with the nearest right one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    manner: ClassVar[frozenset[str]] = frozenset()
    """Keys that say how, not what: two runs that differ in them only are one study."""
    elsewhere: ClassVar[tuple[str, ...]] = ()
    """Keys that make it another kind of mapping; an unknown key may be meant as one of them."""

    @classmethod
    def allowed(cls) -> list[str]:
        """The allowed keys, as a study file spells them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise PydanticCustomError(
                "part",
                "{problem}",
                {"problem": f"is {shown(value)}; it must be a mapping of {', '.join(cls.allowed())}"},
            )
        for key in value:
            if key not in cls.allowed():
                raise PydanticCustomError(
                    "unknown",
                    "{problem}",
                    {"key": key, "problem": f"is unknown{nearest(key, [*cls.allowed(), *cls.elsewhere])}"},
                )
        return value


class _Parts(Part):
    """A mapping from names to their settings; one name alone stands for itself without settings."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {value: {}}
        if isinstance(value, dict):
            value = {key: {} if settings is None else settings for key, settings in value.items()}
        return value

    def items(self) -> Iterator[tuple[str, Any]]:
        """Names (as a study file spells them) and settings of what was given, in the schema's order."""
        for name, field in type(self).model_fields.items():
            if getattr(self, name) is not None:
                yield field.alias or name, getattr(self, name)


class _OneOf(_Parts):
    """Exactly one name with its settings."""

    @model_validator(mode="after")
    def _exactly_one(self) -> _OneOf:
        given = [name for name, _ in self.items()]
        if len(given) != 1:
            problem = f"has {', '.join(given) or 'nothing'}; exactly one is needed of {', '.join(self.allowed())}"
            raise PydanticCustomError("one", "{problem}", {"problem": problem})
        return self

    @property
    def chosen(self) -> tuple[str, Any]:
        """The name and its settings."""
        return next(self.items())


class Train(Part):
    """Settings of ``objectives.training.train.TrainSettings``, and the share of the images that is held out."""

    epochs: Count = 8
    holdout: Fraction = 0.2
    batch_size: Annotated[int, Field(ge=4)] = 64
    learning_rate: Positive = 0.1
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    device: str = "auto"
    threads: Count = 1

    manner: ClassVar[frozenset[str]] = frozenset({"device", "threads"})


class Accuracy(_OneOf):
    """How accuracy is measured: by training the network for a few epochs."""

    train: Train | None = None


class Host(Part):
    """Settings of ``mnas_moo.objectives.host.latency.HostLatency``: LiteRT on this machine."""

    threads: Count = 1
    data_type: DataType = "float32"
    precision: Fraction = 0.02
    maximum_seconds: Positive = 5.0

    manner: ClassVar[frozenset[str]] = frozenset({"precision", "maximum_seconds"})


class OnnxRuntime(Part):
    """Settings of ``mnas_moo.objectives.host.latency.OnnxLatency``: ONNX Runtime on this machine's CPU."""

    threads: Count = 1
    precision: Fraction = 0.02
    maximum_seconds: Positive = 5.0

    manner: ClassVar[frozenset[str]] = frozenset({"precision", "maximum_seconds"})


class Cuda(Part):
    """Settings of ``mnas_moo.objectives.host.cuda.CudaLatency``: torch on this machine's GPU."""

    precision: Fraction = 0.02
    maximum_seconds: Positive = 5.0

    manner: ClassVar[frozenset[str]] = frozenset({"precision", "maximum_seconds"})


class Adb(Part):
    """Settings of ``mnas_moo.objectives.phone.latency.AdbLatency``: LiteRT on the phones that adb sees."""

    threads: Count = 1
    data_type: DataType = "float32"
    model: str | None = None
    serials: list[str] | None = None
    benchmark_model: str | None = None
    precision: Fraction = 0.02
    maximum_seconds: Positive = 10.0
    maximum_temperature_c: Positive = 40.0
    drift: Fraction = 0.05
    time_limit_s: Positive = 60.0
    patience_minutes: Positive = 30.0

    manner: ClassVar[frozenset[str]] = frozenset(
        {
            "model",  # of the phone that is found: the study keeps that
            "serials",
            "benchmark_model",
            "precision",
            "maximum_seconds",
            "maximum_temperature_c",
            "drift",
            "time_limit_s",
            "patience_minutes",
        }
    )


class Lut(Part):
    """A lookup table's file; the device it was measured on is what makes two runs one study, not where it lies."""

    file: str

    manner: ClassVar[frozenset[str]] = frozenset({"file"})

    @model_validator(mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value


class Measured(_OneOf):
    """A device that times networks."""

    host: Host | None = None
    onnxruntime: OnnxRuntime | None = None
    cuda: Cuda | None = None
    adb: Adb | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that two runs must share to be one study."""
        kind, settings = self.chosen
        identity = settings.model_dump(exclude=set(settings.manner))
        if identity.get("data_type") == "float32":  # the only one there was when the first studies were stored
            del identity["data_type"]
        return identity if kind == "host" else {kind: identity}


class Model(Part):
    """A predictor fitted to the measured trials of other studies, and the device that confirms it."""

    source: Annotated[list[str], Field(min_length=1)]
    measure: Measured

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("source"), str):
            return {**value, "source": [value["source"]]}
        return value


class Latency(Measured):
    """Where latency comes from: a device, a lookup table, or a predictor."""

    lut: Lut | None = None
    model: Model | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that two runs must share to be one study."""
        return {"model": self.model.measure.identity} if self.model is not None else super().identity


class NoSettings(Part):
    """A count: it has none."""

    @model_validator(mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        if value:
            raise PydanticCustomError("part", "{problem}", {"problem": f"is {shown(value)}; a count has no settings"})
        return value


class Objectives(_Parts):
    """What is optimised, in this order whatever the order in the file."""

    accuracy: Accuracy | None = None
    latency_ms: Latency | None = None
    parameters_m: NoSettings | None = None
    multiply_adds_m: NoSettings | None = None
    peak_memory_mb: NoSettings | None = None

    directions: ClassVar[Mapping[str, Direction]] = {
        "accuracy": "maximize",
        "latency_ms": "minimize",
        "parameters_m": "minimize",
        "multiply_adds_m": "minimize",
        "peak_memory_mb": "minimize",
    }

    @model_validator(mode="after")
    def _at_least_one(self) -> Objectives:
        if not list(self.items()):
            raise PydanticCustomError(
                "part", "{problem}", {"problem": f"is empty; at least one is needed of {', '.join(self.allowed())}"}
            )
        return self


class Bounds(Part):
    """What a feasible network's number is within."""

    max: Positive | None = None
    min: Positive | None = None

    @model_validator(mode="after")
    def _any(self) -> Bounds:
        if self.max is None and self.min is None:
            raise PydanticCustomError("part", "{problem}", {"problem": "has no bound; give max, min or both"})
        if self.max is not None and self.min is not None and self.min > self.max:
            problem = f"asks for at least {self.min} and at most {self.max}; no network can have both"
            raise PydanticCustomError("part", "{problem}", {"problem": problem})
        return self


class Constraints(_Parts):
    """Bounds on what is measured, on objectives or on others (which are then measured with their defaults)."""

    accuracy: Bounds | None = None
    latency_ms: Bounds | None = None
    parameters_m: Bounds | None = None
    multiply_adds_m: Bounds | None = None
    peak_memory_mb: Bounds | None = None


class _RewardOf(Part):
    target: Positive
    accuracy: str = "accuracy"
    latency: str = "latency_ms"


class MnasRewardSettings(_RewardOf):
    """``mnas_moo.MnasReward``: soft as it stands, hard with `alpha: 0, beta: -1`."""

    alpha: Annotated[float, Field(le=0)] = -0.07
    beta: Annotated[float, Field(le=0)] = -0.07


class AbsoluteRewardSettings(_RewardOf):
    """``mnas_moo.AbsoluteReward``."""

    beta: Annotated[float, Field(le=0)] = -0.1


class RewardChoice(_OneOf):
    """One number made of an accuracy and a latency."""

    mnas: MnasRewardSettings | None = None
    absolute: AbsoluteRewardSettings | None = None


class Seeded(Part):
    """A sampler's seed; without one (null) it draws its own."""

    seed: Seed | None = None


class Mnas(Seeded):
    """The default sampler: what is of interest, what is learnt from besides, and what it may cost."""

    reference_point: dict[str, float] | None = None
    source: str | None = None
    shared: list[str] | None = None
    model_trials: Annotated[int, Field(ge=50)] = 1000


class Paper(Seeded):
    """The sampler as published, and the reward it needs where there are several objectives."""

    reward: RewardChoice | None = None


class Sampler(_OneOf):
    """Who proposes parameters: a name that ``mnas_moo.running.samplers`` knows."""

    mnas: Mnas | None = None
    mnas_paper: Annotated[Paper | None, Field(alias="mnas-paper")] = None
    nsga2: Seeded | None = None
    nsga3: Seeded | None = None
    tpe: Seeded | None = None
    gp: Seeded | None = None
    cmaes: Seeded | None = None
    random: Seeded | None = None
    brute: Seeded | None = None


class SpaceChoice(BaseModel):
    """A space by its name, or by the class (`package.module:Class`) that makes it, and its settings."""

    model_config = ConfigDict(frozen=True)
    name: str
    settings: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value, "settings": {}}
        if isinstance(value, dict) and len(value) == 1:
            ((name, settings),) = value.items()
            if isinstance(settings, dict) or settings is None:
                return {"name": name, "settings": settings or {}}
        problem = f"is {shown(value)}; it must be a name, or one name with its settings, mnasnet: {{resolution: 32}}"
        raise PydanticCustomError("part", "{problem}", {"problem": problem})


class Data(_OneOf):
    """Labelled images: those in scikit-learn's wheel, or a folder and how it is laid out."""

    digits: Literal["digits"] | None = None
    folder: str | None = None
    cifar10: str | None = None
    imagenet: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        """`digits`, or a path; the one ambiguous name is a folder only with a separator (`./digits`)."""
        if isinstance(value, str):
            value = {"digits": "digits"} if value == "digits" else {"folder": value}
        return value

    @property
    def source(self) -> str | dict[str, str]:
        """As ``mnas_moo.objectives.training.data`` takes it."""
        kind, path = self.chosen
        return kind if kind == "digits" else {kind: path}


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
        from mnas_moo.reward import AbsoluteReward, MnasReward

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


class NetworkStudy(StudyFile):
    """A study of networks that are built, trained and timed.

    Attributes:
        space: what is searched.
        data: what networks are trained on.
        objectives: what is optimised.
        constraints: what a feasible network's numbers are within.
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
        """Their directions: accuracy is maximised, all else minimised."""
        return tuple(Objectives.directions[name] for name in self.objective_names)

    @property
    def limits(self) -> dict[str, tuple[float | None, float | None]]:
        """Constrained number -> (min, max)."""
        return {name: (bounds.min, bounds.max) for name, bounds in self.constraints.items()}

    @property
    def measured_names(self) -> tuple[str, ...]:
        """Names of all that is measured: the objectives, and constrained numbers that are none."""
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
        """Where latency comes from, also where it is only constrained."""
        return self.objectives.latency_ms or Latency(host=Host())

    def _measuring(self, name: str) -> Part:
        if name == "latency_ms":
            return cast("Part", self.latency.chosen[1])
        if name == "accuracy":
            return cast("Part", self.objectives.accuracy.chosen[1]) if self.objectives.accuracy else Train()
        return NoSettings()

    def make_space(self, data: DataInfo | None = None) -> Space:
        """The space with the file's settings, as ``make_space`` makes it."""
        return make_space(self.space, self.error, data)

    def check(self) -> None:
        """Checks what the schema cannot: space, settings and reward.

        Raises:
            StudyError: the first thing that is wrong.
        """
        self.make_space()
        self.make_reward()
        accuracy = self.constraints.accuracy
        for bound in ("min", "max"):
            if accuracy is not None and (getattr(accuracy, bound) or 0) > 1:
                raise self.error(
                    ("constraints", "accuracy", bound), f"is {getattr(accuracy, bound)}; accuracy is a fraction of 1"
                )


def make_space(choice: SpaceChoice, error: Callable[[Key, str], StudyError], data: DataInfo | None = None) -> Space:
    """The space that a study file, or an option, describes.

    Args:
        choice: its name and settings.
        error: makes the error for what is wrong at a key that begins with "space".
        data: gives classes, channels and resolution where the settings do not; None: the space's own.

    Raises:
        StudyError: the space, or one of its settings, is unknown or refused.
    """
    where = ("space", choice.name) if choice.settings else ("space",)
    make = _imported(choice.name, where, error) if ":" in choice.name else _known_space(choice, where, error)
    known = inspect.signature(make).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    settings = dict(choice.settings)
    for key in settings:
        if key not in known and not takes_any:
            raise error((*where, key), f"is unknown{nearest(key, known)}")
    if data is not None:
        for key, value in _of_data(choice, data).items():
            if key in known or takes_any:
                settings.setdefault(key, value)
    try:
        return cast("Space", make(**settings))
    except Exception as refusal:  # a user's class may raise anything
        found = {key: re.search(rf"\b{re.escape(key)}\b", str(refusal)) for key in choice.settings}
        named = sorted((match.start(), key) for key, match in found.items() if match)
        raise error((*where, *(key for _, key in named[:1])), f": {refusal}") from refusal


def _of_data(choice: SpaceChoice, data: DataInfo) -> dict[str, Any]:
    """What the data says of the space. Ours have presets for images of about its size; others take the size."""
    settings: dict[str, Any] = {"classes": len(data.classes), "channels": data.channels}
    if ":" in choice.name:
        settings["resolution"] = data.resolution
    elif not {"preset", "resolution"} & set(choice.settings):
        from mnas_moo.spaces.skeleton_settings import nearest_preset

        settings["preset"] = nearest_preset(data.resolution)
    return settings


def _known_space(choice: SpaceChoice, where: Key, error: Callable[[Key, str], StudyError]) -> Callable[..., Space]:
    from mnas_moo import spaces

    if choice.name not in spaces.SPACES:
        unknown = f"unknown{nearest(choice.name, spaces.SPACES)}, or package.module:Class"
        raise error(where, f"is {unknown}" if choice.settings else f"is {choice.name!r}, which is {unknown}")
    return functools.partial(spaces.get, choice.name)


def _imported(name: str, where: Key, error: Callable[[Key, str], StudyError]) -> Any:
    """The object that `package.module:Class` names; modules beside the program's folder are found too."""
    module_name, _, attribute = name.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except Exception as refusal:
        raise error(where, f"is {name!r}, but {module_name} cannot be imported: {refusal}") from refusal
    found = getattr(module, attribute, None)
    if not callable(found):
        public = [
            key for key, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module_name
        ]
        raise error(where, f"is {name!r}, but {module_name} has no such class{nearest(attribute, public)}")
    return found


def bundled() -> list[str]:
    """Names of the bundled studies."""
    root = resources.files("mnas_moo.studies")
    return sorted(entry.name.removesuffix(".yaml") for entry in root.iterdir() if entry.name.endswith(".yaml"))


def load_study_file(
    name_or_path: str | os.PathLike[str],
    *,
    storage: str | None = None,
    data: str | None = None,
    trials: int | None = None,
    tables: str | None = None,
    benchmark_model: str | None = None,
) -> StudyFile:
    """Reads and checks a study file; data, tables and storage are not touched.

    Args:
        name_or_path: a file, or the name of a bundled study; a file wins.
        storage: instead of the file's.
        data: path of the images instead of the file's; how they are laid out (imagenet, cifar10) stays.
        trials: instead of the file's.
        tables: folder of the published tables, for a study of one of them; None: the environment variable
            MNAS_MOO_TABLES names it.
        benchmark_model: path of the program that times networks on the study's phones, instead of the file's.

    Returns:
        The study: a ``NetworkStudy``, or where the file has a `table` a ``tabular_study.TableStudy``.

    Raises:
        StudyError: in one line, what is wrong, where, and what is allowed.
    """
    document = _read(os.fspath(name_or_path))
    values = dict(document.data)
    changes: dict[str, Any] = {"storage": storage, "trials": trials, "data": data}
    if data is not None:
        old = values.get("data")
        kind = next(iter(old)) if isinstance(old, dict) and len(old) == 1 else None
        changes["data"] = {kind: data} if kind in ("folder", "cifar10", "imagenet") else data
    changes = {key: value for key, value in changes.items() if value is not None}
    values.update(changes)
    document = dataclasses.replace(document, overridden=frozenset(changes))
    if tables is not None and "table" not in values:
        raise StudyError(f"{document.path}: --tables is for the study of a table, and this is one of networks")
    try:
        study = _kind(values).model_validate(values)
    except ValidationError as error:
        raise _first(document, error.errors()) from None
    if benchmark_model is not None:
        study = _with_program(document, study, benchmark_model)
    study._document = document
    study._tables = tables
    study.check()
    return study


def _with_program(document: Document, study: StudyFile, path: str) -> StudyFile:
    """The study with another ``benchmark_model`` for the phones that it measures on.

    Raises:
        StudyError: it measures on none.
    """
    latency = study.objectives.latency_ms if isinstance(study, NetworkStudy) else None
    device: Measured | None = latency.model.measure if latency is not None and latency.model is not None else latency
    if not isinstance(study, NetworkStudy) or device is None or device.adb is None:
        raise StudyError(f"{document.path}: --benchmark-model is for studies that measure on phones: latency_ms: adb")
    device = device.model_copy(update={"adb": device.adb.model_copy(update={"benchmark_model": path})})
    if latency is not None and latency.model is not None:
        device = latency.model_copy(update={"model": latency.model.model_copy(update={"measure": device})})
    return study.model_copy(update={"objectives": study.objectives.model_copy(update={"latency_ms": device})})


def _kind(values: Mapping[str, Any]) -> type[StudyFile]:
    if "table" not in values:
        return NetworkStudy
    from mnas_moo.study_file.tabular_study import TableStudy  # it builds on this module

    return TableStudy


def _read(name: str) -> Document:
    path = Path(name)
    try:
        if path.is_file():
            return read_document(name, path.read_text(encoding="utf-8"))
        if path.is_dir():
            raise StudyError(f"{name}: this is a folder; a study file is a YAML file in it")
        if name in bundled():
            entry = resources.files("mnas_moo.studies").joinpath(f"{name}.yaml")
            return read_document(f"{name}.yaml", entry.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise StudyError(f"{name}: not text in UTF-8 ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise StudyError(f"{name}: cannot be read: {error.strerror or error}") from error
    guess = nearest(path.stem, bundled()).replace("allowed:", "bundled:")
    raise StudyError(one_line(f"{name}: there is no such file, and no bundled study of that name{guess}"))


class _Option(Document):
    """The value of a command line's option: complaints begin with its name, and there are no lines."""

    def error(self, key: Key, problem: str) -> StudyError:
        """The error for what is wrong at a key: `--option: dotted.key problem`."""
        blank = "" if problem.startswith(":") or not key else " "
        return StudyError(one_line(f"{self.path}: {'.'.join(map(str, key))}{blank}{problem}"))


def read_option(option: str, text: str, kind: type[_Model]) -> _Model:
    """A part of a study file, given on the command line as its value would stand in a file.

    Args:
        option: its name, which begins every complaint.
        text: YAML.
        kind: which part.

    Raises:
        StudyError: in one line, what is wrong and what is allowed.
    """
    document = read_document(option, "value:\n  " + text.replace("\n", "\n  "))
    try:
        return kind.model_validate(document.data["value"])
    except ValidationError as error:
        raise _first(_Option(document.path, document.data, document.root), error.errors()) from None


_EXPECTED = {
    "string_type": "it must be text",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "finite_number": "it must be finite",
}


def _first(document: Document, errors: list[ErrorDetails]) -> StudyError:
    """The complaint that stands first in the file, in the project's words."""

    def key(error: ErrorDetails) -> Key:
        extra = (error["ctx"]["key"],) if error["type"] == "unknown" else ()
        return (*error["loc"], *extra)

    error = min(errors, key=lambda e: (e["type"] == "missing", document.line(key(e))))
    kind, context, got = error["type"], error.get("ctx", {}), shown(error["input"])
    if "problem" in context:
        problem = context["problem"]
    elif kind == "missing":
        problem = "is missing"
    elif kind in _EXPECTED:
        problem = f"is {got}; {_EXPECTED[kind]}"
    elif kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        word = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
        ((bound, limit),) = ((b, v) for b, v in context.items() if b in word)
        problem = f"is {got}; it must be {word[bound]} {limit:g}"
    elif kind == "literal_error":
        problem = f"is {got}; it must be {context['expected']}"
    elif kind == "string_too_short":
        problem = "is empty"
    else:
        problem = f"is {got}; {error['msg']}"
    return document.error(key(error), problem)
