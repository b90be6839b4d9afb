"""What an interrupted training needs to go on, in one file: weights, optimizer, generators and losses.

A training that goes on ends with the same weights, to the last bit on a CPU, as one that was never interrupted: the
generator of the order is kept as it was when the epoch began, which is then drawn again. The file is read with torch's
loader of plain tensors, which executes nothing; one that does not fit is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mnas_moo.objectives.whole_file import whole_file


class Keeper:
    """Saves one training now and then, and resumes it.

    Args:
        path: the file; None: nothing is saved.
        model: the network in training.
        optimizer: its optimizer.
        order: generator of the order of images.
        dropout: generator of dropout.
        identity: what the training depends on besides; a file of another one is not used.
    """

    def __init__(
        self,
        path: Path | None,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        order: torch.Generator,
        dropout: torch.Generator,
        identity: object,
    ) -> None:
        self.path = path
        self.model = model
        self.optimizer = optimizer
        self.order = order
        self.dropout = dropout
        self.identity = hashlib.sha256(repr((torch.__version__, identity)).encode()).hexdigest()
        self._epoch = order.get_state()

    def epoch_begins(self) -> None:
        """Notes the generator of the order, before an epoch draws from it."""
        self._epoch = self.order.get_state()

    def save(self, step: int, losses: list[Tensor], seconds: float, *, epoch_ended: bool) -> None:
        """Saves the state after ``step`` steps; a disk that is full or read-only costs the checkpoint only."""
        if self.path is None:
            return
        state = {
            "identity": self.identity,
            "step": step,
            "seconds": seconds,
            "losses": torch.stack(losses).cpu(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.get_state() if epoch_ended else self._epoch,
            "dropout": self.dropout.get_state(),
        }
        with contextlib.suppress(OSError, RuntimeError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self.path) as part:
                torch.save(state, part)

    def resume(self) -> tuple[int, list[Tensor], float]:
        """Steps done, losses of the epoch under way, and seconds spent, of the saved state; 0 steps without one."""
        state = self._read()
        if state is None:
            return 0, [], 0.0
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order.set_state(state["order"])
        self.dropout.set_state(state["dropout"])
        device = next(self.model.parameters()).device
        return int(state["step"]), list(state["losses"].to(device)), float(state["seconds"])

    def _read(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.is_file():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # torch raises errors of many kinds for a broken file
            return None
        return state if isinstance(state, dict) and state.get("identity") == self.identity else None
