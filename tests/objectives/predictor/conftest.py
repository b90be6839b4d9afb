from __future__ import annotations

from mnas_moo.objectives.predictor.parts import Part


def part(kind: str = "conv", channels: int = 8, **changes: int) -> Part:
    """An operation on 4 x 4 pixels with as many channels out as in, and 1 for every kind of work unless given."""
    own = {"in_channels": channels, "out_channels": channels, "height": 4, "width": 4, "kernel": 1, "stride": 1}
    return Part(kind, **{**own, "multiply_adds": 1, "elements": 1, "parameters": 1, **changes})
