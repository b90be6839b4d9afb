from __future__ import annotations

import numpy as np
import torch

from mnas_moo.objectives.formats import torch_module
from mnas_moo.spaces.nasnet import nasnet_a_mobile
from mnas_moo.spaces.operations import Concat


def test_counts_equal_the_published_ones() -> None:
    graph = nasnet_a_mobile()
    assert graph.parameters == 5_289_978  # pretrainedmodels 0.7.4, nasnetamobile; 5.3 M in Zoph et al. 2018
    assert round(graph.multiply_adds / 1e6) == 564  # Zoph et al. 2018, Tan et al. 2019


def test_its_cells_have_the_published_sizes() -> None:
    joined = [node.shape for node in nasnet_a_mobile().nodes if isinstance(node.operation, Concat)]
    assert {shape: joined.count(shape) for shape in joined} == {
        (22, 56, 56): 1,  # two halves of the input of half the size
        (44, 56, 56): 1,  # the stem's cells
        (88, 28, 28): 1,
        (44, 28, 28): 1,
        (264, 28, 28): 4,  # 4 normal cells a stage, and the reduction cells between
        (352, 14, 14): 1,
        (88, 14, 14): 1,
        (528, 14, 14): 4,
        (704, 7, 7): 1,
        (176, 7, 7): 1,
        (1056, 7, 7): 4,
    }


def test_it_computes_what_pretrainedmodels_computes() -> None:
    module = torch_module.build(nasnet_a_mobile()).eval()
    random = np.random.RandomState(0)  # its numbers never change
    with torch.no_grad():
        for node in module.spec.nodes:
            for part, tensor in module.get_submodule(node.name).state_dict(keep_vars=True).items():
                shape = tuple(tensor.shape)
                if part == "weight":
                    values = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
                elif part in ("gamma", "running_var"):
                    values = random.uniform(0.5, 1.5, shape)
                else:
                    values = 0.1 * random.standard_normal(shape)
                tensor.copy_(torch.from_numpy(values))
        image = torch.from_numpy(np.random.RandomState(1).standard_normal((1, 3, 224, 224))).float()
        logits = module(image)[0]
    # the same weights in nasnetamobile of pretrainedmodels 0.7.4, on torch 2.14; the standard deviation is 0.55
    expected = [0.46313, -0.64781, 1.28243, 0.65253, 0.05654, -0.42921, -0.54529, 0.14646]
    np.testing.assert_allclose(logits[:8].numpy(), expected, rtol=0, atol=1e-4)
    assert abs(float(logits.sum()) + 6.96026) < 0.01
