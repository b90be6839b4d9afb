"""The RNN controller: a policy over sequences of decisions.

One LSTM reads the decisions made so far, one token's embedding a step, and a head for each decision gives the
distribution of its tokens (Zoph et al. 2018, appendix A.2-A.6; MnasNet uses the same). The published parts: 100
hidden units, weights from U(-0.1, 0.1), the previous token as input. Ours, as never published: the embedding's size,
zero biases of the heads, and a condition (a preference among objectives) that is read at every step when asked for.

Decisions need not be known beforehand: a new one brings rows for its embeddings and its head, drawn by (seed,
decision), so that a controller does not depend on the order in which decisions were met.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mnas_moo.genomes.tokens import Decision

State = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Genomes:
    """B sequences of at most T decisions, as rows of a controller's tables; where ``size`` is 0 there is none.

    Attributes:
        row: (B, T) first row of each decision.
        size: (B, T) its number of tokens.
        token: (B, T) the token chosen.
    """

    row: Tensor
    size: Tensor
    token: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: Tensor | slice) -> Genomes:
        return Genomes(self.row[index], self.size[index], self.token[index])


class Controller(nn.Module):
    """LSTM over decisions.

    Args:
        seed: of the initial weights.
        hidden: LSTM units, H.
        embedding: size of a token's embedding, E.
        condition: numbers that every step reads beside the token, C; 0: none.
    """

    def __init__(self, seed: int, hidden: int = 100, embedding: int = 32, condition: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.rows: dict[Decision, int] = {}
        # On the meta device first, so that torch's global generator is not drawn from.
        lstm = nn.LSTM(embedding + condition, hidden, batch_first=True, device="meta")
        self.lstm = lstm.to_empty(device="cpu")
        for name, parameter in self.lstm.named_parameters():
            parameter.data = self._draw(name, *parameter.shape)
        self.embedding = nn.Parameter(self._draw("start", 1, embedding))  # row 0: nothing decided yet
        self.head = nn.Parameter(torch.zeros(1, hidden))  # row 0 is unused, so that both tables share their rows
        self.bias = nn.Parameter(torch.zeros(1))

    def grow(self, decisions: Sequence[Decision], optimiser: torch.optim.Optimizer | None = None) -> None:
        """Adds rows for decisions not met before, and their places in the optimiser's running moments."""
        new = [decision for decision in dict.fromkeys(decisions) if decision not in self.rows]
        if not new:
            return
        embeddings: list[Tensor] = []
        heads: list[Tensor] = []
        for decision in new:
            self.rows[decision] = len(self.bias) + sum(len(rows) for rows in heads)
            key = f"{decision.name} {decision.distribution}"
            embeddings.append(self._draw(f"embedding {key}", decision.size, self.embedding.shape[1]))
            heads.append(self._draw(f"head {key}", decision.size, self.head.shape[1]))
        for table, rows in (
            (self.embedding, torch.cat(embeddings)),
            (self.head, torch.cat(heads)),
            (self.bias, torch.zeros(sum(len(rows) for rows in heads))),
        ):
            table.data = torch.cat([table.data, rows])
            table.grad = None
            moments = optimiser.state.get(table, {}) if optimiser else {}
            for name, moment in moments.items():
                if moment.dim():  # the step count has no rows
                    moments[name] = torch.cat([moment, torch.zeros_like(rows)])

    def start(self, batch: int) -> tuple[Tensor, State]:
        """What stands before the first decision: (rows (B,) of the last tokens, LSTM state)."""
        zeros = torch.zeros(batch, self.lstm.hidden_size)
        return torch.zeros(batch, dtype=torch.long), (zeros, zeros)

    def step(self, last: Tensor, state: State, decision: Decision, condition: Tensor | None) -> tuple[Tensor, State]:
        """Log-probabilities of one decision's tokens.

        Args:
            last: (B,) rows of the tokens chosen before.
            state: the LSTM's state.
            decision: what is to be decided.
            condition: (B, C), or None where there is none.

        Returns:
            (B, size) log-probabilities in nats, and the next state.
        """
        x = self.embedding[last]
        if condition is not None:
            x = torch.cat([x, condition], 1)
        state = torch.lstm_cell(x, state, *self.lstm.all_weights[0])
        rows = slice(self.rows[decision], self.rows[decision] + decision.size)
        return torch.log_softmax(torch.addmm(self.bias[rows], state[0], self.head[rows].T), 1), state

    @torch.no_grad()
    def rollout(
        self, decisions: Sequence[Decision], uniforms: npt.NDArray[np.float64], condition: Tensor | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Samples B genomes of the same T decisions.

        Args:
            decisions: T of them, each with rows already.
            uniforms: (B, T) in [0, 1): all the randomness there is.
            condition: (B, C), or None.

        Returns:
            Tokens (B, T), and the log-probability of each when it was chosen (B, T), in nats.
        """
        u = torch.from_numpy(uniforms)
        last, state = self.start(len(u))
        tokens, log_probs = [], []
        for t, decision in enumerate(decisions):
            log_prob, state = self.step(last, state, decision, condition)
            token = choose(log_prob, u[:, t])
            tokens.append(token)
            log_probs.append(log_prob.gather(1, token[:, None])[:, 0])
            last = token + self.rows[decision]
        return torch.stack(tokens, 1).numpy(), torch.stack(log_probs, 1).double().numpy()

    def genomes(self, sequences: Sequence[Sequence[tuple[Decision, int]]]) -> Genomes:
        """Tables of B sequences of (decision, token); shorter ones are padded."""
        width = max(map(len, sequences))
        table = np.zeros((3, len(sequences), width), dtype=np.int64)
        for b, sequence in enumerate(sequences):
            for t, (decision, token) in enumerate(sequence):
                table[:, b, t] = self.rows[decision], decision.size, token
        return Genomes(*torch.from_numpy(table))

    def evaluate(self, genomes: Genomes, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of given decisions (teacher forcing), with gradient.

        Args:
            genomes: B sequences of T decisions.
            condition: (B, C), or None.

        Returns:
            (B, T) log-probability of the chosen tokens, and (B, T) entropy over all tokens of the decision, in nats;
            0 where a sequence has ended.
        """
        present = genomes.size > 0
        chosen = genomes.row + genomes.token
        x = self.embedding[torch.cat([torch.zeros_like(chosen[:, :1]), chosen[:, :-1]], 1)]
        if condition is not None:
            x = torch.cat([x, condition[:, None].expand(-1, x.shape[1], -1)], 2)
        hidden, _ = self.lstm(x)
        # Every step's logits for all rows in one product, then the rows of its own decision: a few hundred rows
        # cost less than a product a decision.
        logits = torch.addmm(self.bias, hidden.reshape(-1, hidden.shape[2]), self.head.T).view(*chosen.shape, -1)
        k = torch.arange(max(int(genomes.size.max()), 1))
        inside = k < genomes.size[..., None]
        columns = torch.where(inside, genomes.row[..., None] + k, 0)
        logits = torch.where(inside, logits.gather(2, columns), -torch.inf)
        logits = torch.where(present[..., None], logits, 0.0)
        log_probs = torch.log_softmax(logits, 2)
        entropy = -(log_probs.exp() * torch.where(inside, log_probs, 0.0)).sum(2)
        log_prob = log_probs.gather(2, genomes.token[..., None])[..., 0]
        return torch.where(present, log_prob, 0.0), torch.where(present, entropy, 0.0)

    def _draw(self, purpose: str, *shape: int) -> Tensor:
        """U(-0.1, 0.1), by (seed, purpose)."""
        rng = np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])
        return torch.from_numpy(rng.uniform(-0.1, 0.1, shape).astype(np.float32))


def choose(log_prob: Tensor, u: Tensor) -> Tensor:
    """Tokens (B,) by inversion of the distribution: log_prob (B, K) in nats, u (B,) in [0, 1)."""
    cumulative = log_prob.double().exp().cumsum(1)
    return (cumulative <= u[:, None] * cumulative[:, -1:]).sum(1).clamp(max=log_prob.shape[1] - 1)
