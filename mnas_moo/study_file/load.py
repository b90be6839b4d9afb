"""Reads a study file, or one part of it from the command line, and says in one line what is wrong with it.

A study file is data: nothing in it is evaluated or imported; a space that is not of this package comes from a plugin,
which the user names. The schema is pydantic's; what it cannot know (spaces and their settings, which objectives a
reward joins) is checked by building it. Every message is one line, `file:line: dotted.key …`, about the first mistake
in the file. Relative paths (of a storage, of data) start from the folder the program runs in.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mnas_moo.objectives.objective import is_latency
from mnas_moo.objectives.regular_file import UnfitFileError, read_regular
from mnas_moo.study_file.document import MAX_BYTES, Document, Key, StudyError, nearest, read_document
from mnas_moo.study_file.measuring import Latency, Measured
from mnas_moo.study_file.network_study import NetworkStudy, SpaceStudy
from mnas_moo.study_file.parts import first_complaint
from mnas_moo.study_file.study import StudyFile
from mnas_moo.study_file.tabular_study import TabularStudy

_Model = TypeVar("_Model", bound=BaseModel)


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
    skip_broken: bool = False,
    plugins: Sequence[str] = (),
    reading: bool = False,
    space_only: bool = False,
) -> StudyFile:
    """Reads and checks a study file; data, tables and storage are not touched.

    >>> from mnas_moo import load_study_file
    >>> study = load_study_file("digits", trials=20)
    >>> study.objective_names, study.directions, study.trials
    (('accuracy', 'latency_ms'), ('maximize', 'minimize'), 20)

    Args:
        name_or_path: path of a file, or name of a bundled study; where both exist, the file is read.
        storage: URL of the storage, instead of the file's.
        data: path of the images instead of the file's; how they are laid out (imagenet, cifar10) stays.
        trials: number of finished trials wanted, instead of the file's.
        tables: folder of the published tables, for a study of one of them; None: the folder that the environment
            variable MNAS_MOO_TABLES names.
        benchmark_model: path of the program that times networks on the study's phones, instead of the file's.
        skip_broken: whether images that cannot be read are left out instead of refused.
        plugins: modules and Python files whose spaces the file may name, besides those of the environment variable
            MNAS_MOO_PLUGINS; only what the file's space needs is imported.
        reading: only results are read; no plugin is imported, and a space that is not of this package is not checked.
        space_only: only space and images are used; a file may lack what else a study of networks has.

    Returns:
        The study: a ``NetworkStudy``, or where the file has a `table` a ``TabularStudy``.

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
        study = _kind(values, space_only).model_validate(values)
    except ValidationError as error:
        raise first_complaint(document, error.errors()) from None
    if benchmark_model is not None:
        study = _with_program(document, study, benchmark_model)
    study._document = document
    study._tables = tables
    study._plugins = tuple(plugins)
    if isinstance(study, NetworkStudy):
        study._skip_broken = skip_broken
    study.check(reading=reading)
    return study


def _with_program(document: Document, study: StudyFile, path: str) -> StudyFile:
    """The study with another ``benchmark_model`` for the phones that it measures on.

    Raises:
        StudyError: the study does not measure on phones.
    """
    if not isinstance(study, NetworkStudy):
        raise StudyError(f"{document.path}: --benchmark-model is for studies that measure on phones: latency_ms: adb")
    changed: dict[str, Measured] = {}
    for name in study.objective_names:
        latency = study.latency_of(name) if is_latency(name) else None
        predicted = latency.model if isinstance(latency, Latency) else None
        device: Measured | None = latency if predicted is None else predicted.measure
        if latency is None or device is None or device.adb is None:
            continue
        device = device.model_copy(update={"adb": device.adb.model_copy(update={"benchmark_model": path})})
        if predicted is not None:
            device = latency.model_copy(update={"model": predicted.model_copy(update={"measure": device})})
        changed[name] = device
    if not changed:
        raise StudyError(f"{document.path}: --benchmark-model is for studies that measure on phones: latency_ms: adb")
    return study.model_copy(update={"objectives": study.objectives.model_copy(update=changed)})


def _kind(values: Mapping[str, Any], space_only: bool) -> type[StudyFile]:
    if "table" in values:
        return TabularStudy
    return SpaceStudy if space_only else NetworkStudy


def _read(name: str) -> Document:
    path = Path(name)
    try:
        if path.exists():
            return read_document(name, read_regular(path, MAX_BYTES).decode("utf-8"))
        if name in bundled():
            entry = resources.files("mnas_moo.studies").joinpath(f"{name}.yaml")
            return read_document(f"{name}.yaml", entry.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise StudyError(f"{name}: not text in UTF-8 ({error.reason} at byte {error.start})") from error
    except UnfitFileError as error:
        raise StudyError(f"{name}: {error}; name a study file, which is text in YAML") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        if isinstance(error, StudyError):
            raise
        raise StudyError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    guess = nearest(path.stem, bundled()).replace("allowed:", "bundled:")
    raise StudyError(f"{name}: there is no such file, and no bundled study of that name{guess}")


class _Option(Document):
    """The value of a command line's option: messages begin with the option's name and have no line numbers."""

    def error(self, key: Key, problem: str) -> StudyError:
        """The error for what is wrong at a key: `--option: dotted.key problem`."""
        blank = "" if problem.startswith(":") or not key else " "
        return StudyError(f"{self.path}: {'.'.join(map(str, key))}{blank}{problem}")


def read_option(option: str, text: str, kind: type[_Model]) -> _Model:
    """A part of a study file, given on the command line as its value would stand in a file.

    Args:
        option: name of the option; every message begins with it.
        text: the option's value, in YAML.
        kind: the part of a study file that it is.

    Raises:
        StudyError: in one line, what is wrong and what is allowed.
    """
    document = read_document(option, "value:\n  " + text.replace("\n", "\n  "))
    try:
        return kind.model_validate(document.data["value"])
    except ValidationError as error:
        raise first_complaint(_Option(document.path, document.data, document.root), error.errors()) from None
