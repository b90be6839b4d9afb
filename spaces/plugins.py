"""Spaces of others: of installed packages, and of modules that the user names.

A space is a class that satisfies ``Space``. An installed package makes one known by an entry point of the group
``mnas_moo.spaces``. A module or file becomes known by being named on the command line (``--plugin``) or in the
environment variable MNAS_MOO_PLUGINS; its spaces are called `module:Class`, or by the class's attribute ``name``. A
name alone, as a study file or a lookup table has it, imports nothing that is known in neither way.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from mnas_moo.spaces.space import Space

GROUP = "mnas_moo.spaces"
"""Group of the entry points; the name of an entry point is the name of its space."""
VARIABLE = "MNAS_MOO_PLUGINS"
"""Environment variable: modules and files, separated as in PATH."""
MEMBERS = ("distributions", "spec", "params", "random", "canonical")
"""What a class must have to be a space; without ``covering``, no lookup table can be built for it."""


def named(plugins: Sequence[str] = ()) -> tuple[str, ...]:
    """The plugins that the user has named: these, and then those of MNAS_MOO_PLUGINS."""
    return (*plugins, *filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))


def find(name: str, plugins: Sequence[str] = ()) -> type[Space] | None:
    """The class of a space of that name, or None where nobody has it.

    Modules are imported in the order in which they are named, until one has it; entry points come last, and only the
    one of that name is imported.

    Args:
        name: name of a space, or `module:Class`.
        plugins: modules and files, as ``named`` gives them.

    Raises:
        ValueError: a plugin cannot be imported, or what it has by that name is no space.
    """
    for plugin in plugins:
        module = _imported(plugin)
        found = spaces_of(module).get(name)
        if found is not None:
            return found
        there, _, attribute = name.partition(":")
        if there == module.__name__ and hasattr(module, attribute):
            raise ValueError(f"plugin {plugin}: {_no_space(name, getattr(module, attribute))}")
    for entry in metadata.entry_points(group=GROUP):
        if name in (entry.name, entry.value):
            what = f"{entry.dist.name if entry.dist else 'a package'}: entry point {entry.name}"
            try:
                loaded = entry.load()
            except Exception as error:  # of somebody's code
                raise ValueError(f"{what} cannot be imported: {_in_words(error)}") from error
            if not is_space(loaded):
                raise ValueError(f"{what}: {_no_space(entry.value, loaded)}")
            return loaded  # type: ignore[no-any-return]
    return None


def made(name: str, settings: Mapping[str, Any], plugins: Sequence[str] = ()) -> Space | None:
    """The space of that name with settings, or None where nobody has it; ``plugins`` as in ``find``.

    Raises:
        ValueError: for the reasons that ``find`` has, or the space refuses its settings.
    """
    found = find(name, plugins)
    if found is None:
        return None
    try:
        return found(**settings)
    except Exception as error:  # of somebody's code
        raise ValueError(f"space {name}: {_in_words(error)}") from error


def known(plugins: Sequence[str] = ()) -> list[str]:
    """The names of spaces that ``find`` knows; plugins are imported, entry points are not."""
    names = [name for plugin in plugins for name in spaces_of(_imported(plugin))]
    return [*names, *sorted(entry.name for entry in metadata.entry_points(group=GROUP))]


def is_space(found: object) -> bool:
    """Whether an object is a class with what a space needs; it is not called."""
    return inspect.isclass(found) and all(hasattr(found, member) for member in MEMBERS)


def spaces_of(module: ModuleType) -> Mapping[str, type[Space]]:
    """The spaces that a module defines or imports, as `module:Class` and by their names.

    Classes of a protocol, such as ``Space`` itself, are none.
    """
    found: dict[str, type[Space]] = {}
    for attribute, value in vars(module).items():
        if is_space(value) and not getattr(value, "_is_protocol", False):
            found[f"{module.__name__}:{attribute}"] = value
            if isinstance(getattr(value, "name", None), str):
                found.setdefault(value.name, value)
    return found


def _no_space(name: str, found: object) -> str:
    if not inspect.isclass(found):
        return f"{name} is no class, so it is no space"
    missing = ", ".join(member for member in MEMBERS if not hasattr(found, member))
    return f"{name} is no space; it lacks {missing} (mnas_moo.spaces.Space)"


def _in_words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _imported(plugin: str) -> ModuleType:
    """The module of a plugin: imported by its name, or read from its file under the file's name.

    Raises:
        ValueError: it cannot be imported, or the file's name is that of another module.
    """
    is_file = plugin.endswith(".py") or os.sep in plugin
    try:
        return _from_file(plugin) if is_file else importlib.import_module(plugin)
    except (Exception, SystemExit) as error:  # of somebody's code
        absent = isinstance(error, ModuleNotFoundError) and not is_file
        hint = "; a file is named with its ending: my_space.py" if absent else ""
        raise ValueError(f"plugin {plugin} cannot be imported: {_in_words(error)}{hint}") from error


def _from_file(plugin: str) -> ModuleType:
    file = Path(plugin).resolve()
    if not file.is_file():
        raise ValueError("there is no such file")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ValueError("it is no Python file; its name must end in .py")
    there = sys.modules.get(file.stem)
    if there is not None and getattr(there, "__file__", None) == str(file):
        return there
    other = importlib.util.find_spec(file.stem) if file.stem.isidentifier() and there is None else None
    if there is not None or (other is not None and Path(other.origin or "").resolve() != file):
        raise ValueError(f"there is another module of the name {file.stem}; name the file otherwise")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # before it is executed, as importlib does: dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[file.stem]
        raise
    return module
