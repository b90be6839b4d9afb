from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import kendalltau  # type: ignore[import-untyped]

from mnas_moo.objectives.objective import Graph
from mnas_moo.objectives.predictor import predictor as module
from mnas_moo.objectives.predictor.predictor import LatencyPredictor
from mnas_moo.spaces import NetworkSpec, get, network
from mnas_moo.spaces.operations import Conv, Dropout
from mnas_moo.spaces.spec import Layer, Node


def networks(count: int, seed: int = 0, preset: str = "digits", **settings: float) -> list[NetworkSpec]:
    space, rng = get("mnasnet", preset=preset, **settings), np.random.default_rng(seed)
    return [space.random(rng) for _ in range(count)]


def layer_ms(node: Node) -> float:
    """A device whose layers have their own speeds: channels in steps of 16, slow depthwise kernels, a cost a call."""
    operation, inputs = node.operation, node.input_shapes
    if isinstance(operation, Dropout):
        return 0.0
    speed = 1e6
    if isinstance(operation, Conv):
        speed *= 8 if operation.groups == 1 else 2 if operation.kernel == 3 else 1.5
        speed *= node.shape[0] / (16 * math.ceil(node.shape[0] / 16))  # idle lanes
    elements = sum(math.prod(shape) for shape in (*inputs, node.shape))
    return operation.multiply_adds(*inputs) / speed + elements / 4e6 + 0.0005


def device_ms(specs: Sequence[Graph], noise: float = 0.0, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    return [sum(map(layer_ms, spec.nodes)) * math.exp(noise * rng.standard_normal()) for spec in specs]


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some nodes of a network."""

    nodes: tuple[Node, ...]
    input_shape: tuple[int, int, int] = (1, 16, 16)
    name: str = "piece"
    parameters: int = 0

    def canonical(self) -> Piece:
        return self


@pytest.fixture(scope="module")
def fitted() -> LatencyPredictor:
    specs = networks(200)
    return LatencyPredictor.fit(specs, device_ms(specs, noise=0.02))


@pytest.fixture(scope="module")
def fitted_imagenet() -> LatencyPredictor:
    specs = networks(200, preset="imagenet")
    return LatencyPredictor.fit(specs, device_ms(specs, noise=0.02))


def relative_errors(predictor: LatencyPredictor, specs: Sequence[NetworkSpec]) -> np.ndarray:
    predicted = np.array([predictor.predict(spec).ms for spec in specs])
    return np.asarray(np.abs(predicted / np.array(device_ms(specs)) - 1))


def test_unseen_networks_are_predicted_about_as_well_as_a_measurement_tells(
    fitted: LatencyPredictor, fitted_imagenet: LatencyPredictor
) -> None:
    one_measurement = 0.6745 * 0.02  # median of its error
    assert np.median(relative_errors(fitted, networks(100, seed=1))) < 1.2 * one_measurement
    assert np.median(relative_errors(fitted_imagenet, networks(100, seed=1, preset="imagenet"))) < one_measurement


def test_without_noise_layers_are_learnt_from_sums() -> None:
    specs = networks(200)
    predictor = LatencyPredictor.fit(specs, device_ms(specs))
    assert np.median(relative_errors(predictor, networks(100, seed=1))) < 0.01
    assert predictor.quality.median < 0.01 and predictor.quality.kendall_tau > 0.97


def test_the_quality_is_that_on_networks_of_later(fitted: LatencyPredictor) -> None:
    specs = networks(300, seed=1)
    later = np.array(device_ms(specs, noise=0.02, seed=1))
    predictions = [fitted.predict(spec) for spec in specs]
    errors = np.abs(np.array([p.ms for p in predictions]) / later - 1)
    # Fitted to four fifths, it may be a little worse than the predictor itself, never much better.
    assert 0.85 < fitted.quality.median / np.median(errors) < 1.4
    assert 0.85 < fitted.quality.p90 / np.quantile(errors, 0.9) < 1.4
    assert fitted.quality.kendall_tau == pytest.approx(kendalltau([p.ms for p in predictions], later)[0], abs=0.03)
    covered = [p.low_ms <= ms <= p.high_ms for p, ms in zip(predictions, later, strict=True)]
    assert 0.85 <= np.mean(covered) <= 0.95
    assert 0.85 <= fitted.quality.coverage <= 0.95


def test_latencies_that_have_nothing_to_do_with_the_networks_are_not_explained() -> None:
    ms = np.random.default_rng(0).uniform(1, 2, 100)
    quality = LatencyPredictor.fit(networks(100), ms.tolist()).quality
    assert abs(quality.kendall_tau) < 0.2
    assert quality.median > 0.1
    assert 0.8 <= quality.coverage <= 1


@pytest.mark.parametrize("preset", ["digits", "imagenet"])
def test_networks_of_the_space_are_hardly_ever_outside(preset: str, request: pytest.FixtureRequest) -> None:
    predictor = request.getfixturevalue("fitted" if preset == "digits" else "fitted_imagenet")
    assert sum(predictor.predict(spec).outside is not None for spec in networks(200, 1, preset)) < 10
    assert predictor.quality.outside < 0.05


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        ("digits", {"resolution": 8}),
        ("digits", {"resolution": 32}),
        ("digits", {"width": 1.0}),
        ("imagenet", {"width": 2.0}),
        ("imagenet", {"width": 0.5}),
        ("imagenet", {"resolution": 112}),
        ("imagenet", {"resolution": 192}),
    ],
)
def test_other_widths_and_resolutions_are_outside(
    preset: str, changes: dict[str, float], request: pytest.FixtureRequest
) -> None:
    predictor = request.getfixturevalue("fitted" if preset == "digits" else "fitted_imagenet")
    others = networks(30, 1, preset, **changes)
    assert all(predictor.predict(spec).outside is not None for spec in others)


def test_twice_the_width_is_outside_though_rounding_makes_some_layers_alike(fitted: LatencyPredictor) -> None:
    assert sum(fitted.predict(spec).outside is not None for spec in networks(100, 1, width=0.5)) >= 90


def test_a_network_with_other_operations_is_outside(fitted_imagenet: LatencyPredictor) -> None:
    assert fitted_imagenet.predict(network("mnasnet-d1-320")).outside is not None  # 7x7 kernels at 320 pixels
    plain = get("mnasnet").spec(
        {name: values.choices[0] for name, values in get("mnasnet").distributions.items()}  # type: ignore[attr-defined]
    )
    grouped = tuple(
        dataclasses.replace(node, operation=dataclasses.replace(node.operation, groups=8))
        if isinstance(node.operation, Conv) and node.operation.groups == 1 and node.input_shapes[0][0] % 8 == 0
        else node
        for node in plain.nodes
    )
    assert fitted_imagenet.predict(plain).outside is None
    outside = fitted_imagenet.predict(Piece(grouped)).outside
    assert outside is not None and "a conv in 8 groups" in outside and outside.endswith("they have none")


def test_the_sentence_names_the_layer_and_the_nearest_that_was_seen(fitted: LatencyPredictor) -> None:
    spec = networks(1)[0]
    outside = fitted.predict(dataclasses.replace(spec, head=1280)).outside
    assert outside is not None
    assert outside.startswith("its layers differ from those of the 200 fitted networks by a factor of 1.")
    channels = spec.layers[-1].out_channels
    assert f"head, a 1x1 conv, {channels} to 1280 channels of 4x4 pixels; the nearest they have: " in outside
    assert outside.endswith(" channels of 4x4 pixels")


def test_the_interval_is_wider_where_less_is_known(fitted: LatencyPredictor) -> None:
    def width(spec: Graph) -> float:
        prediction = fitted.predict(spec)
        assert 0 < prediction.low_ms < prediction.ms < prediction.high_ms
        return prediction.high_ms / prediction.low_ms

    assert max(map(width, networks(50, 1))) < min(map(width, networks(50, 1, resolution=32)))


def test_a_network_takes_as_long_as_its_halves(fitted: LatencyPredictor) -> None:
    for spec in networks(5, seed=2):
        half = len(spec.nodes) // 2
        halves = fitted.predict(Piece(spec.nodes[:half])).ms + fitted.predict(Piece(spec.nodes[half:])).ms
        assert fitted.predict(spec).ms == pytest.approx(halves, rel=1e-9)


def test_what_takes_no_time_changes_nothing(fitted: LatencyPredictor) -> None:
    spec = networks(1, seed=2)[0]
    other = dataclasses.replace(spec, dropout=0.0, epsilon=1e-5, name="other")
    assert fitted.predict(other) == fitted.predict(spec)


def test_what_is_far_smaller_still_takes_time(fitted: LatencyPredictor) -> None:
    tiny = NetworkSpec((1, 2, 2), Layer("conv", 1, 1, 1, skip="none"), (), 0, 1)
    prediction = fitted.predict(tiny)
    assert 0 < prediction.low_ms < prediction.ms < min(device_ms(networks(50)))


def test_the_same_seed_gives_the_same_predictor_and_latencies_scale() -> None:
    specs, spec = networks(40), networks(1, seed=1)[0]
    ms = device_ms(specs, noise=0.05)
    first, again = (LatencyPredictor.fit(specs, ms, seed=3) for _ in range(2))
    assert first.quality == again.quality
    assert first.predict(spec) == again.predict(spec)
    thousandfold = LatencyPredictor.fit(specs, [1000 * value for value in ms], seed=3)
    assert thousandfold.predict(spec).ms == pytest.approx(1000 * first.predict(spec).ms, rel=1e-6)
    assert LatencyPredictor.fit(specs, ms, seed=4).quality != first.quality  # other folds


def test_a_network_measured_several_times_counts_once_with_its_median() -> None:
    specs = networks(30)
    ms = device_ms(specs)
    repeated = LatencyPredictor.fit([*specs, *specs, *specs], [*ms, *(50 * value for value in ms), *ms])
    assert repeated.networks == len({spec.canonical() for spec in specs})
    spec = networks(1, seed=1)[0]
    assert repeated.predict(spec) == LatencyPredictor.fit(specs, ms).predict(spec)


def test_of_very_many_networks_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 30)
    specs = networks(50)
    predictor = LatencyPredictor.fit(specs, device_ms(specs))
    assert predictor.networks == 30
    assert np.median(relative_errors(predictor, specs)) < 0.1


def test_too_few_networks_are_an_error_that_says_how_many_are_needed() -> None:
    specs = networks(10)
    with pytest.raises(ValueError, match=r"got 10 different networks .* at least 20, .*: measure 10 more"):
        LatencyPredictor.fit([*specs, *specs], device_ms([*specs, *specs]))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_latency_that_is_none_is_an_error(value: float) -> None:
    specs = networks(20)
    with pytest.raises(ValueError, match=rf"network 4 is {value}; it must be milliseconds above 0"):
        LatencyPredictor.fit(specs, [1.0, 2.0, 3.0, value, *[1.0] * 16])


def test_every_network_needs_a_latency() -> None:
    with pytest.raises(ValueError, match="got 20 networks and 19 latencies"):
        LatencyPredictor.fit(networks(20), [1.0] * 19)


def test_a_line_for_people(fitted: LatencyPredictor) -> None:
    quality = dataclasses.replace(fitted.quality, median=0.0234, p90=0.0678, kendall_tau=0.931)
    assert str(quality) == "held-out networks: median error 2.3%, 90 % within 6.8%, Kendall's tau 0.93"
