"""Damaged and hostile study files: each is a study or one line, at once, and nothing else happens.

Bundled files and snippets known to be nasty are mutated in their bytes, tokens, lines and structure.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import bundled, load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.study import StudyFile
from mnas_moo.study_file.tabular_study import TabularStudy
from tests.study_file.conftest import TABLE, TEXT

FEW, MANY = 200, 2000
SECONDS = 2.0
ROOT = Path(__file__).resolve().parents[2]
FILES = [(ROOT / "studies" / f"{name}.yaml").read_text(encoding="utf-8") for name in bundled()] + [TEXT, TABLE]
NASTY = (
    "!!python/object/apply:os.system [touch x]", "!!python/name:os.system", "!!int ''", "!!bool x", "!!timestamp x",
    "!!binary x", "!!set {a}", "!x y", "&a [*a]", "*nobody", "&a a", "*a", "<<: *a", "<<: {}", "=", "~", "[", "{", "]",
    '"\\UFFFFFFFF"', '"\\uD800"', '"\\0"', '"\\e[2J"', "\0", "\x1b", "\ufeff", "\ud83d\ude00", "\u2028", "\x85", "\t",
    "2020-99-99", "2020-01-01", "0001-01-01T00:00:00+23:59", "9999-12-31 23:59:59 -23:59", "0b_", "0x_", "0o9", "1:1:1",
    "0x" + "f" * 90, "1" * 99, "9" * 5000, "1e999", "-1e999", ".nan", ".inf", "-0", "1_000", "1e-3",
    "%TAG ! x", "%YAML 9.9", "---", "...", "- ", "? ", ": ", "|", ">", "|9", "# ", "'", '"',
    "{'os:system': {command: 'touch x'}}", "{'subprocess:run': {args: [touch, x]}}", "this:s", "antigravity:geohash",
    "../../x", "/etc/passwd", "/dev/zero", "file:///etc/passwd", "postgresql://u:p@h:port/d", "sqlite://", "sqlite:////",
    "journal:///", "mysql://[::1", "x" * 5000, "[" * 300, "a: " * 50, "{mnasnet: {blocks: 999999999}}",
    "{mnasnet: {width: 1.0e+300}}", "{mnasnet: {resolution: 99999999999}}", "{mnasnet: {filters: [1]}}",
    "{mnasnet: {preset: digits, layers: [9999999], strides: [1], filters: [1]}}", "null", "true", "on", "é", "",
)  # fmt: skip
BOMB = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10))]) + "\n"
DATA = [yaml.safe_load(text) for text in FILES]
FORBIDDEN = (
    *("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn", "pty.", "socket.", "ctypes."),
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chdir", "shutil."),
)
"""Beginnings of Python's audit events for processes, connections and changes of folders."""


def in_bytes(text: str, rng: random.Random) -> str:
    """Some characters replaced, repeated or left out."""
    signs = list(text)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(signs) + 1)
        signs[at : at + rng.choice((0, 1, 1, 5))] = rng.choice((chr(rng.randrange(256)), "", signs[at : at + 9] * 2))
    return "".join(signs)


def in_tokens(text: str, rng: random.Random) -> str:
    """Some words replaced by what is nasty, or by each other."""
    words = text.split(" ")
    for _ in range(rng.randint(1, 4)):
        words[rng.randrange(len(words))] = rng.choice((rng.choice(NASTY), rng.choice(words)))
    return " ".join(words)


def in_lines(text: str, rng: random.Random) -> str:
    """Lines left out, given twice, moved, cut or indented, and the values of some replaced."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        key, colon, _ = lines[at].partition(":")
        lines[at : at + 1] = rng.choice(
            (
                [],
                [lines[at]] * 2,
                [lines[at], rng.choice(lines)],
                ["  " + lines[at]],
                [lines[at][: rng.randrange(len(lines[at]) + 1)]],
                [f"{key}{colon} {rng.choice(NASTY)}\n"],
                [f"{rng.choice(NASTY)}: {rng.choice(NASTY)}\n", lines[at]],
                [BOMB, lines[at]],
            )
        )
        lines = lines or [text]
    return "".join(lines)


def in_structure(data: Any, rng: random.Random) -> Any:
    """The same data with one value, somewhere in it, replaced."""
    if isinstance(data, dict) and data and rng.random() < 0.9:
        key = rng.choice(list(data))
        changed = {**data, key: in_structure(data[key], rng)}
        if rng.random() < 0.1:
            changed[rng.choice(NASTY)] = changed.pop(key)
        return changed
    if isinstance(data, list) and data and rng.random() < 0.7:
        at = rng.randrange(len(data))
        return [*data[:at], in_structure(data[at], rng), *data[at + 1 :]]
    others = (None, True, -1, 0, 1 << 70, 1e308, float("nan"), [], {}, [data] * 50, {"a": data}, [[data]], str(data))
    return rng.choice((*others, rng.choice(NASTY), rng.choice(DATA)))


def mutated(rng: random.Random) -> bytes:
    """A study file that somebody has damaged or written with intent."""
    at = rng.randrange(len(FILES))
    if rng.random() < 0.4:
        try:
            text = yaml.safe_dump(in_structure(DATA[at], rng), allow_unicode=rng.random() < 0.5)
        except yaml.YAMLError:
            text = FILES[at]
    else:
        text = FILES[at]
    for _ in range(rng.randint(0, 2)):
        text = rng.choice((in_bytes, in_tokens, in_lines))(text, rng) if text else rng.choice(NASTY)
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        content = content[: rng.randrange(len(content) + 1)] + bytes([rng.randrange(256)])
    return content


class Watch:
    """Notes processes, connections, files opened for writing and changes of folders, of which audit events tell."""

    def __init__(self) -> None:
        self.on, self.seen = False, list[str]()
        sys.addaudithook(self._note)  # for good: a hook cannot be taken back

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        writes = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if writes or event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments}")


WATCH = Watch()


def check(content: bytes, folder: Path) -> None:
    """The file is a study or one line, soon, and loading it does nothing else."""
    path = folder / "fuzz.yaml"
    path.write_bytes(content)
    before, since = set(sys.modules), time.process_time()
    WATCH.seen, WATCH.on = [], True
    try:
        study: StudyFile | None = load_study_file(path)
    except StudyError as error:
        study, message = None, str(error)
    finally:
        WATCH.on = False
    assert time.process_time() - since < SECONDS
    assert WATCH.seen == []
    new = {name for name in set(sys.modules) - before if name.partition(".")[0] not in ("mnas_moo", "encodings")}
    assert new == set()
    assert [entry.name for entry in folder.iterdir()] == ["fuzz.yaml"]
    if study is None:
        assert message.startswith(str(path))
        assert len(message.splitlines()) == 1
        assert len(message) < 10_000
        message.encode()
    else:
        assert study.files.name.endswith("_files")
        assert study.objective_names if isinstance(study, NetworkStudy) else isinstance(study, TabularStudy)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the files, after all that belongs to loading has been imported."""
    for name in bundled():
        load_study_file(name)
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "fuzz.yaml").write_text(TEXT.replace("{mnasnet: {preset: digits, blocks: 3}}", "nobody:Knows"))
    with pytest.raises(StudyError):
        load_study_file(folder / "fuzz.yaml")
    return folder


def fuzzed(n: int) -> Any:
    """Settings of n examples, the same ones every time, none of them kept, and no time lost with shrinking."""
    return settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


def test_a_mutated_study_file_is_a_study_or_one_line(folder: Path) -> None:
    @fuzzed(FEW)
    @given(st.integers(0, 2**32))
    def each(seed: int) -> None:
        check(mutated(random.Random(seed)), folder)

    each()


@pytest.mark.slow
def test_two_thousand_mutated_study_files_are_studies_or_one_line_each(folder: Path) -> None:
    @fuzzed(MANY)
    @given(st.integers(0, 2**32))
    def each(seed: int) -> None:
        check(mutated(random.Random(seed + 1)), folder)

    each()


def test_what_is_nasty_is_a_study_or_one_line_wherever_it_stands(folder: Path) -> None:
    for snippet in (*NASTY, BOMB):
        for text in (snippet, f"{TEXT}{snippet}", f"{snippet}\n{TEXT}", f"{snippet}: 1\n", f"[{snippet}]"):
            check(text.encode("utf-8", "surrogatepass"), folder)
        for key in ("name", "storage", "space", "data", "objectives", "sampler", "trials"):
            lines = [f"{key}: {snippet}" if line.startswith(f"{key}:") else line for line in TEXT.splitlines()]
            check("\n".join(lines).encode("utf-8", "surrogatepass"), folder)


def test_both_studies_and_messages_come_of_the_mutations(folder: Path) -> None:
    loaded = 0
    for seed in range(60):
        (folder / "fuzz.yaml").write_bytes(mutated(random.Random(seed)))
        try:
            loaded += bool(load_study_file(folder / "fuzz.yaml"))
        except StudyError:
            continue
    assert 5 <= loaded <= 55


@pytest.mark.parametrize("deed", [lambda p: p.touch(), lambda p: p.mkdir(), lambda p: os.system("true")])
def test_the_watch_sees_a_file_a_folder_and_a_process(deed: Any, tmp_path: Path) -> None:
    WATCH.seen, WATCH.on = [], True
    deed(tmp_path / "x")
    WATCH.on = False
    assert WATCH.seen
