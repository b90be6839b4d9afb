from __future__ import annotations

import numpy as np
import pytest
import torch

from mnas_moo.spaces import get
from mnas_moo.supernet.mixture import Mixture
from mnas_moo.supernet.module import Supernet

SPACE = get("fbnet", preset="digits")
IMAGES = torch.randn(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def mixture() -> Mixture:
    return Mixture(Supernet(SPACE, torch.Generator().manual_seed(0))).eval()


def test_with_one_candidate_a_layer_it_is_the_path_of_that_network() -> None:
    mixed = mixture()
    rng = np.random.default_rng(0)
    for _ in range(10):
        params = {name: str(rng.choice(choices)) for name, choices in mixed.choices.items()}
        masks = {
            name: torch.tensor([float(choice == params[name]) for choice in choices])
            for name, choices in mixed.choices.items()
        }
        with torch.no_grad():
            one, other = mixed(IMAGES, masks), mixed.supernet(IMAGES, mixed.supernet.path(params))
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_a_layer_is_the_weighted_sum_of_its_candidates() -> None:
    mixed = mixture()
    weights = torch.softmax(torch.randn(9, generator=torch.Generator().manual_seed(1)), 0)
    with torch.no_grad():
        x = mixed.supernet.run(mixed.first, IMAGES)
        for candidates in mixed.candidates.values():
            naive = sum(
                weight * (x if candidate is None else mixed.supernet.run(candidate, x))
                for weight, candidate in zip(weights, candidates, strict=True)
            )
            x = mixed._layer(x, candidates, weights)
            torch.testing.assert_close(x, naive, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_the_weights_is_that_of_finite_differences() -> None:
    mixed = mixture().double()
    name = list(mixed.choices)[2]
    masks = {each: torch.full((9,), 1 / 9, dtype=torch.float64) for each in mixed.choices}
    masks[name].requires_grad_()

    def loss() -> torch.Tensor:
        return mixed(IMAGES.double(), masks).square().mean()  # type: ignore[no-any-return]

    (gradient,) = torch.autograd.grad(loss(), masks[name])
    for i in range(9):
        with torch.no_grad():
            masks[name][i] += 1e-7
            above = loss()
            masks[name][i] -= 2e-7
            below = loss()
            masks[name][i] += 1e-7
        assert float(gradient[i]) == pytest.approx(float(above - below) / 2e-7, rel=1e-3, abs=1e-7)


def test_parameters_that_are_no_candidates_of_layers_are_refused() -> None:
    supernet = Supernet(get("mnasnet", preset="digits"), torch.Generator())
    with pytest.raises(ValueError, match="space mnasnet: its parameters do not choose among the same candidates"):
        Mixture(supernet)
