"""The report of a study: what its page says, of the front, the networks to choose, what mattered, and where it is from.

What is shown comes from the study's storage and files: no images, space or table are read, and nothing is measured
unless one asks for published networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from mnas_moo.instanas.sampler import POINT
from mnas_moo.reports.choices import Choice, choices_of, shared_choices, tags_of
from mnas_moo.reports.failures import failures_of
from mnas_moo.reports.figures_searches import search_figures
from mnas_moo.reports.figures_study import (
    front_figure,
    importance_figure,
    learning_figures,
    members_figures,
    name_of,
    published_figure,
    spans_of,
    volume_figure,
)
from mnas_moo.reports.importance import importance_of
from mnas_moo.reports.intervals import interval_of, trainings_of
from mnas_moo.reports.learning import charts_of, learning_of
from mnas_moo.reports.learning_text import advice
from mnas_moo.reports.members import members_of
from mnas_moo.reports.page import Card, Report, Section, Table
from mnas_moo.reports.past import History, history, label_of
from mnas_moo.reports.picks import with_panacea
from mnas_moo.reports.points import points_of_trials
from mnas_moo.reports.points_section import points_sections
from mnas_moo.reports.provenance import printable_lines, provenance
from mnas_moo.reports.searches import searches_of
from mnas_moo.reports.text import figure, front_trials, objective_names
from mnas_moo.running.goal import spent_seconds
from mnas_moo.running.trained import label_of as trained_label
from mnas_moo.running.trained import trained_figures
from mnas_moo.running.trials import completed_trials, network_of
from mnas_moo.spaces.printable import printable, short
from mnas_moo.study_file.document import StudyError
from mnas_moo.study_file.duration import in_words
from mnas_moo.study_file.network_study import NetworkStudy
from mnas_moo.study_file.study import StudyFile

MOST_PICTURES = 2_000_000
"""So many characters the pictures of networks may take together."""
TOLD_NETWORKS = 300
"""With more trials, only those of the front have their networks as text where one points at them."""
MOST_MEMBERS = 200
MOST_SHARED = 15
PICTURE_NOTE = "Point at a mark for its trial, or walk along the front with the arrow keys."


def report_of(
    study: optuna.Study,
    study_file: StudyFile,
    commands: Sequence[str],
    show: str,
    timing: Callable[[str], None] | None = None,
) -> Report:
    """What the page of a study shows.

    Args:
        study: the study, as it is stored.
        study_file: its file.
        commands: the commands that reproduce it.
        show: the words that name the study in a command, as in "study.yaml --storage sqlite:///small.db".
        timing: function that is told what is waited for, if published networks are to be timed on the study's device
            beside the choices; None: nothing is measured.

    Raises:
        StudyError: no trial of the study is finished, or it has no device to time published networks on.
        DeviceError: there is no such device now.
    """
    trials = study.get_trials(deepcopy=False)
    past = history(trials, study.directions, study.metric_names)
    if not past.numbers:
        raise StudyError(
            f"study {short(study.study_name)!r} has no finished trial ({_states(trials)}), so there is nothing to "
            "report; `mnas-moo run` makes trials"
        )
    names = objective_names(study)
    completed = [trial for trial in completed_trials(study) if np.isfinite(trial.values).all()]
    front = front_trials(study.directions, completed)
    choices = choices_of(front, names, study.directions, study_file.make_reward())
    choices = with_panacea(choices, front, names, study.directions)
    pictures = _pictures(front, choices, completed)
    told = _told(front, completed, pictures)
    networks = any(past.networks)
    sections = [
        Section(
            "networks" if networks else "configurations",
            f"{'Networks' if networks else 'Configurations'} to choose",
            cards=_cards(choices, names, show if networks else ""),
        ),
        *_at_once(past, front, choices, told),
        _front(past, front, choices, names, told),
        *_course(past, trials),
        *([] if timing is None else [_beside(study_file, choices, timing)]),
        *_mattered(study, front, completed, past),
        _learning(study, trials),
        *_searched(study, study_file, trials, names),
        *_trained(study_file, completed),
    ]
    return Report(
        printable(study.study_name),
        _lead(past, names, front, networks),
        _tiles(trials, past, front),
        [line[0].upper() + line[1:] + "." * (not line.endswith(".")) for line in (*past.verdicts, *_missing(past))],
        sections,
        pictures,
        commands,
        provenance(study, study_file),
        printable_lines(study_file.written),
        failures_of(trials),
    )


def _states(trials: Sequence[FrozenTrial]) -> str:
    if not trials:
        return "it has no trials yet"
    failed = sum(trial.state == TrialState.FAIL for trial in trials)
    return f"{len(trials)} {'trial' if len(trials) == 1 else 'trials'}, {failed} of them failed"


def _missing(past: History) -> Iterator[str]:
    if not past.feasible.any():
        yield "no trial keeps all constraints, so there is no front"


def _lead(past: History, names: Sequence[str], front: Sequence[FrozenTrial], networks: bool) -> str:
    what = "network" if networks else "configuration"
    tried = f"{len(past.numbers):,} trial{'s' * (len(past.numbers) != 1)}"
    if not front:
        return f"{tried}, none of which keeps all constraints."
    if len(names) == 1:
        best = figure(names[0], front[0].values[0], interval_of(front[0], names[0]))
        return f"The best {what} of {tried} (trial {front[0].number}) reaches {past.labels[0]} {best}."
    if len(front) == 1:
        return f"One {what} of {tried} is better than all others: {spans_of(past)}."
    return f"{len(front):,} {what}s of {tried} are the best trade-offs found: {spans_of(past)}."


def _tiles(trials: Sequence[FrozenTrial], past: History, front: Sequence[FrozenTrial]) -> list[tuple[str, str]]:
    failed = sum(trial.state in (TrialState.FAIL, TrialState.PRUNED) for trial in trials)
    under_way = sum(not trial.state.is_finished() for trial in trials)
    broken = int((~past.feasible).sum())
    spent = spent_seconds(trials)
    tiles = [
        ("finished trials", f"{len(past.numbers):,}"),
        ("on the front" if len(past.names) > 1 else "best", f"{len(front):,}"),
        ("violate a constraint", f"{broken:,}" if broken else ""),
        ("failed trials", f"{failed:,}" if failed else ""),
        ("under way", f"{under_way:,}" if under_way else ""),
        ("trials ran for", in_words(spent) if spent else ""),
    ]
    return [(label, value) for label, value in tiles if value]


def _pictures(
    front: Sequence[FrozenTrial], choices: Sequence[Choice], completed: Sequence[FrozenTrial]
) -> dict[str, str]:
    """Pictures of the front's networks by the names of their trials: the choices first, as far as there is room."""
    from mnas_moo.spaces.picture import picture
    from mnas_moo.spaces.text import from_text

    # halves, quarters ... of the front, so that where room ends the pictures are spread over it
    order = sorted(range(len(front)), key=lambda i: (-(i & -i or len(front)), i))
    drawn: dict[str, str] = {}
    room = MOST_PICTURES
    for network in filter(None, map(network_of, [*(choice.trial for choice in choices), *(front[i] for i in order)])):
        if network in drawn:
            continue
        try:
            svg = picture(from_text(network))
        except ValueError:  # another program may have written there
            continue
        room -= len(svg)
        if room < 0:
            break
        drawn[network] = svg
    # a network that was tried again has its picture in each of its trials
    return {name_of(each.number): drawn[network] for each in completed if (network := network_of(each)) in drawn}


def _cards(choices: Sequence[Choice], names: Sequence[str], show: str) -> list[Card]:
    """A card for each network that is chosen; one may be chosen for several reasons."""
    whys: dict[int, list[Choice]] = {}
    for choice in choices:
        whys.setdefault(choice.trial.number, []).append(choice)
    return [_card(each, names, show) for each in whys.values()]


def _card(choices: Sequence[Choice], names: Sequence[str], show: str) -> Card:
    trial = choices[0].trial
    figures = [
        (label_of(name), figure(name, value, interval_of(trial, name)))
        for name, value in zip(names, trial.values, strict=True)
    ]
    network = network_of(trial)
    text = network.replace(" ", "\n") if network else _parameters(trial)
    commands = []
    if show:
        number = trial.number
        trained = [] if POINT in trial.user_attrs else [f"mnas-moo train {show} {number}"]  # a point is trained
        commands = [
            f"mnas-moo show {show} --trial {number}",
            *trained,
            f"mnas-moo export {show} {number} -o {trained_label(number)}",
        ]
    title = ", ".join(choice.title for choice in choices)
    why = " ".join(choice.why for choice in choices)
    name = name_of(trial.number)
    return Card(title[0].upper() + title[1:], name, why, figures, printable_lines(text), commands)


def _parameters(trial: FrozenTrial) -> str:
    return "\n".join(f"{name} = {value}" for name, value in trial.params.items())


def _told(
    front: Sequence[FrozenTrial], completed: Sequence[FrozenTrial], pictures: Mapping[str, str]
) -> dict[int, str]:
    """By the numbers of trials that have no picture, their networks or parameters, as far as there is room."""
    members = {trial.number for trial in front}
    return {
        trial.number: printable(network_of(trial) or ", ".join(_parameters(trial).split("\n")))
        for trial in completed
        if (trial.number in members or len(completed) <= TOLD_NETWORKS) and name_of(trial.number) not in pictures
    }


def _at_once(
    past: History, front: Sequence[FrozenTrial], choices: Sequence[Choice], told: Mapping[int, str]
) -> Iterator[Section]:
    """The front in all objectives at once, where there are more than its own plot can show."""
    members = members_of(past, front, choices, told)
    if members is not None:
        yield Section("objectives", "All objectives at once", figures=members_figures(members))


def _front(
    past: History,
    front: Sequence[FrozenTrial],
    choices: Sequence[Choice],
    names: Sequence[str],
    told: Mapping[int, str],
) -> Section:
    drawn = front_figure(past, len(front), tags_of(choices), told)
    trained = any(trainings_of(trial) for trial in front)
    heads = ["trial", *(label_of(name) for name in names), *(["trainings"] if trained else [])]
    rows = [
        [
            str(trial.number),
            *(figure(name, value, interval_of(trial, name)) for name, value in zip(names, trial.values, strict=True)),
            *([str(trainings_of(trial) or "")] if trained else []),
        ]
        for trial in front[:MOST_MEMBERS]
    ]
    left = f" (the first {MOST_MEMBERS} of {len(front)})" if len(front) > MOST_MEMBERS else ""
    tables = {f"Members of the front{left}": Table(heads, rows)} if len(names) > 1 and front else {}
    title = "The front" if len(names) > 1 else "The best so far"
    return Section("front", title, [PICTURE_NOTE], figures=[drawn], tables=tables)


def _course(past: History, trials: Sequence[FrozenTrial]) -> Iterator[Section]:
    if len(past.names) > 1 and past.feasible.any():
        yield Section("hypervolume", "How far the search has come", figures=[volume_figure(past, trials)])


def _beside(study_file: StudyFile, choices: Sequence[Choice], timing: Callable[[str], None]) -> Section:
    """The choices beside published networks, all timed now."""
    from mnas_moo.running.published import latencies_in_turn, published_for
    from mnas_moo.spaces.text import from_text

    titles = {f"{title} ({name_of(number)})": number for number, title in tags_of(choices).items()}
    networks = {choice.trial.number: network_of(choice.trial) for choice in choices}
    if not choices or not all(networks.values()):
        raise StudyError(f"{study_file.name} has no networks on its front, so there is nothing to time")
    own = [from_text(networks[number]) for number in titles.values()]
    others = published_for(own[0])
    found = latencies_in_turn(study_file, [*own, *others], timing)
    latencies = dict(zip([*titles, *(spec.name for spec in others)], found, strict=True))
    words = (
        "Their accuracy on these images is not known; they are timed for the same size of images and number of classes."
    )
    return Section("beside", "Beside published networks", [words], figures=[published_figure(latencies, len(own))])


def _mattered(
    study: optuna.Study, front: Sequence[FrozenTrial], completed: Sequence[FrozenTrial], past: History
) -> Iterator[Section]:
    importance = importance_of(study)
    shared = shared_choices(front, completed)[:MOST_SHARED]
    rows = [
        [each.decision, short(each.value), f"{100 * each.members:.0f} %", f"{100 * each.trials:.0f} %"]
        for each in shared
    ]
    heads = ("decision", "choice", "of the front", "of all trials")
    table = Table(heads, rows, frozenset((0, 1)))
    yield Section(
        "mattered",
        "What mattered",
        figures=[importance_figure(importance, past.labels)] if importance else [],
        tables={"Choices that the front's members share": table} if shared else {},
    )


def _learning(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Section:
    try:
        learning = learning_of(trials, study.directions, study.metric_names)
    except ValueError as error:
        return Section("learning", "How the search learnt", [f"There are no plots of it: {error}."])
    figures = learning_figures(charts_of(learning))
    return Section("learning", "How the search learnt", advice(learning), figures=figures)


def _searched(
    study: optuna.Study, study_file: StudyFile, trials: Sequence[FrozenTrial], names: Sequence[str]
) -> Iterator[Section]:
    if not isinstance(study_file, NetworkStudy):
        return
    searches = searches_of(study_file, trials, names)
    try:
        figures = search_figures(searches)
    except (ValueError, TypeError, LookupError):  # another program has changed the files beside the weights
        figures = []
    yield Section("searches", "Weights that networks share", figures=figures)
    yield from points_sections(points_of_trials(study, study_file, completed_trials(study)), searches.per_image)


def _trained(study_file: StudyFile, completed: Sequence[FrozenTrial]) -> Iterator[Section]:
    """The networks of the study that were trained to the end, beside what their trials had said."""
    found = trained_figures(study_file)
    heads = ("network", "in its trial", "hold-out", "test images", "recipe", "steps", "time", "device")
    rows = []
    for label, figures in found.items():
        trial = next((each for each in completed if trained_label(each.number) == label), None)
        before = "" if trial is None or not trial.values else _accuracy_of(trial)
        recipe = figures.get("recipe")
        recipe = recipe.get("recipe", recipe.get("name", "")) if isinstance(recipe, Mapping) else recipe
        rows.append(
            [
                short(label),
                before,
                _accuracy(figures.get("accuracy"), figures.get("interval")),
                _accuracy(figures.get("test_accuracy"), figures.get("test_interval")),
                short(str(recipe or "")),
                f"{steps:,}" if isinstance(steps := figures.get("steps"), int) else "",
                in_words(seconds) if isinstance(seconds := figures.get("seconds"), int | float) else "",
                short(str(figures.get("device") or "")),
            ]
        )
    if rows:
        kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]
        table = Table([heads[i] for i in kept], [[row[i] for i in kept] for row in rows], frozenset((0,)))
        yield Section("trained", "Trained networks", tables={"Accuracy after the final training": table})


def _accuracy_of(trial: FrozenTrial) -> str:
    from mnas_moo.running.trials import measured

    value = measured(trial, "accuracy").get("value")
    return _accuracy(value, interval_of(trial, "accuracy"))


def _accuracy(value: Any, interval: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    ends = None
    if isinstance(interval, list | tuple) and len(interval) == 2 and all(isinstance(e, int | float) for e in interval):
        ends = (float(interval[0]), float(interval[1]))
    return figure("accuracy", float(value), ends)
