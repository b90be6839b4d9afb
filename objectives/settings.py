"""How the settings of objectives are declared, so that defaults and bounds are written down once.

Each source of a measurement has a frozen dataclass of the settings that study files may give it, in a ``settings.py``
that needs no torch and no runtime. Its class takes its defaults from there, and the study file's schema
(``mnas_moo.study_file.measuring``) types, defaults and bounds. Bounds are the metadata of a field, under pydantic's
names for them.
"""

from __future__ import annotations

from typing import Final, Literal

DataType = Literal["float32", "int8"]
"""How a network's weights and activations are stored where latency is measured."""

COUNT: Final = {"ge": 1}
"""Bounds of a number of things."""
POSITIVE: Final = {"gt": 0, "allow_inf_nan": False}
"""Bounds of an amount."""
SHARE: Final = {"gt": 0, "lt": 1}
"""Bounds of a part of a whole."""
