"""8-bit integer quantisation after training, by the rules of LiteRT's 8-bit quantization specification.

real value = scale * (integer - zero point). Activations: int8, one scale and zero point a tensor, from the smallest
and largest value that calibration images give it (Jacob et al. 2018, "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", sec. 2.1). Weights: int8 in [-127, 127], zero point 0, a scale an output
channel. Biases: int32 at the scale of the products they are added to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnas_moo.objectives.extras import require

_BIAS_LIMIT = 2.0**30  # leaves half of the int32 accumulator for the products
_SMALLEST_SHARE = 2.0**-16  # smallest scale of a channel over the largest: the kernels' multipliers end at some 2**-31


@dataclass(frozen=True)
class Quantization:
    """What the integers of a tensor mean.

    Attributes:
        scales: one number above 0, or one for each slice along ``axis``.
        zero_point: the integer that stands for 0.
        axis: dimension along which there are several scales.
    """

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0


SIGMOID = Quantization((1 / 256,), -128)
"""The quantization of every sigmoid's result, [0, 1), which the specification fixes."""


def of_range(low: float, high: float) -> Quantization:
    """The scale and zero point of an activation whose values lie between ``low`` and ``high``.

    The range is extended to hold 0, which has an integer of its own: paddings and ReLUs are exact.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255)) or 1.0  # if all values are 0, any scale is right
    return Quantization((scale,), int(np.clip(round(-128 - low / scale), -128, 127)))


def of_weights(
    weight: np.ndarray, bias: np.ndarray, axis: int, input_scale: float
) -> tuple[np.ndarray, np.ndarray, Quantization, Quantization]:
    """Quantises the weights and the bias of a convolution or a fully connected layer.

    Args:
        weight: float32, output channels in the dimension ``axis``.
        bias: (channels,) float32.
        axis: dimension of the output channels.
        input_scale: scale of the layer's input.

    Returns:
        The weights as int8, the bias as int32, and the quantization of each.
    """
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others).astype(np.float64) / 127
    floor = max(_SMALLEST_SHARE * largest.max(), np.finfo(np.float32).tiny / input_scale)
    scales = np.maximum.reduce([largest, np.full_like(largest, floor), np.abs(bias) / (input_scale * _BIAS_LIMIT)])
    scales = scales.astype(np.float32).astype(np.float64)
    shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
    integers = np.clip(np.rint(weight / scales.reshape(shape)), -127, 127).astype(np.int8)
    products = scales * input_scale
    return (
        integers,
        np.rint(bias / products).astype(np.int32),
        Quantization(tuple(scales.tolist()), axis=axis),
        Quantization(tuple(products.tolist())),
    )


def ranges_of(model: bytes, images: Sequence[np.ndarray] | np.ndarray) -> dict[str, tuple[float, float]]:
    """Runs a float32 LiteRT model and records the smallest and largest value of every tensor.

    Args:
        model: the content of a .tflite file with one input, (1, H, W, C).
        images: (N, H, W, C) float32, prepared as for inference.

    Returns:
        (smallest, largest) by the tensors' names.

    Raises:
        ValueError: there are no images, or they have another shape; a value is not finite.
        MissingExtraError: ai-edge-litert is not installed.
    """
    litert = require("ai_edge_litert.interpreter", extra="host")
    interpreter = litert.Interpreter(
        model_content=model,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # XNNPACK hides tensors
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    shape = tuple(int(size) for size in source["shape"][1:])
    images = np.asarray(images, dtype=np.float32)
    if images.shape[1:] != shape or not len(images):
        raise ValueError(
            f"calibration has shape {images.shape}; it must be (images, height, width, channels) = (1 or more, "
            f"{', '.join(map(str, shape))}): the network's input as it is trained on, channels last"
        )
    # Tensors without a name are scratch memory of the kernels.
    names = {detail["index"]: detail["name"] for detail in interpreter.get_tensor_details() if detail["name"]}
    ranges: dict[str, tuple[float, float]] = {}
    for image in images:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        for index, name in names.items():
            values = interpreter.get_tensor(index)
            low, high = ranges.get(name, (np.inf, -np.inf))
            ranges[name] = float(np.minimum(low, values.min())), float(np.maximum(high, values.max()))  # keeps a NaN
    for name, limits in ranges.items():
        if not np.isfinite(limits).all():
            raise ValueError(f"calibration: {name} reaches {limits}; check the weights and images for NaN and infinity")
    return ranges
