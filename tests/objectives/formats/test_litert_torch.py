"""Google's converter as the check of our own LiteRT writer, on published networks in full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from mnas_moo.objectives.formats import litert, torch_module
from mnas_moo.spaces import network


def outputs(model: bytes, images: torch.Tensor) -> np.ndarray:
    """Logits of (B, H, W, C) images, taken one by one."""
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    logits = []
    for image in images.numpy():
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        logits.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(logits)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnasnet-a1", "mobilenetv2"])
def test_our_model_computes_what_the_converted_one_computes(name: str, tmp_path: Path) -> None:
    litert_torch = pytest.importorskip("litert_torch", reason="needs litert-torch: pip install 'mnas-moo[convert]'")
    spec = network(name)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, *spec.input_shape, generator=generator)
    module = torch_module.build(spec, generator, norm_momentum=1.0)
    with torch.no_grad():
        module(images)  # the norms' statistics fit their inputs, as after training
        expected = module.eval()(images).numpy()
    images = images.permute(0, 2, 3, 1).contiguous()
    path = tmp_path / "converted.tflite"
    litert_torch.convert(litert_torch.to_channel_last_io(module, args=[0]).eval(), (images[:1],)).export(str(path))
    ours = outputs(litert.write(spec, torch_module.weights(module)), images)
    assert np.abs(expected).max() > 0.1
    assert np.abs(ours - outputs(path.read_bytes(), images)).max() < 1e-4
    assert np.abs(ours - expected).max() < 1e-4
