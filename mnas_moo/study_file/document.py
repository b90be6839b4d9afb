"""YAML read as plain data together with its lines, so that every message can say `file:line: key …`.

A file may come from a stranger. No tag is read, so that values are text, numbers, true, false, empty, dates, lists and
mappings of them; and size, depth and the number of values, aliases expanded, are bounded. Two more differences from
PyYAML's own loading: a key given twice is an error, and `1e-3` is a number (YAML 1.2; YAML 1.1 wants `1.0e-3`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from mnas_moo.spaces.names import MOST_NAMES, closest
from mnas_moo.spaces.printable import printable, short, unprintable

Key = tuple[str | int, ...]
"""Where a value stands: the keys that lead to it."""

MAX_BYTES = 64 * 1024
"""Size of a study file; longer ones are not read."""
MAX_DEPTH = 30
"""Number of lists and mappings within each other."""
MAX_VALUES = 5000
"""Number of values (keys, lists and mappings included), each counted as often as aliases repeat it."""
MAX_TEXT = 4096
"""Length of a text, as of a path."""
MAX_LINE = 3000
"""Length of a message."""
MAX_SHORT = 100
"""Length of a key, and of a number or date."""


class StudyError(ValueError):
    """A study cannot be run as it is written; the message is one line that says where, what and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


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
        raise error if isinstance(error, StudyError) else StudyError(str(error)) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2's floats, without tags, and with bounds on depth and number of nodes."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path, self.depth, self.nodes = path, 0, 0

    def refused(self, mark: yaml.Mark, problem: str) -> StudyError:
        """The error about what stands at a mark."""
        return StudyError(f"{self.path}:{mark.line + 1}: {problem}")

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node, refused where it has a tag or is one too many; composing is recursive, as nodes are."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise self.refused(event.start_mark, f"not valid YAML: the tag {shown(event.tag)} means nothing here")
        self.nodes += 1
        if self.nodes > MAX_VALUES:
            raise self.refused(event.start_mark, f"the file has more than {MAX_VALUES} values")
        if self.depth > MAX_DEPTH:
            raise self.refused(event.start_mark, f"nested too deeply; at most {MAX_DEPTH} levels are read")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


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
        return StudyError(f"{where}: {'.'.join(map(str, key))}{blank}{problem}")


def read_document(path: str, text: str) -> Document:
    """Reads a YAML mapping.

    Args:
        path: the file's name in messages.
        text: the file's content.

    Raises:
        StudyError: it does not parse, is larger or deeper than allowed, has a tag, a key given twice or one that is not
            text, or is no mapping.
    """
    if len(text) > MAX_BYTES:
        raise StudyError(f"{path}: the file is longer than {MAX_BYTES} characters, too long for a study file")
    try:
        loader = _Loader(path, text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise StudyError(f"{path}:{line}: not valid YAML: a control character, {chr(error.character)!r}") from error
    try:
        root = loader.get_single_node()
        if root is None:
            raise StudyError(f"{path}:1: the file is empty; a study file is a mapping, beginning with `name: …`")
        data = _Values(loader).of(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise StudyError(f"{where}: not valid YAML: {error.problem or error.context}") from error
    except (ValueError, OverflowError) as error:  # an escape of no character, as "\UFFFFFFFF"
        if isinstance(error, StudyError):
            raise
        raise StudyError(f"{path}:{loader.line + 1}: not valid YAML: {error}") from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise StudyError(f"{path}:1: the file holds {shown(data)}; a study file is a mapping, beginning with `name: …`")
    return Document(path, data, root)


class _Values:
    """Plain data of nodes; an aliased node is built once, and counted wherever it stands."""

    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self._done: dict[yaml.Node, tuple[Any, int]] = {}  # value, and the number of values in it
        self._open: set[yaml.Node] = set()

    def of(self, node: yaml.Node) -> Any:
        """The value of a node.

        Raises:
            StudyError: the node holds itself or more than ``MAX_VALUES`` values, a key is not text or given twice, or a
                scalar cannot be read.
        """
        return self._counted(node)[0]

    def _counted(self, node: yaml.Node) -> tuple[Any, int]:
        if node in self._done:
            return self._done[node]
        if node in self._open:
            raise self._loader.refused(node.start_mark, "an alias holds itself")
        self._open.add(node)
        value: Any
        count = 1
        if isinstance(node, yaml.MappingNode):
            value = {}
            for key_node, value_node in node.value:
                key = self._key(key_node)
                if key in value:
                    first = next(each for each, _ in node.value if each.value == key).start_mark.line + 1
                    problem = f"{key} is given twice, first in line {first}; each name stands once"
                    raise self._loader.refused(key_node.start_mark, problem)
                value[key], more = self._counted(value_node)
                count += more + 1
        elif isinstance(node, yaml.SequenceNode):
            value = []
            for item in node.value:
                found, more = self._counted(item)
                value.append(found)
                count += more
        else:
            value = self._scalar(node)
        if count > MAX_VALUES:
            raise self._loader.refused(node.start_mark, f"aliases make it more than {MAX_VALUES} values")
        self._open.discard(node)
        self._done[node] = value, count
        return value, count

    def _key(self, node: yaml.Node) -> str:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise self._loader.refused(node.start_mark, f"the key {shown(key)} is not text; quote it if it is meant")
        if len(key) > MAX_SHORT:
            problem = f"a key has {len(key)} characters; at most {MAX_SHORT} are read"
            raise self._loader.refused(node.start_mark, problem)
        return key

    def _scalar(self, node: yaml.Node) -> Any:
        most = MAX_TEXT if node.tag == self._loader.DEFAULT_SCALAR_TAG else MAX_SHORT
        if len(node.value) > most:
            problem = f"a value has {len(node.value)} characters; at most {most} are read"
            raise self._loader.refused(node.start_mark, problem)
        wrong = unprintable(node.value)
        if wrong is not None:
            raise self._loader.refused(node.start_mark, f"not valid YAML: a control character, {wrong!r}")
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError) as error:  # a date such as 2020-99-99
            raise self._loader.refused(node.start_mark, f"not valid YAML: {error}") from error


def shown(value: object) -> str:
    """A value as a message shows it: short, and in YAML's words."""
    words = {None: "empty", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_line(text: str) -> str:
    """The text with every run of white space one blank, and without characters that must not be shown as they are.

    Where it is longer than ``MAX_LINE``, its middle is left out.
    """
    line = printable(" ".join(text.split()))
    return line if len(line) <= MAX_LINE else f"{line[: MAX_LINE // 2]} … {line[-MAX_LINE // 2 :]}"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """What a message says about an unknown word: `; did you mean 'x'? allowed: x, y`."""
    listed = list(dict.fromkeys(map(short, map(str, allowed))))  # of a storage, they may be anything
    near = closest(str(word), listed)
    guess = f"; did you mean {near!r}?" if near else ";"
    more = f" and {len(listed) - MOST_NAMES} more" if len(listed) > MOST_NAMES else ""
    return f"{guess} allowed: {', '.join(listed[:MOST_NAMES])}{more}"
