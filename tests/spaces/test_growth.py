from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from mnas_moo.spaces import get
from mnas_moo.spaces.growth import Growth

OPERATION = CategoricalDistribution(["none", "conv", "pool"])
THREE = tuple({f"op{i}": OPERATION} for i in range(3))
PAIRS = Growth(
    ({"norm0": OPERATION}, {"conv0": OPERATION}, {"norm1": OPERATION}, {"conv1": OPERATION}),
    {},
    ("pairs", IntDistribution(1, 2)),
    (1, 1, 2, 2),
)


def test_a_networks_growth_is_its_last_step_that_is_not_at_rest() -> None:
    growth = Growth(THREE, {"op2": "pool"})
    assert growth.grown({"op0": "none", "op1": "none", "op2": "pool"}) == 1
    assert growth.grown({"op0": "none", "op1": "conv", "op2": "pool"}) == 2
    assert growth.grown({"op0": "none", "op1": "none", "op2": "none"}) == 3


def test_where_the_length_is_a_parameter_later_steps_do_not_exist() -> None:
    chosen = {name: "conv" for step in PAIRS.steps for name in step}
    assert PAIRS.params(chosen, 1) == {"pairs": 1, "norm0": "conv", "conv0": "none"}
    assert PAIRS.params(chosen, 3) == {"pairs": 2, "norm0": "conv", "conv0": "conv", "norm1": "conv", "conv1": "none"}
    assert [PAIRS.grown(PAIRS.params(chosen, steps)) for steps in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert PAIRS.is_whole(PAIRS.params(chosen, 2))
    assert not PAIRS.is_whole({"pairs": 2, "norm0": "conv", "conv0": "conv"})
    assert list(PAIRS.distributions) == ["pairs", "norm0", "conv0", "norm1", "conv1"]


@pytest.mark.parametrize(("name", "steps"), [("mnasnet", 7), ("mnasnet-flat", 24), ("fbnet", 22)])
def test_the_spaces_of_this_package_grow_from_a_small_network_to_larger_ones(name: str, steps: int) -> None:
    space: Any = get(name)
    growth = space.growth
    assert len(growth.steps) == steps
    assert list(growth.distributions) == list(space.distributions)
    chosen = {name: next(iter(d.choices)) for name, d in space.distributions.items()}
    sizes = [space.spec(growth.params(chosen, n)).multiply_adds for n in (1, steps // 2, steps)]
    assert sizes == sorted(sizes)
    assert growth.grown(growth.params(chosen, steps // 2)) == steps // 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((),), "needs at least one step"),
        ((({"a": OPERATION}, {"a": OPERATION}),), "parameter 'a' stands in it twice"),
        ((THREE, {"op9": "conv"}), "parameter at rest 'op9' is unknown"),
        ((THREE, {"op1": "pol"}), "op1 rests at 'pol'; allowed"),
        ((THREE, {}, ("n", IntDistribution(1, 3)), (1, 2)), "2 lengths for 3 steps"),
        ((THREE, {}, None, (1, 2, 3)), "lengths need the parameter"),
    ],
)
def test_an_order_that_cannot_be_is_refused_in_one_line(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Growth(*arguments)
    assert "\n" not in str(caught.value)


def test_every_parameter_needs_a_step() -> None:
    with pytest.raises(ValueError, match="no step decides 'op2'"):
        Growth.of({f"op{i}": OPERATION for i in range(3)}, [["op0"], ["op1"]])
    with pytest.raises(ValueError, match="parameter 'op7' is unknown"):
        Growth.of({"op0": OPERATION}, [["op7"]])


def test_cells_grow_by_a_layer_and_later_layers_have_no_effect() -> None:
    space = get("dppnet", preset="digits", shortest=2, longest=4)
    growth = space.growth  # type: ignore[attr-defined]
    assert [len(step) for step in growth.steps] == [2, 1, 1]
    chosen = space.random(np.random.default_rng(3))
    genome = {**space.params(chosen), "length": 4}
    for steps, length in ((1, 2), (2, 3), (3, 4)):
        made = growth.params(genome, steps)
        assert made["length"] == length and growth.grown(made) == steps
        assert len(space.spec(made).layers[0].cell) <= length
    assert growth.grown({**genome, "length": 2}) == 1
    assert growth.is_whole(growth.params(genome, 1))
