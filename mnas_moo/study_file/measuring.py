"""What is measured, in a study file: the objectives with their settings, and the bounds on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

from mnas_moo.objectives.host.settings import CudaSettings, HostSettings, OnnxSettings
from mnas_moo.objectives.objective import OBJECTIVES, ON_DEVICES, is_memory, on_device
from mnas_moo.objectives.phone.settings import AdbSettings
from mnas_moo.objectives.training.settings import AUGMENTATIONS, HOLDOUT, Training
from mnas_moo.study_file.document import shown
from mnas_moo.study_file.parts import Fraction, OneOf, Part, Parts, Positive, fields_of, with_fields
from mnas_moo.supernet.settings import RULES, SharedTraining

_TRAINING = fields_of(Training)


# Those that are most asked for come first where messages list the settings.
@with_fields({"epochs": _TRAINING["epochs"], "steps": _TRAINING["steps"], "holdout": (Fraction, HOLDOUT), **_TRAINING})
class Train(Part):
    """Settings of ``mnas_moo.objectives.training``, and the share of the images that is held out.

    ``confirm`` is the share of the trainings that may go into training the networks of the front again.
    """

    augmentation: Literal[AUGMENTATIONS] = "auto"  # type: ignore[valid-type]
    confirm: Annotated[float, Field(ge=0, lt=1)] = 0.5

    manner: ClassVar[frozenset[str]] = frozenset({"device", "threads", "confirm"})

    @model_validator(mode="after")
    def _one_length(self) -> Train:
        lengths = {key: value for key, value in self if key in ("epochs", "steps") and value is not None}
        if len(lengths) > 1:
            problem = f"has epochs: {lengths['epochs']} and steps: {lengths['steps']}; give one of them"
            raise PydanticCustomError("part", "{problem}", {"problem": problem})
        return self


class Supernet(Part):
    """The file of weights that the networks share, and how the best are trained alone at the end.

    ``train`` has the length of those trainings, and the share of the images that is held out of all; ``alone`` is how
    many of the study's trials they are, and with ``fine_tune`` they begin with the shared weights.
    """

    file: str
    alone: Annotated[int, Field(ge=0)] = 0
    fine_tune: bool = False
    train: Train = Train.model_validate({})

    manner: ClassVar[frozenset[str]] = frozenset({"file", "alone", "fine_tune"})

    @model_validator(mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value


@with_fields(fields_of(SharedTraining))
class Shared(Part):
    """Weights that the networks share, trained before the first trial; the rest as in ``Supernet``."""

    rule: Literal[RULES] = "uniform"  # type: ignore[valid-type]
    alone: Annotated[int, Field(ge=0)] = 0
    fine_tune: bool = False
    train: Train = Train.model_validate({})

    manner: ClassVar[frozenset[str]] = frozenset({"device", "threads", "alone", "fine_tune"})

    @model_validator(mode="after")
    def _one_length(self) -> Shared:
        if self.minutes is not None and self.steps is not None:  # type: ignore[attr-defined]
            problem = f"has minutes: {self.minutes} and steps: {self.steps}; give one of them"  # type: ignore[attr-defined]
            raise PydanticCustomError("part", "{problem}", {"problem": problem})
        return self


class Accuracy(OneOf):
    """How accuracy is measured: by training the network for a few epochs, or by weights that all networks share."""

    train: Train | None = None
    shared: Shared | None = None
    supernet: Supernet | None = None

    @property
    def training(self) -> Train:
        """How networks are trained, those that are trained alone at the end."""
        return self.train or (self.shared or self.supernet).train  # type: ignore[union-attr]


@with_fields(fields_of(HostSettings))
class Host(Part):
    """Settings of ``mnas_moo.objectives.host.latency.HostLatency``: LiteRT on this machine."""

    manner: ClassVar[frozenset[str]] = frozenset({"precision", "maximum_seconds"})


@with_fields(fields_of(OnnxSettings))
class OnnxRuntime(Part):
    """Settings of ``mnas_moo.objectives.host.latency.OnnxLatency``: ONNX Runtime on this machine's CPU."""

    manner: ClassVar[frozenset[str]] = frozenset({"precision", "maximum_seconds"})


@with_fields(fields_of(CudaSettings))
class Cuda(Part):
    """Settings of ``mnas_moo.objectives.host.cuda.CudaLatency``: torch on this machine's GPU."""

    manner: ClassVar[frozenset[str]] = frozenset({"precision", "maximum_seconds"})


@with_fields(fields_of(AdbSettings))
class Adb(Part):
    """Settings of ``mnas_moo.objectives.phone.latency.AdbLatency``: LiteRT on the phones that adb sees."""

    manner: ClassVar[frozenset[str]] = frozenset(
        {
            "model",  # the study stores the model of the phone that is found
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
    """The file of a lookup table. A study is identified by the device of the table, not by the file's path."""

    file: str

    manner: ClassVar[frozenset[str]] = frozenset({"file"})

    @model_validator(mode="before")
    @classmethod
    def _path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value


class Measured(OneOf):
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
        if identity.get("data_type") == "float32":  # studies that were stored before int8 do not have the key
            del identity["data_type"]
        if identity.get("accelerator") == "cpu":  # nor those before other accelerators this one
            del identity["accelerator"]
        if identity.get("require_full_delegation") is False:
            del identity["require_full_delegation"]
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


class NamedLatency(Measured):
    """Where one of several latencies comes from: a device, or a lookup table."""

    lut: Lut | None = None

    @property
    def device(self) -> Measured:
        """What measures: the source itself, or the device that confirms a predictor."""
        return self


class Latency(NamedLatency):
    """Where latency comes from: a device, a lookup table, or a predictor."""

    model: Model | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that two runs must share to be one study."""
        return {"model": self.model.measure.identity} if self.model is not None else super().identity

    @property
    def device(self) -> Measured:
        """What measures: the source itself, or the device that confirms a predictor."""
        return self if self.model is None else self.model.measure


class NoSettings(Part):
    """A count, which has no settings."""

    why: ClassVar[str] = "a count has no settings"

    @model_validator(mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        if value:
            raise PydanticCustomError("part", "{problem}", {"problem": cls.refusal(value)})
        return value

    @classmethod
    def refusal(cls, value: Any) -> str:
        """Why there are none, as a message about ``value``."""
        return f"is {shown(value)}; {cls.why}"


class Memory(NoSettings):
    """The memory of the runtime, which is measured where the latency of the same name is."""

    why = (
        "memory has no settings of its own; its device is that of latency_ms, or of latency_ms@NAME for memory_mb@NAME"
    )


def _or_memory(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Memory) else validate(value)


class Quantities(Parts):
    """Settings of quantities of ``OBJECTIVES`` by name, and of those of devices with a name: ``latency_ms@NAME``."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def knows(cls, key: Any) -> bool:
        """Whether a key is allowed."""
        return super().knows(key) or on_device(str(key))

    @classmethod
    def allowed(cls) -> list[str]:
        """The allowed keys, as a study file spells them."""
        return [*super().allowed(), *(f"{name}@NAME" for name in ON_DEVICES)]

    def items(self) -> Iterator[tuple[str, Any]]:
        """The names that were given and their settings, in the order of ``OBJECTIVES``, devices in the file's."""
        named = self.model_extra or {}
        given = dict(super().items())
        for name in OBJECTIVES:
            if name in given:
                yield name, given[name]
            if name in ON_DEVICES:
                yield from ((key, settings) for key, settings in named.items() if key.startswith(f"{name}@"))


@with_fields(dict.fromkeys(OBJECTIVES, (NoSettings | None, None)))
class Objectives(Quantities):
    """What is optimised: objectives of ``OBJECTIVES``, in its order, which the order in the file does not change.

    An objective that has settings is declared here; all others are counts.
    """

    accuracy: Accuracy | None = None
    latency_ms: Latency | None = None
    memory_mb: Memory | None = None

    __pydantic_extra__: dict[str, Annotated[NamedLatency, WrapValidator(_or_memory)]]

    @model_validator(mode="before")
    @classmethod
    def _memories(cls, value: Any) -> Any:
        """Pydantic has one type for all names that are not declared; a memory is told from a latency by its name."""
        if not isinstance(value, dict):
            return value
        named = {key: each for key, each in value.items() if is_memory(str(key)) and key not in cls.model_fields}
        for key, each in named.items():
            if each:
                raise PydanticCustomError("unknown", "{problem}", {"key": key, "problem": Memory.refusal(each)})
        return {**value, **dict.fromkeys(named, Memory())}

    @model_validator(mode="after")
    def _at_least_one(self) -> Objectives:
        if not list(self.items()):
            raise PydanticCustomError(
                "part", "{problem}", {"problem": f"is empty; at least one is needed of {', '.join(self.allowed())}"}
            )
        return self


class Bounds(Part):
    """The range of a number within which a network is feasible."""

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


@with_fields(dict.fromkeys(OBJECTIVES, (Bounds | None, None)))
class Constraints(Quantities):
    """Bounds on objectives, or on other numbers of ``OBJECTIVES``, which are then measured with default settings."""

    __pydantic_extra__: dict[str, Bounds]
