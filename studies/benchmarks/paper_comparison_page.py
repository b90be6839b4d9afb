"""Tables and plots of ``paper_comparison.py``, made of its JSON alone.

python studies/benchmarks/paper_comparison_page.py [--input build/paper-comparison.json]
[--page docs/paper-comparison.md]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnas_moo.objectives.extras import require
from mnas_moo.objectives.front import hypervolume
from mnas_moo.reward import MnasReward
from mnas_moo.studies.benchmarks import harness
from mnas_moo.studies.benchmarks.harness import markdown

Floats = npt.NDArray[np.float64]
Summary = Mapping[str, Any]

PUBLISHED = {"hard": (0.0, -1.0), "soft": (-0.07, -0.07)}
"""The paper's rewards by their exponents alpha and beta (sec. 3, fig. 3 and 6)."""
FAST, SLOW = 40 / 75, 110 / 75
"""Shares of T between which the paper's soft search has most, not all, of its samples (fig. 6: 40, 75 and 110 ms)."""
BINS = np.linspace(0, 4, 65)
"""Of the histograms, in units of T; the last bin takes all that is slower."""
ENTROPY_TRIALS = 500
"""Trials whose choices make one point of the entropy's curve."""

STYLES = {
    "hard": ("#0072B2", "-"),
    "soft": ("#D55E00", "-"),
    "hard, one pass of PPO": ("#0072B2", "--"),
    "soft, one pass of PPO": ("#D55E00", "--"),
    "soft, aimed at 2 T": ("#E69F00", ":"),
    "soft, entropy bonus x 100": ("#CC79A7", "-."),
    "NSGA-II": ("#009E73", "-"),
    "random": ("#999999", "-"),
    "MnasSampler()": ("#000000", "-"),
}
"""Colour and dashes of every search."""


# The page's tables


def _mean(values: Iterable[float], form: str = ".1%") -> str:
    """The mean over seeds, and between which values they lie."""
    array = np.array(list(values))
    low, mean, high = (format(x, f"z{form}") for x in (array.min(), array.mean(), array.max()))
    return mean if low == high else f"{mean} ({low} to {high})"


def reward_tables(result: Summary) -> dict[str, str]:
    """Tables of ``compare_rewards``, by the marker they go to."""
    head = ["table, search", "trials", "at most T", "below 40/75 T", "above 110/75 T", "LAT/T at 5 %, 50 %, 95 %"]
    head += ["mean accuracy", "different networks", "entropy (nats)"]
    head_why = ["table", "reward", "best network of the front at", "within 1 % of its reward", "weight of latency"]
    head_why += ["w by the paper's recipe"]
    rows: dict[str, list[list[str]]] = {"reward": [], "variants": [], "why": []}
    for name, table in result.items():
        unit = f"{name}, T = {table['target']:g} ms"
        rows["reward"].append([f"{unit}: random", f"{table['random_networks']:,}", *_spread_cells([table["random"]])])
        for label, arm in table["arms"].items():
            kind = "reward" if label in PUBLISHED else "variants"
            for window, runs in arm["windows"].items():
                rows[kind].append([f"{name}: {label}", window, *_spread_cells(runs)])
        for label in PUBLISHED:
            arm = table["arms"][label]
            low, high = arm["within_1_percent_on_front"]
            weight = arm["deviation_of_log_latency_factor"] / table["deviation_of_log_accuracy"]
            alpha, beta = PUBLISHED[label]
            recipe = f"{table['recipe']:.3f}" if alpha == beta else ""
            best = f"{arm['best_on_front']:.2f} T"
            rows["why"].append([name, label, best, f"{low:.2f} T to {high:.2f} T", f"{weight:.1f}", recipe])
    return {kind: markdown(head_why if kind == "why" else head, each) for kind, each in rows.items()}


def _spread_cells(runs: Sequence[Summary]) -> list[str]:
    shares = [_mean((run[key] for run in runs), ".0%") for key in ("at_most_target", "fast", "slow")]
    quantiles = np.mean([run["quantiles"] for run in runs], axis=0)
    rest = (("accuracy", ".1%"), ("different", ".0%"), ("choice_entropy", ".1f"))
    return [
        *shares,
        ", ".join(f"{q:.2f}" for q in quantiles),
        *(_mean((run[key] for run in runs), form) for key, form in rest),
    ]


def front_tables(result: Summary) -> dict[str, str]:
    """Tables of ``compare_fronts``."""
    rows = []
    for name, table in result.items():
        number = len(table["targets"])
        targets = ", ".join(f"{target:g}" for target in table["targets"])
        best = [f"{value:.2%}" for value in table["best_accuracy_within"]]
        rows.append([f"{name}: best known, T1 to T{number} = {targets} ms", "", "0", *best, ""])
        for label, arm in table["arms"].items():
            for i, total in enumerate(arm["totals"]):
                many = f"{number} x {total // number:,}" if label in PUBLISHED else f"{total:,}"
                accuracies = zip(*(run["accuracy_within"][i] for run in arm["runs"]), strict=True)
                cells = [
                    _mean((run["regret"][i] for run in arm["runs"]), ".3f"),
                    *(_mean(a, ".2%") for a in accuracies),
                ]
                rows.append(
                    [f"{name}: {label}", many, *cells, _mean((run["ms_a_trial"] for run in arm["runs"]), ".0f")]
                )
    head = ["table, search", "trials", "regret", *(f"within T{i + 1}" for i in range(number)), "CPU ms a trial"]
    return {"front": markdown(head, rows)}


def controller_tables(result: Summary) -> dict[str, str]:
    """Tables of ``compare_controllers``."""
    rows = []
    for name, table in result.items():
        wanted = sorted({min(table["trials"], n) for n in (1000, 3000, table["trials"])})
        places = [int(np.argmin(np.abs(np.array(table["at"]) - n))) for n in wanted]
        for label, runs in table["arms"].items():
            for place in places:
                cells = [_mean((run[key][place] for run in runs), ".2%") for key in ("lacks_soft", "lacks_hard")]
                cells.append(_mean((run["regret"][place] for run in runs), ".3f"))
                rows.append([f"{name}: {label}", f"{table['at'][place]:,}", *cells])
    head = ["table, search", "trials", "soft reward lacks", "hard reward lacks", "regret of the front"]
    return {"controller": markdown(head, rows)}


def space_curves(result: Summary) -> tuple[list[float], dict[str, Floats]]:
    """The reference point (accuracy, latency), and (seeds, trials) hypervolumes of each space.

    The point: chance accuracy, and the latency that three quarters of all networks tried in any run keep.
    """
    every = np.concatenate([run["values"] for each in result["spaces"].values() for run in each["runs"]])
    reference = [0.1, float(np.quantile(every[:, 1], 0.75))]
    directions = ["maximize", "minimize"]
    curves = {
        name: np.array(
            [
                [hypervolume(run["values"][:n], reference, directions) for n in range(1, result["trials"] + 1)]
                for run in each["runs"]
            ]
        )
        for name, each in result["spaces"].items()
    }
    return reference, curves


def space_tables(result: Summary) -> dict[str, str]:
    """Tables of ``compare_spaces``."""
    reference, curves = space_curves(result)
    whole = reference[1] * (1 - reference[0])
    rows = []
    for name, each in result["spaces"].items():
        runs = [np.array(run["values"]) for run in each["runs"]]
        rows.append(
            [
                name,
                str(each["decisions"]),
                f"10^{each['log10_size']:.0f}",
                str(result["trials"]),
                *(_mean(curves[name][:, n - 1] / whole, ".3f") for n in (result["trials"] // 3, result["trials"])),
                _mean((float(np.median(run[:, 0])) for run in runs), ".1%"),
                _mean((float(np.median(run[:, 1])) for run in runs), ".3f"),
                _mean((float(run[:, 0].max()) for run in runs), ".1%"),
            ]
        )
    head = ["space", "decisions", "points", "trials", f"hypervolume at {result['trials'] // 3}", "at the end"]
    head += ["median accuracy tried", "median latency tried (ms)", "best accuracy"]
    return {"space": markdown(head, rows)}


# The plots


def _figure(width: float, height: float, rows: int, columns: int, **settings: Any) -> tuple[Any, Any]:
    figures = require("matplotlib.figure", extra="plot")
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **settings)
    for each in axes.flat:
        each.grid(color="#e3e6e8", linewidth=0.8)
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _band(axes: Any, x: Sequence[float], curves: Any, label: str, color: str, dashes: str) -> None:
    """The mean of curves (seeds, len(x)), and the range they span."""
    curves = np.array(curves)
    axes.plot(x, curves.mean(axis=0), color=color, label=label, linewidth=1.6, linestyle=dashes)
    axes.fill_between(x, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.15, linewidth=0)


def _legend(figure: Any, axes: Any, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def plot_rewards(result: Summary) -> Any:
    """Histograms of the latencies sampled."""
    labels = list(next(iter(result.values()))["arms"]["hard"]["windows"])
    figure, axes = _figure(10, 2.7 * len(result) + 0.6, len(result), len(labels), sharex=True)
    for row, (name, table) in zip(axes, result.items(), strict=True):
        for panel, label in zip(row, labels, strict=True):
            panel.stairs(table["random"]["histogram"], BINS, fill=True, color="#d9dcde", label="random networks")
            for arm in PUBLISHED:
                histograms = [run["histogram"] for run in table["arms"][arm]["windows"][label]]
                panel.stairs(np.mean(histograms, axis=0), BINS, color=STYLES[arm][0], linewidth=1.6, label=arm)
            panel.axvline(1, color="black", linewidth=1)
            for edge in (FAST, SLOW):
                panel.axvline(edge, color="black", linewidth=0.8, linestyle=":")
            panel.set_title(f"{name}, {label} trials", fontsize=10)
            panel.set_xlim(0, 3)
        row[0].set_ylabel("share of trials")
    for panel in axes[-1]:
        panel.set_xlabel("latency / T")
    _legend(figure, axes[0, 0], 3)
    return figure


def plot_reasons(result: Summary) -> Any:
    """The rewards along the best known front, and the entropy of the choices over trials."""
    name, table = next(iter(result.items()))
    figure, axes = _figure(10, 4.4, 1, 2)
    landscape, entropy = axes[0]
    accuracy, latency = (np.array(column) for column in table["best_front"])
    for label, exponents in PUBLISHED.items():
        along = MnasReward(table["target"], *exponents)(accuracy, latency)
        landscape.plot(latency / table["target"], along / np.max(along), color=STYLES[label][0], linewidth=1.6)
    landscape.axvline(1, color="black", linewidth=1)
    landscape.set_xlabel("latency / T")
    landscape.set_ylabel("reward / its best")
    landscape.set_title(f"{name}: reward along the best known front", fontsize=10)
    landscape.set_xlim(0.2, 3)
    landscape.set_ylim(0.85, 1.005)
    for label, arm in table["arms"].items():
        x = [min(table["trials"], i) for i in range(ENTROPY_TRIALS, table["trials"] + ENTROPY_TRIALS, ENTROPY_TRIALS)]
        _band(entropy, x, arm["entropy"], label, *STYLES[label])
    entropy.set_xlabel("trials")
    entropy.set_ylabel("entropy of the choices (nats)")
    entropy.set_title(f"{name}: entropy of {ENTROPY_TRIALS} trials", fontsize=10)
    entropy.set_ylim(bottom=0)
    _legend(figure, entropy, 3)
    return figure


def plot_fronts(result: Summary) -> Any:
    """Fronts of the first seed, and the regret over trials."""
    figure, axes = _figure(10, 3.6 * len(result) + 0.6, len(result), 2)
    for (plane, regret), (name, table) in zip(axes, result.items(), strict=True):
        plane.plot(
            table["best_front"][1], table["best_front"][0], color="#b0b4b8", linewidth=4, label="best known front"
        )
        for label, arm in table["arms"].items():
            points = np.array(sorted(arm["runs"][0]["front"], key=lambda point: point[1]))
            said = f"{label}, {len(table['targets'])} targets joined" if label in PUBLISHED else label
            plane.step(points[:, 1], points[:, 0], where="post", color=STYLES[label][0], linewidth=1.3, label=said)
            _band(regret, arm["at"], [run["curve"] for run in arm["runs"]], said, *STYLES[label])
        for target in table["targets"]:
            plane.axvline(target, color="black", linewidth=0.8, linestyle=":")
        plane.set_title(f"{name}: fronts after {table['trials']:,} trials", fontsize=10)
        plane.set_xlabel("latency (ms)")
        plane.set_ylabel("accuracy")
        plane.set_xlim(0, 1.1 * table["best_front"][1][-1])
        plane.set_ylim(bottom=0.5)
        regret.set_title(f"{name}: hypervolume regret", fontsize=10)
        regret.set_xlabel("trials, all targets together")
        regret.set_xscale("log")
        regret.set_ylim(bottom=0)
    _legend(figure, axes[0, 0], 3)
    return figure


def plot_controllers(result: Summary) -> Any:
    """The best reward and the hypervolume regret over trials."""
    titles = {"lacks_soft": "soft reward", "lacks_hard": "hard reward", "regret": "hypervolume"}
    figure, axes = _figure(10, 2.9 * len(result) + 0.6, len(result), len(titles), sharex=True)
    for row, (name, table) in zip(axes, result.items(), strict=True):
        for panel, (key, title) in zip(row, titles.items(), strict=True):
            for label, runs in table["arms"].items():
                said = f"paper's controller, {label} reward" if label in PUBLISHED else label
                _band(panel, table["at"], [run[key] for run in runs], said, *STYLES[label])
            panel.set_title(f"{name}: {title}", fontsize=10)
            panel.set_xscale("log")
            panel.set_ylim(bottom=0)
        row[0].set_ylabel("share of the best known lacking")
    for panel in axes[-1]:
        panel.set_xlabel("trials")
    _legend(figure, axes[0, 0], 4)
    return figure


def plot_spaces(result: Summary) -> Any:
    """What was tried in the two spaces, and the hypervolume over trials."""
    reference, curves = space_curves(result)
    figure, axes = _figure(10, 4.2, 1, 2)
    tried, volume = axes[0]
    colors = dict(zip(result["spaces"], ("#0072B2", "#D55E00"), strict=True))
    for name, each in result["spaces"].items():
        values = np.concatenate([run["values"] for run in each["runs"]])
        tried.scatter(values[:, 1], values[:, 0], s=10, color=colors[name], alpha=0.6, linewidths=0, label=name)
        at = range(1, result["trials"] + 1)
        _band(volume, at, curves[name] / (reference[1] * (1 - reference[0])), name, colors[name], "-")
    tried.axvline(reference[1], color="black", linewidth=0.8, linestyle=":")
    tried.set_xlim(left=0)
    tried.set_xlabel("latency on this machine (ms)")
    tried.set_ylabel("accuracy on the hold-out")
    tried.set_title("all networks tried", fontsize=10)
    volume.set_xlabel("trials")
    volume.set_ylabel("hypervolume, share of the box")
    volume.set_title("under the front", fontsize=10)
    _legend(figure, tried, 2)
    return figure


def report(source: Path, page: Path | None) -> None:
    """Prints the tables, or puts them between the page's markers; draws the plots beside the page, or else the JSON.

    Args:
        source: the JSON.
        page: a markdown file with lines ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` for every table.

    Raises:
        ValueError: the page lacks a table's lines.
    """
    drawings = {
        "reward": (reward_tables, {"reward": plot_rewards, "why": plot_reasons}),
        "front": (front_tables, {"front": plot_fronts}),
        "controller": (controller_tables, {"controller": plot_controllers}),
        "space": (space_tables, {"space": plot_spaces}),
    }
    results = json.loads(source.read_text())
    tables: dict[str, str] = {}
    for part in results:
        tabulate, plots = drawings[part]
        tables |= tabulate(results[part])
        for name, draw in plots.items():
            beside = page or source
            draw(results[part]).savefig(
                beside.with_name(f"{beside.stem}-{name}.png"), dpi=90, pil_kwargs={"optimize": True}
            )
    if page is None:
        print("\n\n".join(f"{name}\n{table}" for name, table in tables.items()))
    else:
        page.write_text(fill(page.read_text(encoding="utf-8"), tables), encoding="utf-8")


def fill(text: str, tables: Mapping[str, str]) -> str:
    """A page with every table between its markers, in place of what stood there.

    Raises:
        ValueError: a table has no markers.
    """
    for name, table in tables.items():
        begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = f"\n{rest}".partition(end)
        if not (found_begin and found_end):
            raise ValueError(f"the page lacks {begin.strip()} or {end.strip()}; add both lines where the table belongs")
        text = before + begin + table + end + after
    return text


def main() -> None:
    """Reports what the JSON holds."""
    parser = harness.options(__doc__, json_file=False)
    parser.add_argument("--input", type=Path, default=Path("build/paper-comparison.json"), help="the JSON")
    parser.add_argument("--page", type=Path, help="put the tables into this page, the plots beside it (default: print)")
    arguments = parser.parse_args()
    report(arguments.input, arguments.page)


if __name__ == "__main__":
    main()
