"""What described numbers are worth on trained networks: how well the rest of a study is predicted, with and without.

A study that was run holds networks that were really trained and timed. Some of its completed trials, drawn at random,
are given to the surrogate, once with ``Space.features`` and once without, and it predicts the others: Kendall's rank
correlation and the median error, mean over the draws. Paired: both see the same trials.

    mnas-moo run STUDY
    python studies/benchmarks/features.py STUDY [--storage URL] [--data DIR] [--given 20 50 100] [--draws 20]
        [--json features.json]

A study whose sampler is ``random`` says most: its networks are from all of the space.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mnas_moo.genomes.history import History, Record
from mnas_moo.objectives.statistics import kendall_tau
from mnas_moo.running.network_trials import NetworkTrials
from mnas_moo.running.storage import find_study
from mnas_moo.settings import DEFAULTS
from mnas_moo.studies.benchmarks import harness
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.load import load_study_file
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.surrogate.surrogate import Surrogate, Transfer
from mnas_moo.surrogate.view import Reader


def figures(
    records: Sequence[Record],
    names: Sequence[str],
    signs: npt.NDArray[np.float64],
    reader: Reader,
    given: int,
    draw: int,
) -> dict[str, float]:
    """How well the other trials are predicted from some.

    Args:
        records: completed trials.
        names: name of each objective.
        signs: (M,) 1 where an objective is minimised, -1 where it is maximised.
        reader: reads their genomes.
        given: number of trials that the surrogate is given, at least 2.
        draw: seed of which these are.

    Returns:
        For each objective the rank correlation, and the median error in the objective's unit.
    """
    rng = np.random.default_rng(draw)
    order = rng.permutation(len(records))
    known, rest = [records[i] for i in order[:given]], [records[i] for i in order[given:]]
    surrogate = Surrogate(known, signs, {}, Transfer(), DEFAULTS, rng, reader)
    expected = surrogate.expected(surrogate.encoding.encode(rest))  # (N, M), on the scales
    found = {}
    for m, (name, scale) in enumerate(zip(names, surrogate.scales, strict=True)):
        values = np.array([record.values[m] for record in rest if record.values])
        predicted = scale.inverse(expected[:, m]) * signs[m]
        found[f"{name} tau"] = kendall_tau(predicted, values)
        found[f"{name} error"] = float(np.median(np.abs(predicted - values)))
    return found


def main() -> None:
    """Prints a table for each objective."""
    parser = harness.options(__doc__)
    parser.add_argument("study", help="study file, or name of a bundled one, that was run")
    parser.add_argument("--storage", metavar="URL", help="storage of its trials, instead of the file's")
    parser.add_argument("--data", metavar="DIR", help="folder of the images, where the study file asks for it")
    parser.add_argument(
        "--given", type=int, nargs="+", default=[20, 50, 100], help="trials that the surrogate is given"
    )
    parser.add_argument("--draws", type=int, default=20, help="random draws of them (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    try:
        study_file = load_study_file(arguments.study, storage=arguments.storage, data=arguments.data)
    except StudyError as error:
        parser.error(str(error))
    if not isinstance(study_file, NetworkStudy):
        parser.error(f"{arguments.study} trains no networks")
    study = find_study(study_file)
    if study is None:
        parser.error(f"{arguments.study} was not run: its storage holds no such study")
    space = NetworkTrials(study_file)
    history = History()
    history.read(study.get_trials(deepcopy=False))
    records = [record for record in history.finished if record.values is not None]
    signs = np.array([1.0 if direction.name == "MINIMIZE" else -1.0 for direction in study.directions])
    readers = {"choices": Reader(space.canonical), "with features": Reader(space.canonical, space.features)}
    names = study.metric_names or [f"objective {m}" for m in range(len(signs))]
    result: dict[str, dict[str, list[dict[str, float]]]] = {}
    rows = []
    for given in arguments.given:
        if given > len(records) - 10:
            print(f"of {len(records)} trials, {given} leave too few to predict")
            continue
        for kind, reader in readers.items():
            found = [figures(records, names, signs, reader, given, draw) for draw in range(arguments.draws)]
            result.setdefault(str(given), {})[kind] = found
            rows.append([str(given), kind, *(f"{np.mean([each[key] for each in found]):.4g}" for key in found[0])])
    if rows:
        print(harness.markdown(["trials", "read", *found[0]], rows, numbers=range(2, 2 + len(found[0]))))
    harness.write_json(arguments.json, result)


if __name__ == "__main__":
    main()
