"""Does a front hold? Its networks are trained again with fresh seeds, and judged against the intervals shown.

    python studies/benchmarks/retrained.py photos.yaml

For each member of the front of a study: the accuracy that the study shows with its 95 % interval, the accuracies of
further trainings (the same settings and hold-outs, other seeds), their mean, and whether it lies within the interval.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mnas_moo.objectives.front import is_feasible, minimised, pareto_mask
from mnas_moo.running.objectives import describe, make_objective, space_of
from mnas_moo.running.plan import stored_plan
from mnas_moo.running.storage import find_study
from mnas_moo.running.trainings import at_a_time
from mnas_moo.running.trials import MEASUREMENTS, Observer, completed_trials, network_of
from mnas_moo.spaces.text import from_text
from mnas_moo.studies.benchmarks import harness
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy

FRESH = 1000
"""Number of the first further training: seeds follow from the number, and a study counts from 0."""


def main() -> None:
    """Prints a line a network, and the share that lies within its interval."""
    parser = harness.options(__doc__)
    parser.add_argument("study", help="study file of a finished study of networks")
    parser.add_argument("--trainings", type=int, default=5, help="further trainings of each network (default: 5)")
    arguments = parser.parse_args()
    study_file = load_study_file(arguments.study)
    assert isinstance(study_file, NetworkStudy)
    study = find_study(study_file)
    if study is None:
        parser.error(f"{arguments.study} has no trials yet; run it first")
    plan = stored_plan(study)
    if plan is not None:
        study_file = study_file.planned(plan.size, plan.resolution, plan.steps, plan.batch_size, plan.trials)
    accuracy: Any = make_objective(study_file, "accuracy", space_of(study_file, describe(study_file)), Observer())

    trials = [trial for trial in completed_trials(study) if is_feasible(trial)]
    values = minimised(np.array([trial.values for trial in trials]), study.directions)
    front = [trial for trial, kept in zip(trials, pareto_mask(values), strict=True) if kept]
    result: dict[str, dict[str, Any]] = {}
    print(f"{study.study_name}: {len(front)} networks on the front, each trained {arguments.trainings} times more")
    print(f"{'trial':>6}{'shown':>8}{'interval':>17}{'again':>8}  trainings")
    first = FRESH - FRESH % len(accuracy.data.holdouts)
    with ThreadPoolExecutor(at_a_time(accuracy.settings.threads, accuracy.device)) as pool:
        for trial in sorted(front, key=lambda trial: -float(trial.user_attrs[MEASUREMENTS]["accuracy"]["value"])):
            shown = trial.user_attrs[MEASUREMENTS]["accuracy"]
            spec, seed = from_text(network_of(trial)), trial.number
            jobs = [pool.submit(accuracy.train, spec, seed, first + k) for k in range(arguments.trainings)]
            again = [float(job.result()["accuracy"]) for job in jobs]
            low, high = shown["interval"]
            mean = float(np.mean(again))
            within = low <= mean <= high
            result[str(trial.number)] = {
                "shown": shown["value"], "interval": [low, high], "again": again, "within": within
            }  # fmt: skip
            figures = " ".join(f"{100 * each:.1f}" for each in again)
            print(
                f"{trial.number:6}{100 * shown['value']:7.1f}%{100 * low:8.1f} to {100 * high:4.1f}%"
                f"{100 * mean:7.1f}%  {figures}{'' if within else '  outside'}",
                flush=True,
            )
    inside = sum(each["within"] for each in result.values())
    print(f"{inside} of {len(result)} lie within the interval shown")
    harness.write_json(arguments.json, result)


if __name__ == "__main__":
    main()
