"""Pictures of what searches with weights of their own learn: curve and ranks, FBNet's distributions, InstaNAS' paths.

They are read from what stands beside the weights on this machine (``.json``), and from the trials; where there is
nothing, there is no picture. A file that another program has changed is taken for none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.fbnet.sampler import SUPERNET_ACCURACY
from mnas_moo.objectives.extras import require
from mnas_moo.objectives.statistics import kendall_interval
from mnas_moo.reports.panels import COLORS
from mnas_moo.reports.per_image import per_image_figures
from mnas_moo.reports.plots_plotly import dressed
from mnas_moo.running import per_image
from mnas_moo.running.searches import search_file
from mnas_moo.running.shared_weights import beside, weights_file
from mnas_moo.running.trials import JUDGED, measured, network_of
from mnas_moo.study_file.network_study import NetworkStudy

LEAST_PAIRS = 3
COLUMNS = 4


@dataclass(frozen=True)
class Searches:
    """What is known of a study's shared weights and of its search.

    Attributes:
        curve: points of the curve of the shared weights: "step", "seconds", "loss", "largest", "smallest", "random".
        choices: the candidates of each layer, by the parameter's name; empty without FBNet's search.
        epochs: FBNet's epochs, as ``fbnet.search.Epoch``.
        per_image: what stands beside InstaNAS' search.
        pairs: (accuracy by shared weights, accuracy when trained alone) of networks that have both.
    """

    curve: Sequence[Mapping[str, float]] = ()
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    epochs: Sequence[Mapping[str, Any]] = ()
    pairs: Sequence[tuple[float, float]] = ()
    per_image: Mapping[str, Any] = field(default_factory=dict)

    @property
    def correlation(self) -> tuple[float, float, float] | None:
        """Kendall's rank correlation of the pairs, with its interval; None for too few."""
        if len(self.pairs) < LEAST_PAIRS:
            return None
        shared, alone = np.array(self.pairs, dtype=float).T
        return kendall_interval(shared, alone)


def searches_of(study_file: NetworkStudy, trials: Sequence[FrozenTrial], names: Sequence[str]) -> Searches:
    """Reads what there is.

    Args:
        study_file: the study.
        trials: its trials.
        names: its objectives, in the order of the values.
    """
    curve = beside(weights_file(study_file)).get("curve", [])
    searched = beside(search_file(study_file))
    return Searches(
        [point for point in curve if isinstance(point, dict) and _numbers(point, CURVE)],
        searched.get("choices", {}),
        searched.get("epochs", []),
        pairs_of(trials, names),
        beside(per_image.search_file(study_file)),
    )


CURVE = ("step", "loss", "largest", "smallest", "random")


def pairs_of(trials: Sequence[FrozenTrial], names: Sequence[str]) -> list[tuple[float, float]]:
    """Accuracies by shared weights and alone, of the networks that have both."""
    if "accuracy" not in names:
        return []
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    position = list(names).index("accuracy")
    shared = {
        network_of(trial): trial.values[position]
        for trial in completed
        if measured(trial, "accuracy").get("weights") == "shared"
    }
    pairs = [
        (shared[network_of(trial)], trial.values[position])
        for trial in completed
        if JUDGED in trial.user_attrs and network_of(trial) in shared
    ]
    beside = [(trial.user_attrs.get(SUPERNET_ACCURACY), trial.values[position]) for trial in completed]
    return pairs + [(float(one), other) for one, other in beside if isinstance(one, int | float)]


def search_figures(searches: Searches) -> dict[str, Any]:
    """The pictures by name: "shared-weights", "rank-correlation", "fbnet-search", "fbnet-theta"; those there are.

    And those of ``per_image_figures``.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    figures: dict[str, Any] = {}
    if searches.curve:
        figures["shared-weights"] = _curve(searches.curve)
    if searches.correlation is not None:
        figures["rank-correlation"] = _ranks(searches.pairs, searches.correlation)
    if searches.epochs:
        figures["fbnet-search"] = _course(searches.epochs)
        figures["fbnet-theta"] = _theta(searches.choices, searches.epochs)
    return figures | per_image_figures(searches.per_image)


def _curve(curve: Sequence[Mapping[str, float]]) -> Any:
    go = require("plotly.graph_objects", extra="plot")
    figure = go.Figure()
    steps = [point["step"] for point in curve]
    for name, color in zip(("largest", "random", "smallest"), COLORS, strict=False):
        accuracies = [point[name] for point in curve]
        line = go.Scatter(x=steps, y=accuracies, mode="lines+markers", name=f"{name} network", line={"color": color})
        figure.add_trace(line)
    figure.update_yaxes(title_text="accuracy on the hold-out", tickformat=".0%")
    figure.update_xaxes(title_text="step of the training")
    last = ", ".join(f"{name} network {curve[-1][name]:.1%}" for name in ("largest", "random", "smallest"))
    told = f"Accuracy by the weights that all networks share, after {curve[-1]['step']:,.0f} steps: {last}"
    return dressed(figure, "Weights that all networks share", told)


def _ranks(pairs: Sequence[tuple[float, float]], found: tuple[float, float, float]) -> Any:
    go = require("plotly.graph_objects", extra="plot")
    dots = go.Scatter(
        x=[pair[0] for pair in pairs], y=[pair[1] for pair in pairs], mode="markers", marker={"color": COLORS[0]}
    )
    figure = go.Figure(dots)
    figure.update_xaxes(title_text="accuracy by shared weights", tickformat=".3~%")
    figure.update_yaxes(title_text="accuracy when trained alone", tickformat=".3~%")
    tau, low, high = found
    title = f"Kendall's tau {tau:.2f} ({low:.2f} to {high:.2f}) over {len(pairs)} networks"
    return dressed(figure, title, f"Accuracy when trained alone against accuracy by shared weights: {title}")


def _course(epochs: Sequence[Mapping[str, Any]]) -> Any:
    subplots = require("plotly.subplots", extra="plot")
    go = require("plotly.graph_objects", extra="plot")
    titles = ("loss of the weights", "loss of the distributions", "expected latency (ms)", "temperature")
    figure = subplots.make_subplots(2, 2, subplot_titles=titles, vertical_spacing=0.18)
    x = [epoch["epoch"] + 1 for epoch in epochs]
    latencies = np.array([epoch["latency_ms"] for epoch in epochs])  # (E, K)
    lines = [
        (1, 1, [epoch["loss"] for epoch in epochs], COLORS[0], ""),
        (1, 2, [epoch["theta_loss"] for epoch in epochs], COLORS[0], ""),
        (2, 2, [epoch["temperature"] for epoch in epochs], COLORS[0], ""),
    ]
    for point, beta in enumerate(epochs[-1]["beta"]):
        color = COLORS[point % len(COLORS)]
        lines.append((2, 1, latencies[:, point].tolist(), color, f"beta {beta:.3g}"))
    for row, column, y, color, name in lines:
        line = go.Scatter(x=x, y=y, mode="lines", line={"color": color}, name=name, showlegend=bool(name))
        figure.add_trace(line, row=row, col=column)
    ends = ", ".join(f"{latency:.4g} ms" for latency in latencies[-1])
    told = f"FBNet's search after {len(epochs)} epochs: loss {epochs[-1]['loss']:.4g}, expected latency {ends}"
    return dressed(figure, "FBNet's search, epoch by epoch", told)


def _theta(choices: Mapping[str, Sequence[str]], epochs: Sequence[Mapping[str, Any]]) -> Any:
    """Probability of each candidate over the epochs, a map a layer, of the distribution with the least exponent."""
    subplots = require("plotly.subplots", extra="plot")
    go = require("plotly.graph_objects", extra="plot")
    names = list(choices)
    rows = math.ceil(len(names) / COLUMNS)
    figure = subplots.make_subplots(
        rows, COLUMNS, subplot_titles=names, shared_yaxes=True, vertical_spacing=0.25 / rows, horizontal_spacing=0.02
    )
    point = int(np.argmin(epochs[-1]["beta"]))
    found = np.array([epoch["probabilities"][point] for epoch in epochs])  # (E, L, C)
    for i, name in enumerate(names):
        colours = {"zmin": 0, "zmax": 1, "colorscale": "Blues", "showscale": i == 0}
        heat = go.Heatmap(z=found[:, i].T.tolist(), y=list(choices[name]), **colours)
        figure.add_trace(heat, row=i // COLUMNS + 1, col=i % COLUMNS + 1)
    figure.update_layout(height=170 * rows + 80)
    likeliest = [f"{name} {choices[name][int(np.argmax(found[-1, i]))]}" for i, name in enumerate(names)]
    told = f"The likeliest candidate of each layer after {len(epochs)} epochs: {', '.join(likeliest)}"
    return dressed(figure, "Probability of each candidate, layer by layer, over the epochs", told)


def _numbers(point: Mapping[str, Any], names: Sequence[str]) -> bool:
    return all(isinstance(point.get(name), int | float) for name in names)
