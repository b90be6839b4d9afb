"""The kit of a study file's schema: mappings with known keys, and the message about the first mistake in one.

The schema is pydantic's. A section of a study file is a ``Part``; ``Parts`` maps names to their settings, and ``OneOf``
holds exactly one name. ``first_complaint`` turns pydantic's errors into one message in this project's words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from mnas_moo.objectives.settings import COUNT, POSITIVE, SHARE
from mnas_moo.study_file.document import Document, Key, StudyError, nearest, shown

Positive = Annotated[float, Field(**POSITIVE)]
Fraction = Annotated[float, Field(**SHARE)]
Count = Annotated[int, Field(**COUNT)]
Seed = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A mapping with known keys. The message about an unknown key names the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    manner: ClassVar[frozenset[str]] = frozenset()
    """Keys that say how something is measured, not what: two runs that differ only in these belong to one study."""
    elsewhere: ClassVar[tuple[str, ...]] = ()
    """Keys of other kinds of this mapping, which are suggested for an unknown key as well."""

    @classmethod
    def allowed(cls) -> list[str]:
        """The allowed keys, as a study file spells them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def knows(cls, key: Any) -> bool:
        """Whether a key is allowed."""
        return key in (field.alias or name for name, field in cls.model_fields.items())

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
            if not cls.knows(key):
                raise PydanticCustomError(
                    "unknown",
                    "{problem}",
                    {"key": key, "problem": f"is unknown{nearest(key, [*cls.allowed(), *cls.elsewhere])}"},
                )
        return value


Fields = Mapping[str, tuple[Any, Any]]
"""Fields of a part by name: type, with bounds, and default."""
_Part = TypeVar("_Part", bound=Part)


def fields_of(settings: type) -> Fields:
    """The fields that a dataclass of settings declares (``mnas_moo.objectives.settings``), for ``with_fields``."""
    types = get_type_hints(settings, include_extras=True)
    return {
        field.name: (Annotated[types[field.name], Field(**field.metadata)], field.default)
        for field in dataclasses.fields(settings)
    }


def with_fields(fields: Fields) -> Callable[[type[_Part]], type[_Part]]:
    """Gives a part fields that are declared elsewhere; those that it declares itself stay as they are.

    >>> @with_fields({"epochs": (Count, 8)})
    ... class Train(Part):
    ...     "Settings of a training."
    >>> Train().model_dump()
    {'epochs': 8}
    """

    def fill(part: type[_Part]) -> type[_Part]:
        added: dict[str, Any] = {name: field for name, field in fields.items() if name not in part.model_fields}
        made = create_model(part.__name__, __base__=part, __module__=part.__module__, **added)
        made.__doc__ = part.__doc__
        return made

    return fill


class Parts(Part):
    """A mapping from names to their settings. One name may stand alone, and then has its default settings."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {value: {}}
        if isinstance(value, dict):
            value = {key: {} if settings is None else settings for key, settings in value.items()}
        return value

    def items(self) -> Iterator[tuple[str, Any]]:
        """The names that were given (as a study file spells them) and their settings, in the schema's order."""
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
    """The message about the mistake that stands first in the file; missing keys come last."""

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
