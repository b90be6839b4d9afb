"""The space of a study file: its name, or the class that makes it, and its settings.

Settings of spaces are not in the schema; they are checked by making the space.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from mnas_moo.study_file.document import Key, StudyError, nearest, shown

if TYPE_CHECKING:
    from mnas_moo.objectives.training.data import DataInfo
    from mnas_moo.spaces.space import Space


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


def make_space(choice: SpaceChoice, error: Callable[[Key, str], StudyError], data: DataInfo | None = None) -> Space:
    """The space that a study file, or an option, describes.

    Args:
        choice: name and settings of the space.
        error: function that makes the error about a key, which begins with "space".
        data: data whose classes, channels and resolution are taken where the settings have none; None: the space's
            own defaults are taken.

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
    """Settings that follow from the data: a preset for about its resolution, or the resolution for a user's class."""
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
    """The object that `package.module:Class` names; modules in the working folder are found as well."""
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
