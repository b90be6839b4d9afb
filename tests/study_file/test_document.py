from __future__ import annotations

import pytest

from mnas_moo.study_file.document import StudyError, nearest, read_document

TEXT = """\
# a comment
name: a
part:
  - 1
  - {x: 1e-3, y: [2, 3]}
last: 5
"""


def test_data_is_plain() -> None:
    assert read_document("f.yaml", TEXT).data == {"name": "a", "part": [1, {"x": 0.001, "y": [2, 3]}], "last": 5}


def test_every_key_knows_its_line_and_an_absent_one_its_parents() -> None:
    document = read_document("f.yaml", TEXT)
    assert [document.line(key) for key in ((), ("name",), ("part",), ("part", 1, "y", 1), ("part", 0, "z"))] == [
        2, 2, 3, 5, 4,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml:1: the file is empty"),
        ("# nothing", "f.yaml:1: the file is empty"),
        ("- a", "f.yaml:1: the file holds ['a']"),
        ("a: 1\nb: [1,\nc: 2", "f.yaml:3: not valid YAML: "),
        ("a: 1\n\tb: 2", "f.yaml:2: not valid YAML: "),
        ("a: 1\nb: 2\na: 3", "f.yaml:3: a is given twice, first in line 1; each name stands once"),
        ("a:\n  b: 1\n  b: 2", "f.yaml:3: b is given twice"),
        ("a: 1\n2: 3", "f.yaml:2: the key 2 is not text"),
        ("on: 3", "f.yaml:1: the key true is not text"),
        ("a: &x\n  b: *x", "f.yaml:1: an alias holds itself"),
        ("a: !!python/object/apply:os.system [echo]", "f.yaml:1: not valid YAML: the tag 'tag:yaml.org,2002:python"),
        ("a: !!python/name:os.system", "f.yaml:1: not valid YAML: the tag 'tag:yaml.org,2002:python/name:os.system'"),
        ("a: 1\nb: !!int ''", "f.yaml:2: not valid YAML: the tag 'tag:yaml.org,2002:int' means nothing here"),
        ("a: !!bool x", "f.yaml:1: not valid YAML: the tag 'tag:yaml.org,2002:bool'"),
        ("a: !!timestamp x", "f.yaml:1: not valid YAML: the tag 'tag:yaml.org,2002:timestamp'"),
        ("a: ! x", "f.yaml:1: not valid YAML: the tag '!'"),
        ("!!map\na: 1", "f.yaml:1: not valid YAML: the tag 'tag:yaml.org,2002:map'"),
        ("a: 1\n!!str b: 1", "f.yaml:2: not valid YAML: the tag 'tag:yaml.org,2002:str'"),
        ('a: 1\nb: "\\UFFFFFFFF"', "f.yaml:2: not valid YAML: "),
        ('a: 1\nb: "\\uD800"', "f.yaml:2: not valid YAML: a control character, '\\ud800'"),
        ('a: "\\0"', "f.yaml:1: not valid YAML: a control character, '\\x00'"),
        ('a: "\\e[2J"', "f.yaml:1: not valid YAML: a control character, '\\x1b'"),
        ("a: 1\nb: 0b_", "f.yaml:2: not valid YAML: invalid literal for int"),
        ("a: 1\nb: 2020-01-01T00:00:00+99:00", "f.yaml:2: not valid YAML: "),
        ("a: 1\nb: 0x" + "f" * 99, "f.yaml:2: a value has 101 characters; at most 100 are read"),
        ("a: 1\nb: " + "x" * 4097, "f.yaml:2: a value has 4097 characters; at most 4096 are read"),
        ("a: 1\n" + "x" * 101 + ": 1", "f.yaml:2: a key has 101 characters; at most 100 are read"),
        ("a: 1\nb: [" + "1," * 5000 + "]", "f.yaml:2: the file has more than 5000 values"),
        ("#" * 65537, "f.yaml: the file is longer than 65536 characters"),
        ("{" * 3000, "f.yaml:1: nested too deeply"),
        ("- " * 3000, "f.yaml:1: nested too deeply"),
        ("a: 1\n---\nb: 2", "f.yaml:2: not valid YAML: "),
        ("a: 1\nb: \x01", "f.yaml:2: not valid YAML: a control character"),
        ("a: 2020-99-99", "f.yaml:1: not valid YAML: month must be in 1..12"),
        ("[" * 3000, "f.yaml:1: nested too deeply"),
    ],
)
def test_what_does_not_parse_is_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_document("f.yaml", text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_aliases_of_aliases_end_at_once_with_a_line() -> None:
    """The "billion laughs": every level doubles what a naive reader builds."""
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    with pytest.raises(StudyError, match=r"^f.yaml:12: aliases make it more than 5000 values$"):
        read_document("f.yaml", "\n".join(lines))


def test_an_alias_stands_for_its_value_and_counts_as_often_as_it_is_used() -> None:
    assert read_document("f.yaml", "a: &a {x: [1, 2]}\nb: *a").data == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}}
    part = "a: &a [" + "1," * 1600 + "]\n"
    assert len(read_document("f.yaml", part + "b: [*a, *a]").data) == 2
    with pytest.raises(StudyError, match=r"^f.yaml:2: aliases make it more than 5000 values$"):
        read_document("f.yaml", part + "b: [*a, *a, *a, *a]")


def test_a_message_is_one_line_of_a_bounded_length_that_controls_nothing() -> None:
    assert str(StudyError("a\n  b\x1b[2J\tc")) == "a b\\x1b[2J c"
    assert str(StudyError("a" * 10**6 + "b")) == f"{'a' * 1500} … {'a' * 1499}b"


def test_names_of_a_storage_may_be_many_long_and_anything() -> None:
    said = nearest("digits", ["Digits\x1b", {"a": 1}, *("x" * 10**6 + str(i) for i in range(3)), *map(str, range(99))])
    assert said.startswith(r"; did you mean 'Digits\\x1b'? allowed: Digits\x1b, {'a': 1}, xxx")
    assert said.endswith(" and 52 more")


def test_an_unknown_word_gets_the_nearest_right_one() -> None:
    assert nearest("Treads", ["threads", "precision"]) == "; did you mean 'threads'? allowed: threads, precision"
    assert nearest("xyz", ["threads", "precision"]) == "; allowed: threads, precision"
