"""The check of exported files: each runs in the program that it is for, on the images held out, beside torch.

It reads the files as they lie in the folder, so that what is checked is what leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mnas_moo.objectives.export.files import EXTRA, FORMATS, normalised
from mnas_moo.objectives.extras import require
from mnas_moo.objectives.training.data import ImageData
from mnas_moo.objectives.training.trained import TrainedNetwork

MOST_DIFFERENCE = 1e-4
"""A float32 file may differ from torch by this share of the range of torch's outputs."""
MOST_LOSS = 0.01
"""An int8 file should lose no more accuracy than this."""
BATCH = 256

Runner = Callable[[np.ndarray], np.ndarray]
"""(B, H, W, C) float32, normalised -> (B, classes) logits."""
Listener = Callable[[int, int], None]
"""Is told how many images are done, of how many."""


@dataclass(frozen=True)
class FileCheck:
    """What a file was found to do.

    Attributes:
        accuracy: of the file, on the images.
        agreement: share of the images that it classifies as torch does.
        difference: largest difference of an output from torch's.
        share: that difference over the range of torch's outputs.
    """

    accuracy: float
    agreement: float
    difference: float
    share: float


@dataclass(frozen=True)
class Check:
    """What all files were found to do.

    Attributes:
        images: number of images.
        torch_accuracy: accuracy of the network in torch.
        output_range: largest minus smallest output of torch, over all images.
        files: file -> what it does.
    """

    images: int
    torch_accuracy: float
    output_range: float
    files: Mapping[str, FileCheck]

    @property
    def failures(self) -> list[str]:
        """What must not be: a float32 file that computes something else than torch; a sentence each."""
        return [
            f"{name} differs from torch by {found.share:.2g} of the range of its outputs; float32 may differ by "
            f"{MOST_DIFFERENCE:g}"
            for name, found in self.files.items()
            if FORMATS[name].exact and not found.share <= MOST_DIFFERENCE  # a NaN is no pass
        ]

    @property
    def warnings(self) -> list[str]:
        """What should not be: a smaller file that loses accuracy; a sentence each."""
        return [
            f"{name} is right for {100 * found.accuracy:.2f} % of the images, {100 * loss:.2f} points less than torch"
            for name, found in self.files.items()
            if not FORMATS[name].exact and (loss := round(self.torch_accuracy - found.accuracy, 9)) > MOST_LOSS
        ]


def check(
    folder: Path,
    trained: TrainedNetwork,
    data: ImageData,
    *,
    balanced: bool = False,
    threads: int = 1,
    listener: Listener = lambda done, of: None,
) -> Check:
    """Runs every file of a folder, and torch, on the images that are held out.

    Args:
        folder: has the files of ``FORMATS``.
        trained: the network.
        data: the images; those of its hold-out are taken.
        balanced: whether accuracy is the mean over the classes.
        threads: number of files that run at the same time, each on one core.
        listener: is told after every batch.

    Raises:
        ValueError: a program cannot open or run its file.
        MissingExtraError: ai-edge-litert or onnxruntime is not installed.
    """
    import torch

    from mnas_moo.objectives.threads import cpu_threads
    from mnas_moo.objectives.training.balance import balanced_accuracy

    module = trained.module()

    def in_torch(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            logits: np.ndarray = module(torch.from_numpy(_channels_first(batch))).numpy()
        return logits

    runners: dict[str, Runner] = {"": in_torch}
    for name, kind in FORMATS.items():
        runners[name] = _told_as(name, partial(RUNNERS[kind.program], folder / name))
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in runners}
    with cpu_threads(1), ThreadPoolExecutor(threads) as pool:
        for batch in _batches(trained, data):
            ran = {name: pool.submit(runner, batch) for name, runner in runners.items()}
            for name, result in ran.items():
                outputs[name].append(_told_as(name, result.result))
            listener(min(BATCH * len(outputs[""]), len(data.holdout)), len(data.holdout))
    logits = {name: np.concatenate(parts) for name, parts in outputs.items()}
    expected = logits.pop("")
    decisions, span = expected.argmax(1), float(np.ptp(expected))
    labels = data.labels[data.holdout]

    def accuracy(found: np.ndarray) -> float:
        if balanced:
            return balanced_accuracy(torch.from_numpy(found), labels, len(trained.classes))
        return float((found == labels.numpy()).mean())

    files = {}
    for name, values in logits.items():
        difference = float(np.abs(values - expected).max())
        found = values.argmax(1)
        agreement = float((found == decisions).mean())
        files[name] = FileCheck(accuracy(found), agreement, difference, difference / span if span else difference)
    return Check(len(labels), accuracy(decisions), span, files)


def _batches(trained: TrainedNetwork, data: ImageData) -> Iterator[np.ndarray]:
    import torch

    for index in torch.split(data.holdout, BATCH):
        yield normalised(trained, data.images[index].numpy())


def _told_as(name: str, act: Callable[[], Any]) -> Any:
    """What a function returns; the errors of other people's programs are told as the file's."""
    try:
        return act()
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # each program has errors of its own
        raise ValueError(f"{name or 'torch'} does not run: {' '.join(str(error).split())}") from error


def _channels_first(batch: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))


def _litert(file: Path) -> Runner:
    """LiteRT's interpreter, an image at a time."""
    interpreter = interpreter_of(file)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(batch: np.ndarray) -> np.ndarray:
        if source["dtype"] == np.int8:
            scale, zero = source["quantization"]
            batch = np.clip(np.rint(batch / np.float32(scale)) + zero, -128, 127).astype(np.int8)
        values = []
        for image in batch:
            interpreter.set_tensor(source["index"], image[None])
            interpreter.invoke()
            values.append(interpreter.get_tensor(result["index"])[0])
        outputs = np.stack(values)
        if result["dtype"] == np.int8:
            scale, zero = result["quantization"]
            outputs = (outputs.astype(np.float32) - zero) * np.float32(scale)
        return outputs

    return run


def interpreter_of(file: Path) -> Any:
    """LiteRT's interpreter of a file, ready to run on one thread."""
    litert = require("ai_edge_litert.interpreter", extra=EXTRA)
    interpreter = litert.Interpreter(model_content=file.read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def _onnxruntime(file: Path) -> Runner:
    """ONNX Runtime's CPU provider, an image at a time."""
    onnxruntime = require("onnxruntime", extra=EXTRA)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()

    def run(batch: np.ndarray) -> np.ndarray:
        return np.concatenate([session.run(None, {source.name: image[None]})[0] for image in _channels_first(batch)])

    return run


def _torch_export(file: Path) -> Runner:
    """The program as torch.export.load gives it, all images at once."""
    import torch

    program = torch.export.load(file).module()

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found: np.ndarray = program(torch.from_numpy(_channels_first(batch))).numpy()
        return found

    return run


RUNNERS: Mapping[str, Callable[[Path], Runner]] = {
    "LiteRT": _litert,
    "ONNX Runtime": _onnxruntime,
    "torch.export": _torch_export,
}
"""Program -> what opens a file with it."""
