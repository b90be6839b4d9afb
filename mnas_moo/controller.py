"""The RNN controller: a policy over sequences of decisions, and the roll-out by which it is sampled.

One LSTM reads the decisions made so far, one token's embedding a step, and a head for each decision gives the
distribution of its tokens (Zoph et al. 2018, appendix A.2-A.6; MnasNet uses the same). The published parts: 100
hidden units, weights from U(-0.1, 0.1), the previous token as input. Ours, as never published: the embedding's size,
zero biases of the heads, and a condition (a preference among objectives) that is read at every step when asked for.

Decisions need not be known beforehand: a new one brings the embeddings and the head of its tokens, drawn by (seed,
decision), so that a controller does not depend on the order in which decisions were met.

How the weights are updated is in ``ppo.py``.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mnas_moo.adam import Adam
from mnas_moo.genomes.tokens import Decision

State = tuple[Tensor, Tensor]
"""(h, c) of the LSTM, each (B, H)."""


@dataclass(frozen=True)
class Genomes:
    """B sequences of at most T decisions; those that are shorter end with ``size`` 0.

    Attributes:
        offset: (B, T) index of each decision's first token in the controller's tables.
        size: (B, T) number of tokens of each decision.
        token: (B, T) token chosen, below ``size``.
    """

    offset: Tensor
    size: Tensor
    token: Tensor

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, index: Tensor | slice) -> Genomes:
        return Genomes(self.offset[index], self.size[index], self.token[index])


class Controller(nn.Module):
    """LSTM over decisions. Its tables hold V tokens, one decision's after the other's.

    Args:
        seed: seed of the initial weights.
        hidden: number of LSTM units, H.
        embedding: size of a token's embedding, E.
        condition: number of inputs that every step reads beside the token, C; 0: none.
    """

    def __init__(self, seed: int, hidden: int = 100, embedding: int = 32, condition: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.offsets: dict[Decision, int] = {}
        """Index of each decision's first token in the tables."""
        self.lstm = _LSTM(embedding + condition, hidden, batch_first=True)
        for name, parameter in self.lstm.named_parameters():
            parameter.data = self._draw(name, *parameter.shape)
        self.embedding = nn.Parameter(self._draw("start", 1, embedding))  # (V, E); 0: nothing decided yet
        self.head = nn.Parameter(torch.zeros(1, hidden))  # (V, H); 0 is unused, so that the tables share their indices
        self.bias = nn.Parameter(torch.zeros(1))  # (V,)

    def grow(self, decisions: Sequence[Decision], optimiser: Adam | None = None) -> None:
        """Adds the tokens of decisions not met before, with running means of 0 in the optimiser."""
        new = [decision for decision in dict.fromkeys(decisions) if decision not in self.offsets]
        if not new:
            return
        embeddings: list[Tensor] = []
        heads: list[Tensor] = []
        for decision in new:
            self.offsets[decision] = len(self.bias) + sum(map(len, heads))
            key = f"{decision.name} {decision.distribution}"
            embeddings.append(self._draw(f"embedding {key}", decision.size, self.embedding.shape[1]))
            heads.append(self._draw(f"head {key}", decision.size, self.head.shape[1]))
        for table, more in (
            (self.embedding, torch.cat(embeddings)),
            (self.head, torch.cat(heads)),
            (self.bias, torch.zeros(sum(map(len, heads)))),
        ):
            table.data = torch.cat([table.data, more])
            table.grad = None
            if optimiser:
                optimiser.grow(table, len(more))

    def step(self, last: Tensor, state: State, decision: Decision, condition: Tensor | None) -> tuple[Tensor, State]:
        """Log-probabilities of one decision's K tokens.

        Args:
            last: (B,) indices of the tokens chosen before.
            state: state of the LSTM.
            decision: decision to be made.
            condition: (B, C) inputs beside the token; None: C is 0.

        Returns:
            (B, K) log-probabilities in nats, and the next state.
        """
        x = self.embedding[last]  # (B, E)
        if condition is not None:
            x = torch.cat([x, condition], 1)  # (B, E + C)
        state = torch.lstm_cell(x, state, *self.lstm.all_weights[0])  # 2 x (B, H)
        own = slice(self.offsets[decision], self.offsets[decision] + decision.size)
        return torch.log_softmax(torch.addmm(self.bias[own], state[0], self.head[own].T), 1), state  # (B, K)

    def rollout(
        self, decisions: Sequence[Decision], uniforms: npt.NDArray[np.float64], condition: Tensor | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Samples B genomes of the same T decisions.

        Args:
            decisions: T decisions that the controller has met.
            uniforms: (B, T) random numbers in [0, 1), the only randomness.
            condition: (B, C) inputs beside the tokens; None: C is 0.

        Returns:
            Tokens (B, T), and the log-probability of each when it was chosen (B, T), in nats.
        """
        u = torch.from_numpy(uniforms)
        roll = RollOut(self, len(u), condition)
        made = [roll.decide(decision, u[:, t]) for t, decision in enumerate(decisions)]
        tokens, log_probs = (torch.stack(column, 1) for column in zip(*made, strict=True))
        return tokens.numpy(), log_probs.double().numpy()

    def genomes(self, sequences: Sequence[Sequence[tuple[Decision, int]]]) -> Genomes:
        """Tables of B sequences of (decision, token); shorter ones are padded."""
        width = max(map(len, sequences))
        table = np.zeros((3, len(sequences), width), dtype=np.int64)
        for b, sequence in enumerate(sequences):
            for t, (decision, token) in enumerate(sequence):
                table[:, b, t] = self.offsets[decision], decision.size, token
        return Genomes(*torch.from_numpy(table))

    def evaluate(self, genomes: Genomes, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of given decisions (teacher forcing), with gradient.

        Args:
            genomes: B sequences of T decisions.
            condition: (B, C) inputs beside the tokens; None: C is 0.

        Returns:
            (B, T) log-probability of the chosen tokens, and (B, T) entropy over all tokens of the decision, in nats;
            0 where a sequence has ended.
        """
        present = genomes.size > 0  # (B, T)
        chosen = genomes.offset + genomes.token  # (B, T)
        x = self.embedding[torch.cat([torch.zeros_like(chosen[:, :1]), chosen[:, :-1]], 1)]  # (B, T, E)
        if condition is not None:
            x = torch.cat([x, condition[:, None].expand(-1, x.shape[1], -1)], 2)  # (B, T, E + C)
        hidden, _ = self.lstm(x)  # (B, T, H)
        # Every step's logits for all V tokens in one product, then those of its own decision: a few hundred tokens
        # cost less than a product a decision.
        logits = torch.addmm(self.bias, hidden.reshape(-1, hidden.shape[2]), self.head.T).view(*chosen.shape, -1)
        k = torch.arange(max(int(genomes.size.max()), 1))  # (K,)
        inside = k < genomes.size[..., None]  # (B, T, K), K the most tokens of a decision
        columns = torch.where(inside, genomes.offset[..., None] + k, 0)  # (B, T, K)
        logits = torch.where(inside, logits.gather(2, columns), -torch.inf)  # (B, T, V) -> (B, T, K)
        logits = torch.where(present[..., None], logits, 0.0)
        log_probs = torch.log_softmax(logits, 2)  # (B, T, K)
        # H = -sum_k p_k log p_k
        entropy = -(log_probs.exp() * torch.where(inside, log_probs, 0.0)).sum(2)  # (B, T)
        log_prob = log_probs.gather(2, genomes.token[..., None])[..., 0]  # (B, T)
        return torch.where(present, log_prob, 0.0), torch.where(present, entropy, 0.0)

    def _draw(self, purpose: str, *shape: int) -> Tensor:
        """Weights ~ U(-0.1, 0.1), drawn by (seed, purpose) (Zoph et al. 2018, app. A.2)."""
        rng = np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])
        return torch.from_numpy(rng.uniform(-0.1, 0.1, shape).astype(np.float32))


class _LSTM(nn.LSTM):
    """An LSTM whose weights are drawn by whoever makes it, and so not from torch's global generator."""

    def reset_parameters(self) -> None:
        """Nothing."""


class RollOut:
    """B genomes under way, and the LSTM's state after the decisions made so far.

    Args:
        policy: controller that decides.
        genomes: number of genomes, B.
        condition: (B, C) inputs beside the tokens; None: C is 0.
    """

    def __init__(self, policy: Controller, genomes: int, condition: Tensor | None) -> None:
        self.policy, self.condition = policy, condition
        zeros = torch.zeros(genomes, policy.lstm.hidden_size)
        self._last = torch.zeros(genomes, dtype=torch.long)  # (B,) indices of the last tokens
        self._state: State = (zeros, zeros)

    @torch.no_grad()
    def decide(
        self,
        decision: Decision,
        uniform: Tensor,
        *,
        allowed: Tensor | None = None,
        exists: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Samples the next decision of every genome.

        Args:
            decision: decision to be made; the controller must have met it.
            uniform: (B,) random numbers in [0, 1).
            allowed: (B, K) whether each token may be chosen; None: all.
            exists: (B,) whether the genome has this decision; the state of the others stays as it is. None: all have.

        Returns:
            Tokens (B,), and the log-probability of each under the policy (B,), in nats; 0 where it does not exist.
        """
        log_probs, state = self.policy.step(self._last, self._state, decision, self.condition)  # (B, K)
        token = choose(log_probs if allowed is None else log_probs.masked_fill(~allowed, -torch.inf), uniform)
        log_prob = log_probs.gather(1, token[:, None])[:, 0]  # (B,)
        last = token + self.policy.offsets[decision]
        if exists is not None:
            log_prob = torch.where(exists, log_prob, 0.0)
            last = torch.where(exists, last, self._last)
            hidden, cell = (torch.where(exists[:, None], a, b) for a, b in zip(state, self._state, strict=True))
            state = hidden, cell
        self._last, self._state = last, state
        return token, log_prob

    @torch.no_grad()
    def follow(self, decision: Decision, token: int) -> None:
        """Takes a token that was chosen elsewhere, in every genome."""
        _, self._state = self.policy.step(self._last, self._state, decision, self.condition)
        self._last = torch.full_like(self._last, self.policy.offsets[decision] + token)


def choose(log_prob: Tensor, u: Tensor) -> Tensor:
    """Tokens (B,) by inversion of the distribution: log_prob (B, K) in nats, u (B,) in [0, 1)."""
    # The first k with F(k) > u F(K), F the cumulative distribution.
    cumulative = log_prob.double().exp().cumsum(1)  # (B, K)
    return (cumulative <= u[:, None] * cumulative[:, -1:]).sum(1).clamp(max=log_prob.shape[1] - 1)
