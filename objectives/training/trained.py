"""A trained network as a file: its weights, the images it knows, and all that is to be said of its training.

`mnas-moo train` writes such files, `mnas-moo export` and reports read them. They are read with torch's loader of plain
tensors, which executes nothing of a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnas_moo.objectives.objective import JSON
from mnas_moo.objectives.regular_file import UnfitFileError, open_regular
from mnas_moo.objectives.whole_file import whole_file
from mnas_moo.spaces.spec import NetworkSpec
from mnas_moo.spaces.text import from_text, to_text

if TYPE_CHECKING:
    from torch import Tensor

    from mnas_moo.objectives.formats.torch_module import Network

FORMAT = 1
MOST_BYTES = 4_000_000_000


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network with its weights.

    Attributes:
        spec: the network.
        weights: weights and statistics by the names of a ``Network`` (``formats.torch_module.build``), on the CPU.
        classes: names of its outputs, in their order.
        mean: (C,) what is subtracted of each channel of an image, in units of a byte (0 to 255).
        std: (C,) what each channel is divided by then, in units of a byte.
        figures: how it was trained and how it is judged, as JSON:

            - "label": ``trial-12``, or the name of a published network; "study": name of the study; "trial": its number
              or None
            - "accuracy", "interval" (95 %), "chance" and "holdout_images": on the images that are held out
            - "test_accuracy", "test_interval" and "test_images": on a test folder; only where there is one
            - "recipe": all settings of the training; "seed"; "steps"; "seconds"; "device"; "start": where its first
              weights came from
            - "data": "source", "images", "train_images", "holdout" (share)
            - "versions": of Python and of each package that took part
    """

    spec: NetworkSpec
    weights: Mapping[str, Tensor]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    figures: Mapping[str, Any]

    def module(self) -> Network:
        """The network as a torch module with these weights, in evaluation mode; it takes normalised images."""
        import torch

        from mnas_moo.objectives.formats.torch_module import build

        network = build(self.spec, torch.Generator().manual_seed(0))
        network.load_state_dict(dict(self.weights))
        return network.eval()

    def save(self, file: Path) -> None:
        """Writes the file, and its figures as JSON beside it (``figures_file``), where they can be read quickly.

        Raises:
            OSError: it cannot be written.
        """
        import torch

        file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "format": FORMAT,
            "network": to_text(self.spec),
            "weights": {name: tensor.detach().cpu().contiguous() for name, tensor in self.weights.items()},
            "classes": list(self.classes),
            "mean": list(self.mean),
            "std": list(self.std),
            "figures": json.dumps(dict(self.figures)),
        }
        with whole_file(file) as part:
            torch.save(state, part)
        with whole_file(figures_file(file)) as part:
            part.write_text(json.dumps({**self.figures, "network": to_text(self.spec)}, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> TrainedNetwork:
        """Reads a file that ``save`` wrote.

        Raises:
            ValueError: it is no such file, or a broken one.
            OSError: it cannot be read.
        """
        state = read_state(file, "is no trained network, or a broken file")
        kinds = {"network": str, "weights": dict, "classes": list, "mean": list, "std": list, "figures": str}
        if not isinstance(state, dict) or not all(isinstance(state.get(key), kind) for key, kind in kinds.items()):
            raise ValueError(f"{file} is no trained network")
        if state.get("format") != FORMAT:
            raise ValueError(f"{file} was written by another version of mnas-moo")
        try:
            spec = from_text(state["network"])
            figures: dict[str, JSON] = json.loads(state["figures"])
            trained = cls(
                spec,
                state["weights"],
                tuple(map(str, state["classes"])),
                tuple(map(float, state["mean"])),
                tuple(map(float, state["std"])),
                figures,
            )
            trained.module()
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(f"{file} holds weights that do not fit its network") from error
        if len(trained.classes) != spec.classes or {len(trained.mean), len(trained.std)} != {spec.input_shape[0]}:
            raise ValueError(f"{file} holds classes or a normalisation that do not fit its network")
        return trained


def read_state(file: Path, otherwise: str) -> Any:
    """What a file holds that torch wrote, plain tensors and data; nothing of it is executed.

    Args:
        file: the file.
        otherwise: how the message about a file of another kind goes on after its name.

    Raises:
        ValueError: it is no such file, or a broken one.
        OSError: it cannot be read.
    """
    import torch

    try:
        with open_regular(file, MOST_BYTES) as opened:
            return torch.load(opened, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except UnfitFileError as error:
        raise ValueError(f"{file} {error}") from error
    except Exception as error:  # torch raises errors of many kinds for a broken file
        raise ValueError(f"{file} {otherwise}") from error


def figures_file(file: Path) -> Path:
    """Where the figures of a trained network are, as JSON."""
    return file.with_suffix(".json")
