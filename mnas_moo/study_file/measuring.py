"""What is measured, in a study file: the objectives with their settings, and the bounds on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from mnas_moo.objectives.objective import Direction
from mnas_moo.study_file.document import shown
from mnas_moo.study_file.parts import Count, Fraction, OneOf, Part, Parts, Positive

DataType = Literal["float32", "int8"]


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


class Accuracy(OneOf):
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


class Objectives(Parts):
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


class Constraints(Parts):
    """Bounds on what is measured, on objectives or on others (which are then measured with their defaults)."""

    accuracy: Bounds | None = None
    latency_ms: Bounds | None = None
    parameters_m: Bounds | None = None
    multiply_adds_m: Bounds | None = None
    peak_memory_mb: Bounds | None = None
