"""The ends of an axis, and its ticks: round numbers, and their texts."""

from __future__ import annotations

import math
from collections.abc import Sequence

Ends = tuple[float, float]


def padded(values: Sequence[float], room: float = 0.06) -> Ends:
    """Ends of an axis around values, moved outwards so that nothing is cut; (0, 1) without a finite value."""
    known = [float(value) for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    out = room * (high - low) or 0.1 * abs(high) or 1.0
    return low - out, high + out


def ticks(ends: Ends, most: int) -> list[float]:
    """Round numbers within an axis: at most ``most``, at distances of 1, 2 or 5 times a power of ten.

    >>> ticks((0.12, 1.07), 5)
    [0.2, 0.4, 0.6, 0.8, 1.0]
    """
    low, high = ends
    if not high > low:
        return [low]
    raw = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * digit for digit in (1, 2, 5, 10, 20) if (high - low) / (power * digit) <= most)
    first = math.ceil(low / step - 1e-9)
    # rounded to the step's own digits, so that 3 * 0.1 is 0.3
    digits = max(0, -math.floor(math.log10(step)) + 1)
    return [round(i * step, digits) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(ends: Ends, most: int) -> list[float]:
    """Round numbers within a logarithmic axis: 1, 2 and 5 times powers of ten, or these alone, at most ``most``.

    >>> log_ticks((0.3, 40.0), 8), log_ticks((0.3, 40.0), 3)
    ([0.5, 1.0, 2.0, 5.0, 10.0, 20.0], [1.0, 10.0])

    Raises:
        ValueError: an end is not above 0.
    """
    low, high = ends
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    step = 1
    while True:
        for digits in ((1, 2, 5), (1,)) if step == 1 else ((1,),):
            # read as it is written, so that it is that number and no other
            found = [float(f"{digit}e{power}") for power in powers[::step] for digit in digits]
            within = [tick for tick in found if low <= tick <= high]
            if len(within) <= most:
                return within
        step += 1


def tick_text(value: float, percent: bool, marks: Sequence[float]) -> str:
    """A tick of an axis as text, in as many digits as tell its ticks apart.

    >>> tick_text(0.975, True, [0.97, 0.975, 0.98])
    '97.5 %'
    """
    factor = 100.0 if percent else 1.0
    step = factor * (marks[1] - marks[0]) if len(marks) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(abs(step)) + 1e-9)) if step else 0
    if abs(value * factor) >= 1e5 or digits > 5:
        return f"{value * factor:.3g}" + (" %" if percent else "")
    return f"{value * factor:,.{digits}f}" + (" %" if percent else "")
