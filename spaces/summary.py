"""A network in a few numbers, for models of what networks are worth.

Sizes are logarithms, since accuracy and latency follow the ratios of sizes rather than their differences.
"""

from __future__ import annotations

import math

from mnas_moo.spaces.spec import Layer, NetworkSpec


def summary(spec: NetworkSpec) -> dict[str, float]:
    """Numbers that describe a network: exact, free, and the same names for all networks.

    >>> from mnas_moo.spaces import network
    >>> {name: round(value, 2) for name, value in summary(network("mnasnet-a1")).items()}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'log_multiply_adds': 19.56, 'log_parameters': 15.17, 'log_activations': 15.77, 'layers': 16.0, 'skips': 9.0,
     'excitations': 8.0, 'log_receptive_field': 6.49}

    Returns:
        Natural logarithms of the multiply-adds, the parameters, the elements of all results of operations for one image
        and the receptive field in pixels; the numbers of layers, of skips and of layers with squeeze-and-excite.
    """
    field, step = 1, 1
    for layer in (spec.stem, *spec.layers):
        field += max(_reach(module) for module in layer.modules) * step
        step *= layer.stride
    return {
        "log_multiply_adds": math.log(spec.multiply_adds),
        "log_parameters": math.log(spec.parameters),
        "log_activations": math.log(sum(math.prod(node.shape) for node in spec.nodes)),
        "layers": float(len(spec.layers)),
        "skips": float(sum(any(m.effective_skip != "none" for m in layer.modules) for layer in spec.layers)),
        "excitations": float(sum(any(m.se_ratio > 0 for m in layer.modules) for layer in spec.layers)),
        "log_receptive_field": math.log(field),
    }


def _reach(layer: Layer) -> int:
    """By how many pixels of its input a layer widens the field; the second of two convolutions sees the stride."""
    return (layer.kernel - 1) * (1 + layer.stride if layer.operation == "basic" else 1)
