"""The space of a study file: its name and its settings.

A name is that of a space of this package or of a plugin (``mnas_moo.spaces.plugins``); a file's text alone imports
nothing. Settings of spaces are not in the schema; they are checked by making the space.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from mnas_moo.spaces import SPACES, plugins
from mnas_moo.study_file.document import Key, StudyError, nearest, shown

if TYPE_CHECKING:
    from mnas_moo.objectives.training.data import DataInfo
    from mnas_moo.spaces.space import Space

LARGER_PIXELS = 24
"""Images of fewer pixels a side get the preset "digits" where nothing else is asked for."""
SMALL_PIXELS = 64
"""Largest resolution at which small networks are searched."""


class SpaceChoice(BaseModel):
    """A space by its name, which for a plugin's may be `module:Class`, and its settings."""

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


def make_space(
    choice: SpaceChoice,
    error: Callable[[Key, str], StudyError],
    data: DataInfo | None = None,
    named: Sequence[str] = (),
) -> Space:
    """The space that a study file, or an option, describes.

    Args:
        choice: name and settings of the space.
        error: function that makes the error about a key, which begins with "space".
        data: data whose classes, channels and resolution are taken where the settings have none; None: the space's
            own defaults are taken.
        named: plugins that the user has named, besides those of the environment variable MNAS_MOO_PLUGINS.

    Raises:
        StudyError: the space, or one of its settings, is unknown or refused, or a plugin cannot be used.
    """
    where = ("space", choice.name) if choice.settings else ("space",)
    make = _maker(choice, where, error, plugins.named(named))
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
        return make(**settings)
    except Exception as refusal:  # a user's class may raise anything
        found = {key: re.search(rf"\b{re.escape(key)}\b", str(refusal)) for key in choice.settings}
        named_in = sorted((match.start(), key) for key, match in found.items() if match)
        raise error((*where, *(key for _, key in named_in[:1])), f": {refusal}") from refusal


def is_ours(choice: SpaceChoice) -> bool:
    """Whether the space is one of this package, so that it can be made without a plugin."""
    return choice.name in SPACES


def _of_data(choice: SpaceChoice, data: DataInfo) -> dict[str, Any]:
    """Settings that follow from the data: a preset for its resolution, or the resolution for a user's class."""
    settings: dict[str, Any] = {"classes": len(data.classes), "channels": data.channels}
    if not is_ours(choice):
        settings["resolution"] = data.resolution
    else:
        settings.update(preset_of(choice, data))
    return settings


def preset_of(choice: SpaceChoice, data: DataInfo) -> dict[str, Any]:
    """The preset and resolution that a choice without either gets: "digits", or one of the ladder."""
    from mnas_moo.spaces.skeleton_settings import DEFAULT_SIZE, suitable_resolution

    if not is_ours(choice) or {"preset", "resolution"} & set(choice.settings):
        return {}
    if data.resolution < LARGER_PIXELS:
        return {"preset": "digits"}
    return {"preset": DEFAULT_SIZE, "resolution": suitable_resolution(data.resolution, SMALL_PIXELS)}


def _maker(
    choice: SpaceChoice, where: Key, error: Callable[[Key, str], StudyError], named: Sequence[str]
) -> Callable[..., Space]:
    from mnas_moo import spaces

    if is_ours(choice):
        return functools.partial(spaces.get, choice.name)
    try:
        found = plugins.find(choice.name, named)
        if found is not None:
            return found
        known = [*SPACES, *plugins.known(named)]
    except ValueError as refusal:
        raise error(where, f": {refusal}" if choice.settings else f"is {choice.name!r}: {refusal}") from refusal
    if ":" in choice.name:
        problem = "of no plugin; a study file imports nothing: name its module or file with --plugin FILE_OR_MODULE"
    else:
        problem = f"unknown{nearest(choice.name, known)}, or one of a plugin: --plugin FILE_OR_MODULE"
    raise error(where, f"is {problem}" if choice.settings else f"is {choice.name!r}, which is {problem}")
