"""ResNet-50 as a graph of operations (He et al. 2016, table 1), as torchvision builds it.

A bottleneck's stride is that of its 3x3 convolution, where the paper has it at the first 1x1: 4.09 in place of 3.86
billion multiply-adds.
"""

from __future__ import annotations

from mnas_moo.spaces.fragment import Fragment
from mnas_moo.spaces.operations import Add, Conv, GlobalAveragePool, Linear, MaxPool
from mnas_moo.spaces.spec import NodeList

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # width of the 3x3 convolutions, blocks, stride
_EXPANSION = 4
_EPSILON = 1e-5


def resnet50() -> Fragment:
    """ResNet-50 for images of 224 x 224 pixels and 1,000 classes.

    >>> from mnas_moo.spaces.resnet import resnet50
    >>> resnet50().parameters, resnet50().multiply_adds
    (25557032, 4089184256)
    """
    graph = NodeList((3, 224, 224))

    def conv(x: int, channels: int, kernel: int, stride: int = 1, activation: str = "none") -> int:
        return graph.add("conv", Conv(channels, kernel, stride, epsilon=_EPSILON, activation=activation), x)

    x = graph.add("pool", MaxPool(3, 2), conv(-1, 64, 7, 2, "relu"))
    for width, blocks, first_stride in _STAGES:
        for i in range(blocks):
            stride = 1 if i else first_stride
            y = conv(conv(x, width, 1, 1, "relu"), width, 3, stride, "relu")
            y = conv(y, _EXPANSION * width, 1)
            shortcut = x if i else conv(x, _EXPANSION * width, 1, stride)
            x = graph.add("add", Add("relu"), y, shortcut)
    x = graph.add("pool", GlobalAveragePool(), x)
    graph.add("classifier", Linear(1000), x)
    return Fragment(graph.input_shape, tuple(graph.nodes), "ResNet-50")
