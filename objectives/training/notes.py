"""What stands beside the checkpoint of a long training: its length, into which minutes were turned, and its curve."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from mnas_moo.objectives.whole_file import whole_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Point = TypeVar("_Point", bound="DataclassInstance")


class Notes(Generic[_Point]):
    """The notes of one training; those that the file holds of another one are not taken.

    Args:
        path: the file, JSON.
        identity: what the training is.
        unit: what its length is counted in: "steps" or "epochs".
        point: the dataclass of a point of the curve.

    Attributes:
        length: length of the training; None: it is not known yet.
        curve: the points so far.
    """

    def __init__(self, path: Path, identity: str, unit: str, point: type[_Point]) -> None:
        self.path = path
        self.identity = identity
        self.unit = unit
        self.length: int | float | None = None
        self.curve: list[_Point] = []
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            if held["identity"] == identity and type(held[unit]) in ((int,) if unit == "steps" else (int, float)):
                self.curve = [point(**each) for each in held["curve"]]
                self.length = held[unit]
        except (OSError, ValueError, TypeError, KeyError):
            pass

    def write(self) -> None:
        """Writes the file anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        held = {"identity": self.identity, self.unit: self.length, "curve": [asdict(point) for point in self.curve]}
        with whole_file(self.path) as part:
            part.write_text(json.dumps(held), encoding="utf-8")
