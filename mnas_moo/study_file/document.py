"""YAML read as plain data together with its lines, so that every message can say `file:line: key …`.

PyYAML's safe tags only, nothing is evaluated. Two differences from PyYAML's own loading: a key given twice is an
error, and `1e-3` is a number (YAML 1.2; YAML 1.1 wants `1.0e-3`).
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Key = tuple[str | int, ...]
"""Where a value stands: the keys that lead to it."""


class StudyError(ValueError):
    """A study cannot be run as it is written; the message is one line that says where, what and what to do."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turns the errors that a user's input causes into the one line that ends the program.

    Raises:
        StudyError: in place of every ``ValueError`` and ``OSError`` of the block.
    """
    try:
        yield
    except OSError as error:
        raise StudyError(f"{error.filename or 'output'}: {error.strerror or error}") from error
    except ValueError as error:
        raise error if isinstance(error, StudyError) else StudyError(one_line(str(error))) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's floats."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


@dataclass(frozen=True)
class Document:
    """One YAML file.

    Attributes:
        path: the file as the user named it; every message begins with it.
        data: the file's content as plain data.
        root: the parsed nodes, which know their lines.
        overridden: keys whose values were not taken from the file, so that messages name no line.
    """

    path: str
    data: dict[str, Any]
    root: yaml.Node
    overridden: frozenset[str] = frozenset()

    def line(self, key: Key) -> int:
        """The line (from 1) of a key, or of the nearest of its parents that is in the file."""
        node, line = self.root, self.root.start_mark.line
        for part in key:
            if isinstance(node, yaml.MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == part), None)
                if found is None:
                    break
                line, node = found[0].start_mark.line, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line
            else:
                break
        return line + 1

    def error(self, key: Key, problem: str) -> StudyError:
        """The error for what is wrong at a key: `file:line: dotted.key problem`; a colon may begin the problem."""
        blank = "" if problem.startswith(":") else " "
        where = self.path if key and key[0] in self.overridden else f"{self.path}:{self.line(key)}"
        return StudyError(one_line(f"{where}: {'.'.join(map(str, key))}{blank}{problem}"))


def read_document(path: str, text: str) -> Document:
    """Reads a YAML mapping.

    Args:
        path: the file's name in messages.
        text: the file's content.

    Raises:
        StudyError: it does not parse, a key is given twice or is not text, or it is no mapping.
    """
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise StudyError(f"{path}:{line}: not valid YAML: a control character, {chr(error.character)!r}") from error
    try:
        root = loader.get_single_node()
        if root is None:
            raise StudyError(f"{path}:1: the file is empty; a study file is a mapping, beginning with `name: …`")
        data = _construct(path, loader, root, {}, set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise StudyError(one_line(f"{where}: not valid YAML: {error.problem or error.context}")) from error
    except RecursionError:
        raise StudyError(f"{path}: nested too deeply") from None
    except ValueError as error:  # a date such as 2020-99-99
        if isinstance(error, StudyError):
            raise
        raise StudyError(one_line(f"{path}: not valid YAML: {error}")) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise StudyError(f"{path}:1: the file holds {shown(data)}; a study file is a mapping, beginning with `name: …`")
    return Document(path, data, root)


def _construct(path: str, loader: _Loader, node: yaml.Node, done: dict[yaml.Node, Any], open_: set[yaml.Node]) -> Any:
    """Plain data of a node; an aliased node is built once, and one that holds itself is an error."""
    if node in done:
        return done[node]
    if node in open_:
        raise StudyError(f"{path}:{node.start_mark.line + 1}: an alias holds itself")
    open_.add(node)
    plain = (yaml.MappingNode, loader.DEFAULT_MAPPING_TAG), (yaml.SequenceNode, loader.DEFAULT_SEQUENCE_TAG)
    if any(isinstance(node, kind) and node.tag != tag for kind, tag in plain):
        raise StudyError(f"{path}:{node.start_mark.line + 1}: not valid YAML: the tag {node.tag!r} means nothing here")
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            where = f"{path}:{key_node.start_mark.line + 1}"
            if not isinstance(key, str):
                raise StudyError(f"{where}: the key {shown(key)} is not text; quote it if it is meant")
            if key in value:
                raise StudyError(f"{where}: {key} is given twice")
            value[key] = _construct(path, loader, value_node, done, open_)
    elif isinstance(node, yaml.SequenceNode):
        value = [_construct(path, loader, item, done, open_) for item in node.value]
    else:
        value = loader.construct_object(node)
    open_.discard(node)
    done[node] = value
    return value


def shown(value: object) -> str:
    """A value as a message shows it: short, and in YAML's words."""
    words = {None: "empty", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(text: str) -> str:
    """The text with every run of white space one blank."""
    return " ".join(text.split())


def nearest(word: str, allowed: Iterable[str]) -> str:
    """What a message says about an unknown word: `; did you mean 'x'? allowed: x, y`."""
    names = {name.lower(): name for name in allowed}
    alike = {name: difflib.SequenceMatcher(None, name, str(word).lower()).ratio() for name in names}
    best = max(alike, key=alike.__getitem__, default="")  # the first of equally near ones
    guess = f"; did you mean {names[best]!r}?" if best and alike[best] >= 0.5 else ";"
    return f"{guess} allowed: {', '.join(names.values())}"
