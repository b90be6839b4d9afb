"""The kit of a study file's schema: mappings whose keys are known, and the one line that says what is wrong with one.

The schema is pydantic's. A section of a study file is a ``Part``; ``Parts`` maps names to their settings, and ``OneOf``
holds exactly one name. ``first_complaint`` puts pydantic's errors into the project's words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from mnas_moo.study_file.document import Document, Key, StudyError, nearest, shown

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]


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


class Parts(Part):
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


class OneOf(Parts):
    """Exactly one name with its settings."""

    @model_validator(mode="after")
    def _exactly_one(self) -> OneOf:
        given = [name for name, _ in self.items()]
        if len(given) != 1:
            problem = f"has {', '.join(given) or 'nothing'}; exactly one is needed of {', '.join(self.allowed())}"
            raise PydanticCustomError("one", "{problem}", {"problem": problem})
        return self

    @property
    def chosen(self) -> tuple[str, Any]:
        """The name and its settings."""
        return next(self.items())


_EXPECTED = {
    "string_type": "it must be text",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "finite_number": "it must be finite",
}


def first_complaint(document: Document, errors: list[ErrorDetails]) -> StudyError:
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
