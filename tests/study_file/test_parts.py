from __future__ import annotations

import doctest
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from pydantic import ValidationError

from mnas_moo.objectives.settings import COUNT, SHARE
from mnas_moo.study_file import parts
from mnas_moo.study_file.document import read_document
from mnas_moo.study_file.parts import Count, OneOf, Part, Parts, fields_of, first_complaint, with_fields


class Train(Part):
    epochs: Count = 8


class Tools(Parts):
    train: Train | None = None
    other: Train | None = None


class Tool(OneOf):
    train: Train | None = None
    other: Train | None = None


def complaint(kind: type[Part], text: str) -> str:
    """What is said of a file that holds a part."""
    document = read_document("file.yaml", text)
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(document.data)
    return str(first_complaint(document, caught.value.errors()))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Train, "epoch: 3", "file.yaml:1: epoch is unknown; did you mean 'epochs'? allowed: epochs"),
        (Train, "epochs: 0", "file.yaml:1: epochs is 0; it must be at least 1"),
        (Train, "epochs: 1.0", "file.yaml:1: epochs is 1.0; it must be a whole number"),
        (Tools, "\ntrain: [1]", "file.yaml:2: train is [1]; it must be a mapping of epochs"),
        (Tool, "{train: , other: }", "file.yaml:1: has train, other; exactly one is needed of train, other"),
    ],
)
def test_a_complaint_names_the_place_what_is_there_and_what_is_allowed(
    kind: type[Part], text: str, message: str
) -> None:
    assert complaint(kind, text) == message


def test_of_several_complaints_the_one_that_stands_first_in_the_file_is_made() -> None:
    assert complaint(Tools, "other: {epochs: 0}\ntrain: {epochs: -1}") == (
        "file.yaml:1: other.epochs is 0; it must be at least 1"
    )


def test_a_missing_key_is_said_last() -> None:
    class Both(Part):
        first: int
        second: int

    assert complaint(Both, "second: x") == "file.yaml:1: second is 'x'; it must be a whole number"
    assert complaint(Both, "second: 2") == "file.yaml:1: first is missing"


def test_a_name_alone_stands_for_its_default_settings() -> None:
    assert list(Tools.model_validate("train").items()) == [("train", Train())]
    assert Tool.model_validate({"other": None}).chosen == ("other", Train())


def test_names_come_in_the_order_of_the_schema() -> None:
    assert [name for name, _ in Tools.model_validate({"other": None, "train": None}).items()] == ["train", "other"]


@dataclass(frozen=True)
class Settings:
    rounds: int = field(default=3, metadata=COUNT)
    share: float = field(default=0.5, metadata=SHARE)
    word: str | None = None


@with_fields(fields_of(Settings))
class Filled(Part):
    """A part whose fields are declared elsewhere."""

    share: str = "its own"

    manner: ClassVar[frozenset[str]] = frozenset({"word"})


def test_a_part_takes_types_defaults_and_bounds_from_a_dataclass() -> None:
    assert Filled().model_dump() == {"share": "its own", "rounds": 3, "word": None}
    assert complaint(Filled, "rounds: 0") == "file.yaml:1: rounds is 0; it must be at least 1"
    assert complaint(Filled, "rounds: many") == "file.yaml:1: rounds is 'many'; it must be a whole number"
    assert complaint(Filled, "word: 1") == "file.yaml:1: word is 1; it must be text"


def test_a_part_with_fields_from_elsewhere_is_otherwise_the_part_that_was_written() -> None:
    assert (Filled.__name__, Filled.__module__) == ("Filled", __name__)
    assert Filled.__doc__ == "A part whose fields are declared elsewhere."
    assert Filled.manner == {"word"}


def test_the_example_is_right() -> None:
    assert doctest.testmod(parts) == (0, 2)
