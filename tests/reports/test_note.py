from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from mnas_moo.reports.note import explain, progress_line
from mnas_moo.reports.past import history
from mnas_moo.running.identity import IDENTITY
from mnas_moo.study_file.study import StudyFile
from tests.reports.conftest import a_study, of, random_values

Finished = tuple[StudyFile, optuna.Study]


def test_the_note_says_what_is_searched_with_units_and_bounds(finished_study: Finished) -> None:
    study = finished_study[1]
    identity = study._storage.get_study_system_attrs(study._study_id)[IDENTITY]
    note = explain("small", identity, history(study.trials, study.directions, study.metric_names), "random")
    for words in (
        "space `mnasnet` (18 decisions a network; preset: digits, blocks: 3)",
        "`digits` (10 classes, grey)",
        "- accuracy on the hold-out, maximized",
        "- latency (ms), minimized",
        "- constraint: parameters (millions) at most 0.015",
        "the sampler `random`",
        "`mnas-moo run STUDY`",
    ):
        assert words in note


TABLE = {"table": {"name": "macro"}, "parameters": ["op0", "op1"], "constraints": {"size": {"min": 2, "max": 30.5}}}


def test_the_note_on_a_tabular_study_does_not_speak_of_networks() -> None:
    note = explain("macro", TABLE, history([], ["maximize", "minimize"], ["accuracy", "latency_ms"]), "nsga2")
    assert "the table `macro` (2 parameters)" in note
    assert "Points are proposed by the sampler `nsga2`" in note
    assert "- constraint: size at least 2 and at most 30.5" in note
    assert "network" not in note


@pytest.mark.parametrize(("names", "heading"), [(["a"], "What is optimised"), (["a", "b"], "What is traded off")])
def test_the_note_explains_the_plots_that_are_there(names: list[str], heading: str) -> None:
    note = explain("x", TABLE, history([], ["minimize"] * len(names), names), None)
    assert heading in note
    assert ("*Hypervolume*" in note) == (len(names) > 1) != ("*Best so far*" in note)
    assert "proposed by the sampler" not in note


def test_names_have_no_meaning_in_markdown() -> None:
    name = "a*b* `[l](//x)` <img src=x> $x$ www.x.y"
    identity = {"table": {"name": f"t {name}"}, "parameters": [], "constraints": {name: {"max": 1}}}
    note = explain(name, identity, history([], ["minimize"], [name]), None)
    plain = "`" + name.replace("`", "'") + "`"
    assert note.splitlines()[0] == f"## {plain}"
    assert f"- {plain}, minimized" in note
    assert f"- constraint: {plain} at most 1" in note
    assert f"the table `t {plain[1:]} (0 parameters)" in note


@pytest.mark.parametrize("name", ["- a", "1) a", "_a_", "a _b_", "www.a.b", "a@b.c", "a\n# b", "__a__", "# a", ""])
def test_what_may_mean_something_in_markdown_is_code(name: str) -> None:
    lines = explain(name, TABLE, history([], ["minimize"], ["x"]), None).splitlines()
    assert lines[0] == f"## `{name or ' '}`".replace("\n", r"\n")


@pytest.mark.parametrize("name", ["small", "latency_ms 2", "größe (cm)", "0.75", "-3", "a-b, c 5 %"])
def test_words_and_numbers_are_shown_as_text(name: str) -> None:
    assert explain(name, TABLE, history([], ["minimize"], ["x"]), None).startswith(f"## {name}\n")


PROGRESS = {
    "training": 2,
    "trainings": 4,
    "step": 210,
    "steps": 400,
    "images_per_second": 580.4,
    "loss": 1.214,
    "accuracy": 0.541,
    "seconds_left": 72.0,
}


def running(**changes: object) -> FrozenTrial:
    trial = create_trial(state=TrialState.RUNNING, user_attrs={"progress": {**PROGRESS, **changes}})
    trial.number = 7
    return trial


def test_the_training_under_way_is_told_in_one_line() -> None:
    line = "trial 7, training 2 of 4: step 210 of 400, 580 images/s, loss 1.21, accuracy 54.1 % so far, 1:12 left"
    assert progress_line(running()) == line
    assert "accuracy" not in progress_line(running(accuracy=None))


@pytest.mark.parametrize("key", PROGRESS)
@pytest.mark.parametrize("value", ["<b>", float("nan"), float("inf"), -1, True, [1], {}])
def test_nonsense_of_a_storage_is_not_shown(key: str, value: object) -> None:
    assert progress_line(running(**{key: value})) == ""


def test_a_trial_that_says_nothing_is_not_shown() -> None:
    assert progress_line(create_trial(state=TrialState.RUNNING)) == ""
    assert progress_line(running(more=1)) == ""


@pytest.mark.parametrize(("objectives", "explained"), [(2, False), (3, True)])
def test_plots_of_all_objectives_are_explained_where_they_are(objectives: int, explained: bool) -> None:
    note = explain("macro", TABLE, of(a_study(random_values(20, objectives))), None)
    assert ("*Pair by pair*" in note) == explained
