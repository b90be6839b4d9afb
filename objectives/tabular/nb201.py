"""A cell of NAS-Bench-201 (Dong & Yang 2020) in a few numbers: its graph without what has no effect.

A cell has four tensors; each of its six edges applies one operation to an earlier tensor, and a tensor is the sum of
its edges. An edge counts if it lies on a path from the first tensor to the last one on which no edge is `none`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The edges of every path from the first tensor to the last one; edges are 0→1, 0→2, 1→2, 0→3, 1→3 and 2→3."""
CONVOLUTIONS = {"nor_conv_1x1": 1, "nor_conv_3x3": 9}
"""Operations with weights, and how many taps each has."""


def summary(params: Mapping[str, Any]) -> dict[str, float]:
    """Numbers that describe a cell.

    >>> cell = dict.fromkeys("abcdef", "none") | {"a": "nor_conv_3x3", "e": "skip_connect", "b": "nor_conv_3x3"}
    >>> found = summary(cell)  # the edge b leads nowhere
    >>> found["paths"], found["nor_conv_3x3"], found["depth"]
    (1.0, 1.0, 1.0)

    Args:
        params: operation of each edge by the decision's name, in the order of the edges.

    Returns:
        Numbers of effective edges of each operation, of paths, of convolutions on the longest and on the shortest path,
        of paths without a convolution, and the sum of the kernels' taps.
    """
    operations = list(params.values())
    paths = [path for path in PATHS if all(operations[edge] != "none" for edge in path)]
    used = {edge for path in paths for edge in path}
    depths = [sum(operations[edge] in CONVOLUTIONS for edge in path) for path in paths]
    names = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    return {
        **{name: float(sum(operations[edge] == name for edge in used)) for name in names},
        "paths": float(len(paths)),
        "depth": float(max(depths, default=0)),
        "shortest": float(min(depths, default=0)),
        "identities": float(sum(depth == 0 for depth in depths)),
        "taps": float(sum(CONVOLUTIONS.get(operations[edge], 0) for edge in used)),
        "direct_convolution": float(3 in used and operations[3] in CONVOLUTIONS),
    }
