"""What is expected of a network that was never trained, read from the sequence of its decisions.

The published predictor is an LSTM over the layers with an embedding of each operation (Dong et al. 2018, sec. 3.2,
after PNAS, Liu et al. 2018). So here: a step's decisions are read one after the other, and equal choices at equal
places of different steps share their embedding, so that a choice means something at a step at which it was never made.
Ours: it predicts every objective that cannot be computed, on the scales of the default sampler; also how far
constraints are broken; it reads the numbers that the space says of a network; it is fitted anew at every step of the
search, so that a study that goes on needs no weights of earlier ones. The other predictor is the default sampler's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mnas_moo.adam import Adam
from mnas_moo.dppnet.settings import ProgressiveSettings
from mnas_moo.genomes.history import Record
from mnas_moo.genomes.tokens import Decision
from mnas_moo.settings import SearchSettings
from mnas_moo.spaces.growth import Growth
from mnas_moo.surrogate.scale import Scale
from mnas_moo.surrogate.surrogate import Surrogate, Transfer
from mnas_moo.surrogate.view import Canonical, Features, Reader

Floats = npt.NDArray[np.float64]
Params = Mapping[str, Any]

LEAST_RESULTS = 2
"""Results that a predictor needs."""
BEND = 4.0
"""How far the scale of a skewed quantity is bent (``Scale.of``)."""
KNEE = 1.0
"""Deviation of the loss from which on it is linear (Huber's)."""


@dataclass(frozen=True)
class Result:
    """A completed trial: its record, and its parameters."""

    record: Record
    params: Params


@dataclass(frozen=True)
class Prediction:
    """What is expected of N networks.

    Attributes:
        values: (N, M) objectives in the study's units.
        violation: (N,) how far constraints are broken in sum, at least 0.
    """

    values: Floats
    violation: Floats


class Predictor(Protocol):
    """A fitted predictor."""

    def predict(self, networks: Sequence[Params]) -> Prediction:
        """What is expected of networks, at least one, given by their parameters."""
        ...


def fitted(
    settings: ProgressiveSettings,
    growth: Growth,
    results: Sequence[Result],
    signs: Sequence[float],
    seed: int,
    canonical: Canonical | None = None,
    features: Features | None = None,
) -> Predictor:
    """The predictor that the settings name, fitted.

    Args:
        settings: settings of the search.
        growth: order of growth of the space.
        results: completed trials.
        signs: M numbers, 1 where an objective is minimised, -1 where it is maximised.
        seed: seed of the first weights.
        canonical: see ``MnasSampler``.
        features: see ``MnasSampler``.

    Raises:
        ValueError: there are fewer than two results.
    """
    if len(results) < LEAST_RESULTS:
        raise ValueError(
            f"the predictor has seen {'nothing' if not results else '1 result'}; it needs at least {LEAST_RESULTS} "
            "completed trials to be fitted to"
        )
    if settings.predictor == "surrogate":
        return SurrogatePredictor(results, signs, seed, canonical, features)
    return LSTMPredictor(settings, growth, results, seed, features)


class Words:
    """Networks as sequences: the decisions of the steps that they have grown, one token each.

    Args:
        growth: order of growth.

    Attributes:
        count: number of different tokens.
    """

    def __init__(self, growth: Growth) -> None:
        self._growth = growth
        first: dict[tuple[int, str], int] = {}  # place in its step and distribution -> its first token
        self._decisions: list[list[tuple[Decision, int]]] = []
        self.count = 0
        for step in growth.steps:
            own = []
            for place, (name, distribution) in enumerate(step.items()):
                decision = Decision(name, distribution)
                key = place, repr(distribution)
                if key not in first:
                    first[key] = self.count
                    self.count += decision.size
                own.append((decision, first[key]))
            self._decisions.append(own)

    def read(self, params: Params) -> list[tuple[int, float]]:
        """The tokens of a network, and the places of its numbers in [0, 1]; 0 for a category."""
        return [
            (first + decision.token(value := params[decision.name]), decision.place(value) if decision.ordered else 0.0)
            for step in self._decisions[: self._growth.grown(params)]
            for decision, first in step
        ]


class LSTMPredictor:
    """An LSTM that reads the decisions of a network.

    Args:
        settings: settings of the search.
        growth: order of growth of the space.
        results: completed trials, at least two.
        seed: seed of the first weights.
        features: numbers that say more of a network.
    """

    def __init__(
        self,
        settings: ProgressiveSettings,
        growth: Growth,
        results: Sequence[Result],
        seed: int,
        features: Features | None,
    ) -> None:
        self._words, self._features = Words(growth), features
        values = np.array([result.record.values for result in results])  # (N, M)
        violation = np.array([result.record.violation for result in results])  # (N,)
        self._broken = bool((violation > 0).any())
        targets = np.column_stack([values, violation]) if self._broken else values  # (N, Q)
        self._scales = [Scale.of(column, BEND) for column in targets.T]
        scaled = np.stack([scale(column) for scale, column in zip(self._scales, targets.T, strict=True)], axis=1)
        networks = [result.params for result in results]
        numbers = self._numbers_of(networks)
        self._mean, deviation = numbers.mean(axis=0), numbers.std(axis=0)  # (F,)
        self._factor = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0.0)
        batch = self._batch(networks)
        y = torch.from_numpy(scaled.astype(np.float32))  # (N, Q)
        self._reader = _LSTMReader(settings, self._words.count, numbers.shape[1], y.shape[1], seed)
        _fit(self._reader, batch, y, settings)

    def predict(self, networks: Sequence[Params]) -> Prediction:
        """What is expected of networks."""
        batch = self._batch(networks)
        with torch.no_grad():
            scaled = self._reader(batch).double().numpy()  # (N, Q)
        values = np.stack([scale.inverse(scaled[:, q]) for q, scale in enumerate(self._scales)], axis=1)
        if not self._broken:
            return Prediction(values, np.zeros(len(networks)))
        return Prediction(values[:, :-1], np.maximum(values[:, -1], 0.0))

    def _numbers_of(self, networks: Sequence[Params]) -> Floats:
        """(N, F) the numbers that the space says of networks."""
        found = [list(self._features(params).values()) if self._features else [] for params in networks]
        return np.array(found, dtype=float).reshape(len(networks), -1)

    def _batch(self, networks: Sequence[Params]) -> _Batch:
        read = [self._words.read(params) for params in networks]
        longest = max(map(len, read))
        tokens = np.zeros((len(read), longest), dtype=np.int64)
        places = np.zeros((len(read), longest, 1), dtype=np.float32)
        for i, sequence in enumerate(read):
            tokens[i, : len(sequence)] = [token for token, _ in sequence]
            places[i, : len(sequence), 0] = [place for _, place in sequence]
        numbers = np.clip((self._numbers_of(networks) - self._mean) * self._factor, -4.0, 4.0)
        return _Batch(
            torch.from_numpy(tokens),
            torch.from_numpy(places),
            torch.tensor([len(sequence) for sequence in read]),
            torch.from_numpy(numbers.astype(np.float32)),
        )


@dataclass(frozen=True)
class _Batch:
    """N networks as an LSTM reads them.

    Attributes:
        tokens: (N, T) tokens; behind a network's end, 0.
        places: (N, T, 1) places of the numbers among them.
        lengths: (N,) number of tokens of each network, at least 1.
        numbers: (N, F) what the space says of each, scaled.
    """

    tokens: Tensor
    places: Tensor
    lengths: Tensor
    numbers: Tensor


class _LSTM(nn.LSTM):
    def reset_parameters(self) -> None:
        """Nothing: the weights are not drawn from torch's global generator."""


class _LSTMReader(nn.Module):
    """An LSTM, and a linear map of its last state and the space's numbers.

    Args:
        settings: settings of the search.
        tokens: number of different tokens.
        numbers: number of the space's numbers, F.
        outputs: number of predicted quantities, Q.
        seed: seed of the weights.
    """

    def __init__(self, settings: ProgressiveSettings, tokens: int, numbers: int, outputs: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        hidden = settings.hidden
        self.embedding = nn.Parameter(torch.randn(tokens, settings.embedding, generator=generator) * 0.5)
        self.lstm = _LSTM(settings.embedding + 1, hidden, batch_first=True)
        bound = 1 / math.sqrt(hidden)
        for parameter in self.lstm.parameters():
            parameter.data = (torch.rand(parameter.shape, generator=generator) * 2 - 1) * bound
        self.head = nn.Parameter(torch.randn(hidden + numbers, outputs, generator=generator) * bound)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, batch: _Batch) -> Tensor:
        """(N, Q) the quantities, on their scales."""
        x = torch.cat([self.embedding[batch.tokens], batch.places], dim=2)  # (N, T, E + 1)
        states, _ = self.lstm(x)  # (N, T, H)
        last = states[torch.arange(len(states)), batch.lengths - 1]  # (N, H)
        return torch.cat([last, batch.numbers], dim=1) @ self.head + self.bias


def _fit(reader: _LSTMReader, batch: _Batch, y: Tensor, settings: ProgressiveSettings) -> None:
    optimiser = Adam(reader.parameters(), settings.learning_rate)
    for step in range(settings.fit_steps):
        optimiser.learning_rate = settings.learning_rate * (1 + math.cos(math.pi * step / settings.fit_steps)) / 2
        loss = nn.functional.huber_loss(reader(batch), y, delta=KNEE)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        with torch.no_grad():
            for parameter in reader.parameters():
                parameter.mul_(1 - optimiser.learning_rate * settings.weight_decay)


class SurrogatePredictor:
    """The default sampler's model. It knows nothing of a parameter that no completed trial has had.

    Args:
        results: completed trials, at least two.
        signs: (M,) 1 where an objective is minimised, -1 where it is maximised.
        seed: seed of the choice of trials in a model of bounded size.
        canonical: see ``MnasSampler``.
        features: see ``MnasSampler``.
    """

    def __init__(
        self,
        results: Sequence[Result],
        signs: Sequence[float],
        seed: int,
        canonical: Canonical | None,
        features: Features | None,
    ) -> None:
        self._signs = np.array(signs, dtype=float)
        self._model = Surrogate(
            [result.record for result in results],
            self._signs,
            {},
            Transfer(),
            SearchSettings(),
            np.random.default_rng(seed),
            Reader(canonical, features),
        )

    def predict(self, networks: Sequence[Params]) -> Prediction:
        """What is expected of networks."""
        model = self._model
        posterior = model.posterior(np.stack([model.encoding.row(params) for params in networks]))
        values = [
            scale.inverse(quantity.mean) * sign
            for scale, quantity, sign in zip(model.scales, posterior, self._signs, strict=False)
        ]
        broken = [
            np.maximum(quantity.mean - known.limit, 0.0)
            for known, quantity in zip(model.quantities, posterior, strict=True)
            if known.limit is not None
        ]
        return Prediction(np.stack(values, axis=1), np.sum([np.zeros(len(networks)), *broken], axis=0))
